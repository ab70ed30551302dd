"""The data set ``hf-dataset``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-untyped]

import anybind
from anybind.encoder_kit.datasets import Faults, LazyRow, OnError, Skipped, chosen, collection_name, file_mark, pairs
from anybind_hf_datasets.cells import Place, is_small, place_of, source_of
from anybind_hf_datasets.opening import open_dataset
from anybind_hf_datasets.rows import Rows, StreamRows, TableRows

_EXPECTED = "modality=column, e.g. image=photo"


class HFDataset:
    """Rows of a Hugging Face data set. Pictures and sound are handed on as they are stored, not decoded.

    Args:
        columns: ``modality=column``; ``captions.0`` is the first of a list, ``translation.fr`` a field.
        repo, revision: A repository of the Hub and its commit.
        path: A data set on disk: a folder written by ``save_to_disk``, a folder of files, or one file.
        name: The configuration.
        split: The split; may be left out where there is one only.
        id_column: The column of the ids. If None an id is the split and the row's number in it.
        group_column: The column that names each row's group of near-duplicates.
        streaming: Read rows as they come; the library then prepares nothing on disk. It imports torch for that.
        limit: Use the first rows only.
        on_error: ``fail`` refuses missing and repeated ids, ``skip`` leaves such rows out and lists them.
        collection: A name for the items. If None it comes from the repository and revision, or the files, and
            from ``columns``: name the same columns wherever the items are the same, and choose by ``modalities``.
        modalities: The modalities to use; all if None.

    Raises:
        UsageError: options that do not go together.
        DataError: the data set cannot be opened, lacks a column, or has faulty ids.
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        repo: str | None = None,
        revision: str | None = None,
        path: str | None = None,
        name: str | None = None,
        split: str | None = None,
        id_column: str | None = None,
        group_column: str | None = None,
        streaming: bool = False,
        limit: int | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
        modalities: Sequence[str] | None = None,
    ) -> None:
        self._where = repo or str(path)
        named = dict(pairs("columns", columns, _EXPECTED))
        found, split_name = open_dataset(
            repo=repo, revision=revision, path=path, name=name, split=split, streaming=streaming
        )
        small = [column for column in (id_column, group_column) if column is not None]
        self._rows: Rows = StreamRows(found, limit, small) if streaming else TableRows(found, limit)
        self._streaming = streaming
        self.modalities = chosen(list(named), modalities, self._where)
        self._places = {modality: place_of(named[modality], self._rows.columns) for modality in self.modalities}
        for column in small:
            place_of(column, self._rows.columns)
        self._roots = _roots(path)
        faults = Faults(on_error)
        self._numbers = self._numbered(id_column, split_name, faults)
        self.skipped: Sequence[Skipped] = faults.settle()
        self.ids: Sequence[str] = tuple(self._numbers)
        self.groups = None if group_column is None else self._grouped(group_column)
        source = [f"{repo}@{revision}"] if repo is not None else _marks(Path(str(path)))
        fingerprint = [*source, name or "", *sorted(columns)]
        self.collection = collection_name("hf-dataset", collection, Path(self._where), *fingerprint)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """The row's sources, each read when it is asked for. An empty cell is an absent key; in a stream an empty
        cell shows, as a DataError, when it is read."""
        row = self._numbers[self.ids[index]]
        return LazyRow({
            modality: self._reader(row, place) for modality, place in self._places.items() if self._holds(row, place)
        })  # fmt: skip

    def _numbered(self, id_column: str | None, split: str, faults: Faults) -> dict[str, int]:
        """Id -> row number."""
        if id_column is None:
            return {f"{split}/{row}": row for row in range(len(self._rows))}
        numbers: dict[str, int] = {}
        for row, cell in enumerate(self._rows.values(id_column)):
            where = f"{self._where}, row {row}"
            if isinstance(cell, bool) or not isinstance(cell, str | int) or cell == "":
                expected = f"text or a whole number in column {id_column}"
                faults.add(f"row {row}", anybind.DataError("a row has no id", where=where, got=cell, expected=expected))
            elif str(cell) in numbers:
                got = f"{cell!r}, first in row {numbers[str(cell)]}"
                faults.add(str(cell), anybind.DataError("an id occurs twice", where=where, got=got))
            else:
                numbers[str(cell)] = row
        return numbers

    def _grouped(self, column: str) -> tuple[str, ...]:
        cells = self._rows.values(column)
        groups = ((identifier, cells[row]) for identifier, row in self._numbers.items())
        return tuple(f"id {identifier}" if cell in (None, "") else str(cell) for identifier, cell in groups)

    def _holds(self, row: int, place: Place) -> bool:
        if self._streaming or self._rows.is_null(row, place.column):
            return self._streaming
        feature = self._rows.features.get(place.column)
        return not is_small(feature) or self._source(row, place) is not None

    def _reader(self, row: int, place: Place) -> Callable[[], Any]:
        return partial(self._required, row, place)

    def _required(self, row: int, place: Place) -> Any:
        source = self._source(row, place)
        if source is None:
            where = f"{self._where}, row {row}, column {place}"
            hint = "a stream does not tell beforehand; leave such samples out: on_error=skip"
            raise anybind.DataError("a cell is empty", where=where, expected="a source", hint=hint)
        return source

    def _source(self, row: int, place: Place) -> Any:
        return source_of(
            self._rows.cell(row, place.column), place, self._rows.features.get(place.column), self._roots
        )


def _roots(path: str | None) -> list[Path]:
    """Where files that a data set names may lie: in its own folder, and where the library keeps what it fetched."""
    own = [] if path is None else [Path(path) if Path(path).is_dir() else Path(path).parent]
    kept = [Path(datasets.config.HF_DATASETS_CACHE), Path(datasets.config.HF_CACHE_HOME)]
    return [root.resolve() for root in [*own, *kept]]


def _marks(path: Path) -> list[str]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [file_mark(file) for file in files]
