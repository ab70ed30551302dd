"""The data set ``arrays``: vectors made elsewhere, one array file for each modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from anybind.builtin.files import chosen, collection_name, first_repeated
from anybind.errors import DataError, ShapeError

Row = NDArray[Any]

_IDS = "ids.txt"
_TENSOR = "vectors"


class Arrays:
    """Rows of arrays: row i of every array is the same item.

    The folder holds ``<modality>.npy`` or ``<modality>.safetensors`` (a tensor named ``vectors``) for each
    modality, (rows, dim) of real numbers, and optionally ``ids.txt`` with one id a line; without it the
    ids are the row numbers. Rows are read when they are asked for, and nothing is unpickled.

    Args:
        path: The folder.
        modalities: The arrays to use; all if None.
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
        missing_from_nan: bool = False,
        collection: str | None = None,
    ) -> None:
        self._path = Path(path)
        files = _array_files(self._path)
        self.modalities = chosen(sorted(files), modalities, self._path)
        self._missing_from_nan = missing_from_nan
        self._arrays = {name: _Array(files[name]) for name in self.modalities}
        rows = _common_length({name: array.shape for name, array in self._arrays.items()}, self._path)
        self.ids: Sequence[str] = _ids(self._path / _IDS, rows)
        marks = [_mark(path) for path in [*files.values(), self._path / _IDS] if path.exists()]
        self.collection = collection_name("arrays", collection, self._path, *sorted(marks))

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


class _Array:
    """One array file, read row by row."""

    def __init__(self, path: Path) -> None:
        try:
            self.shape, self.row = (_open_npy if path.suffix == ".npy" else _open_safetensors)(path)
        except (OSError, ValueError, EOFError, SafetensorError) as error:
            raise DataError("an array file cannot be read", where=path, got=error) from error
        if len(self.shape) != 2 or 0 in self.shape:
            raise ShapeError(
                "an array has the wrong shape", where=path, got=self.shape, expected="(rows, dim)"
            )


def _open_npy(path: Path) -> tuple[tuple[int, ...], Callable[[int], Row]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ValueError(f"{getattr(array, 'dtype', 'an archive')}: not an array of real numbers")
    return array.shape, lambda row: np.array(array[row])


def _open_safetensors(path: Path) -> tuple[tuple[int, ...], Callable[[int], Row]]:
    file: Any = safe_open(path, framework="numpy")
    names = list(file.keys())
    if _TENSOR not in names:
        raise ValueError(f"no tensor named {_TENSOR!r} but {', '.join(names) or 'none'}")
    tensor = file.get_slice(_TENSOR)
    if tensor.get_dtype() not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8"):
        raise ValueError(f"{tensor.get_dtype()}: not a type of numbers that numpy has")
    return tuple(tensor.get_shape()), lambda row: np.array(tensor[row : row + 1][0])


def _array_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(
            "a folder of arrays is missing", where=folder, expected="a folder with <modality>.npy files"
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".npy", ".safetensors"):
            continue
        if path.stem in files:
            got = f"{files[path.stem].name} and {path.name}"
            raise DataError("a modality has two files", where=folder, got=got, expected="one file a modality")
        files[path.stem] = path
    return files


def _common_length(shapes: Mapping[str, tuple[int, ...]], where: Path) -> int:
    lengths = {name: shape[0] for name, shape in shapes.items()}
    if len(set(lengths.values())) != 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ShapeError(
            "arrays of one data set have unequal lengths", where=where, got=got, expected="equal lengths"
        )
    return next(iter(lengths.values()))


def _ids(path: Path, rows: int) -> tuple[str, ...]:
    if not path.exists():
        return tuple(map(str, range(rows)))
    try:
        ids = tuple(path.read_text("utf-8-sig").removesuffix("\n").split("\n"))
    except (OSError, ValueError) as error:
        raise DataError(
            "ids cannot be read", where=path, got=error, expected="UTF-8, one id a line"
        ) from error
    repeated = first_repeated(ids)
    if len(ids) != rows or not all(ids) or repeated is not None:
        got = f"{len(ids)} lines, {ids.count('')} empty, repeated: {repeated!r}"
        raise DataError("ids do not fit the arrays", where=path, got=got, expected=f"{rows} unique ids")
    return ids


def _mark(path: Path) -> str:
    """Changes whenever the file does, as far as can be told without reading it."""
    facts = path.stat()
    return f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
