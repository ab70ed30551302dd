"""The data set ``arrays``: vectors made elsewhere, one array for each modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anybind.builtin.array_files import ENDINGS, Row, in_memory, open_archive, open_array, shards
from anybind.builtin.tables import ENDINGS as TABLES
from anybind.builtin.tables import read_table
from anybind.encoder_kit.datasets import chosen, collection_name, file_mark, first_repeated, inside, pairs
from anybind.errors import DataError, ShapeError

_IDS = "ids.txt"
_ARCHIVED_IDS = "ids"


class Arrays:
    """Rows of arrays: row i of every array is the same item.

    The folder holds ``<modality>.npy`` or ``<modality>.safetensors`` (a tensor named ``vectors``, or a single one)
    for each modality, (rows, dim) of real numbers, and optionally ``ids.txt`` with one id a line; without ids they
    are the row numbers. An array may also be a folder of numbered shards, ``img_emb/img_emb_0.npy`` and so on, and
    ``path`` an ``.npz`` file with an array for each modality and optionally ``ids``. Rows are read when they are
    asked for (an ``.npz`` is read whole), and nothing is unpickled.

    Args:
        path: The folder, or the ``.npz`` file.
        modalities: The arrays to use; all if None.
        files: Which file or folder of shards is which modality, e.g. ``image=img_emb``; by their names if None.
        ids: Where the ids are: a text file with one a line, an array (``.npy``) of texts or whole numbers, a table
            (CSV, TSV, JSON Lines, Parquet) or a folder of numbered tables. ``ids.txt`` of the folder if None.
        id_column: The column of the ids in a table.
        missing_from_nan: A row of nothing but NaN lacks the modality. Otherwise NaN is an error when read.
        collection: A name for the items. If None it comes from the files' names, sizes and times.

    Raises:
        DataError: the folder or a file is missing or malformed, ids are repeated or too few.
        ShapeError: the arrays have unequal lengths, or are not two-dimensional.
    """

    def __init__(
        self,
        *,
        path: str,
        modalities: Sequence[str] | None = None,
        files: Sequence[str] | None = None,
        ids: str | None = None,
        id_column: str = "id",
        missing_from_nan: bool = False,
        collection: str | None = None,
    ) -> None:
        self._path = Path(path)
        self._missing_from_nan = missing_from_nan
        found_ids: Sequence[str] | None = None
        ids_path = Path(ids) if ids is not None else self._path / _IDS
        if self._path.suffix == ".npz":
            arrays, found_ids = _archive(self._path)
            self.modalities = chosen(list(arrays), modalities, self._path)
            self._arrays = {name: in_memory(arrays[name], self._path) for name in self.modalities}
            used = [self._path]
        else:
            sources = _array_files(self._path) if files is None else _named_files(self._path, files)
            self.modalities = chosen(list(sources), modalities, self._path)
            self._arrays = {name: open_array(sources[name]) for name in self.modalities}
            used = list(sources.values())
        rows = _common_length({name: array.shape for name, array in self._arrays.items()}, self._path)
        if ids is not None or ids_path.exists():
            found_ids = _read_ids(ids_path, id_column)
            used.append(ids_path)
        self.ids: Sequence[str] = _checked(found_ids, rows, ids_path)
        marks = sorted(file_mark(file) for path in used for file in _files_in(path))
        self.collection = collection_name("arrays", collection, self._path, *marks)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Row]:
        """Modality -> (dim,) array of the type in the file."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        rows = {name: array.row(index % len(self)) for name, array in self._arrays.items()}
        if not self._missing_from_nan:
            return rows
        return {name: row for name, row in rows.items() if row.dtype.kind != "f" or not np.isnan(row).all()}


def _archive(path: Path) -> tuple[dict[str, NDArray[Any]], Sequence[str] | None]:
    """The arrays of an ``.npz`` file by name, and its ids, if any."""
    arrays = open_archive(path)
    ids = arrays.pop(_ARCHIVED_IDS, None)
    return dict(sorted(arrays.items())), None if ids is None else _as_ids(ids, path)


def _array_files(folder: Path) -> dict[str, Path]:
    """Modality -> its file, or its folder of shards."""
    if not folder.is_dir():
        raise DataError("a folder of arrays is missing", where=folder, expected="a folder with <modality>.npy files")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in ENDINGS and not (path.is_dir() and _holds_arrays(path)):
            continue
        if path.stem in found:
            got = f"{found[path.stem].name} and {path.name}"
            raise DataError("a modality has two files", where=folder, got=got, expected="one file a modality")
        found[path.stem] = path
    return found


def _holds_arrays(folder: Path) -> bool:
    return any(path.suffix in ENDINGS for path in folder.iterdir())


def _named_files(folder: Path, files: Sequence[str]) -> dict[str, Path]:
    expected = "modality=file or folder of shards, e.g. image=img_emb"
    found = {}
    for modality, name in pairs("files", files, expected):
        path = inside(folder.resolve(), name, f"{folder}, files")
        if modality in found or not path.exists():
            raise DataError("an array file cannot be read", where=path, got="twice" if modality in found else "missing")
        found[modality] = path
    return found


def _files_in(path: Path) -> Iterator[Path]:
    return (file for file in path.iterdir() if file.is_file()) if path.is_dir() else iter([path])


def _common_length(shapes: Mapping[str, tuple[int, ...]], where: Path) -> int:
    lengths = {name: shape[0] for name, shape in shapes.items()}
    if len(set(lengths.values())) != 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ShapeError(
            "arrays of one data set have unequal lengths", where=where, got=got, expected="equal lengths"
        )
    return next(iter(lengths.values()))


def _read_ids(path: Path, column: str) -> list[str]:
    if path.is_dir():
        return [identifier for table in shards(path, TABLES) for identifier in _column(table, column)]
    if path.suffix.lower() in TABLES:
        return _column(path, column)
    try:
        if path.suffix == ".npy":
            return _as_ids(np.load(path, allow_pickle=False), path)
        return path.read_text("utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise DataError("ids cannot be read", where=path, got=error, expected="UTF-8, one id a line") from error


def _column(path: Path, column: str) -> list[str]:
    ids = []
    for place, row in read_table(path):
        if isinstance(row, DataError):
            raise row
        cell = row.get(column)
        if not isinstance(cell, str | int) or isinstance(cell, bool):
            raise DataError("a row has no id", where=place, got=repr(cell), expected=f"text in column {column}")
        ids.append(str(cell))
    return ids


def _as_ids(array: NDArray[Any], where: Path) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        got = f"{array.shape} {array.dtype}"
        raise DataError("ids cannot be read", where=where, got=got, expected="(rows,) texts or whole numbers")
    return [str(identifier) for identifier in array.tolist()]


def _checked(ids: Sequence[str] | None, rows: int, where: Path) -> tuple[str, ...]:
    """The ids, or the row numbers without any."""
    if ids is None:
        return tuple(map(str, range(rows)))
    repeated = first_repeated(ids)
    if len(ids) != rows or not all(ids) or repeated is not None:
        got = f"{len(ids)} ids, {list(ids).count('')} empty, repeated: {repeated!r}"
        raise DataError("ids do not fit the arrays", where=where, got=got, expected=f"{rows} unique ids")
    return tuple(ids)
