"""The data set ``manifest``: one row a line in a CSV, TSV, JSON Lines or Parquet file, paths relative to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anybind.builtin.tables import Row, content_digest, read_table
from anybind.encoder_kit.datasets import (
    Faults,
    OnError,
    Skipped,
    chosen,
    collection_name,
    inside,
    missing_file,
)
from anybind.errors import DataError


class Manifest:
    """Rows from a manifest file.

    Each line has an id; every other column is a modality. A cell is a path relative to the manifest's folder,
    unless its column is one of text; in JSON Lines and Parquet a list of numbers is a vector, and in Parquet
    bytes are the content of a file. An empty cell (or null) says that the row lacks the modality.

    Paths must stay inside the manifest's folder, also through symbolic links. With ``on_error: fail`` a file that
    is not there shows when its sample is loaded, so that one missing file does not stop the other modalities.

    Args:
        path: The manifest: ``.csv`` (with a header line), ``.tsv`` or ``.jsonl`` in UTF-8, or ``.parquet``.
        modalities: The columns to use; all if None.
        id_column: The column of the ids.
        text_columns: Columns that hold the text itself. If None: ``text`` and what begins with ``text_``.
        split_column: The column that names each row's split; it is no modality.
        split: Keep the rows of this split only. Needs ``split_column``.
        group_column: The column that names each row's group of near-duplicates; it is no modality.
        on_error: ``fail`` refuses a manifest with lines that are no rows, without an id, or with the id of another;
            ``skip`` leaves them out, and the samples whose file is missing or outside the folder, and lists all.
        collection: A name for the items. If None it comes from the manifest's content, so that any change
            to the manifest embeds everything again. Give a name when ids keep their meaning as the manifest
            grows, or when several manifests share items. Files that change under the same name go
            unnoticed either way.

    Raises:
        DataError: the manifest is missing or malformed, ids are missing or repeated; ``where`` is file:line.
        PluginError: a Parquet file, and pyarrow is not installed.
    """

    def __init__(
        self,
        *,
        path: str,
        modalities: Sequence[str] | None = None,
        id_column: str = "id",
        text_columns: Sequence[str] | None = None,
        split_column: str | None = None,
        split: str | None = None,
        group_column: str | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        self._path = Path(path)
        self._root = self._path.parent.resolve()
        if split is not None and split_column is None:
            raise DataError("a split needs a column that names it", where=self._path, hint="set split_column")
        faults = Faults(on_error)
        lines = _rows_only(read_table(self._path), faults)
        columns = _columns(lines, self._path, [id_column, *filter(None, [split_column, group_column])], faults)
        self._rows = _by_id(lines, id_column, faults)
        faults.settle()  # under skip it goes on to the files
        self.modalities = chosen(columns, modalities, self._path)
        self._text = frozenset(filter(_is_text, columns) if text_columns is None else text_columns)
        if split is not None:
            self._rows = {key: row for key, row in self._rows.items() if row[1].get(str(split_column)) == split}
        self._lost: set[tuple[str, str]] = set()
        if on_error == "skip":
            self._look_for_files(faults)
        self.skipped: Sequence[Skipped] = faults.settle()
        self.ids: Sequence[str] = tuple(self._rows)
        if not self.ids:
            raise DataError("a manifest holds no rows", where=self._path, got=f"split {split!r}" if split else None)
        self.groups = _groups(self._rows, group_column)
        self.collection = collection_name("manifest", collection, self._path, content_digest(self._path))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """The sources of one row: text, lists, bytes, or resolved paths.

        Raises:
            DataError: a path leads out of the manifest's folder, or a cell is of a type that means nothing.
        """
        identifier = self.ids[index]
        place, row = self._rows[identifier]
        return {
            name: self._source(name, cell, place)
            for name, cell in _cells(row, self.modalities)
            if (identifier, name) not in self._lost
        }

    def _look_for_files(self, faults: Faults) -> None:
        for identifier, (place, row) in self._rows.items():
            for name, cell in _cells(row, self.modalities):
                try:
                    source = self._source(name, cell, place)
                    if isinstance(source, Path) and not source.is_file():
                        raise missing_file(source)
                except DataError as error:
                    faults.add(identifier, error, name)
                    self._lost.add((identifier, name))

    def _source(self, name: str, cell: Any, place: str) -> Any:
        where = f"{place}, column {name}"
        if isinstance(cell, list | bytes):
            return cell
        if not isinstance(cell, str):
            got = f"{cell!r} ({type(cell).__name__})"
            raise DataError("a cell is of the wrong type", where=where, got=got, expected="text, path, or numbers")
        return cell if name in self._text else inside(self._root, cell, where)


def _is_text(column: str) -> bool:
    return column == "text" or column.startswith("text_")


def _cells(row: Row, modalities: Sequence[str]) -> list[tuple[str, Any]]:
    """What a row holds: neither null nor empty."""
    cells = ((name, row.get(name)) for name in modalities)
    return [(name, cell) for name, cell in cells if cell is not None and cell != ""]


def _rows_only(lines: Iterable[tuple[str, Row | DataError]], faults: Faults) -> list[tuple[str, Row]]:
    rows = []
    for place, row in lines:
        if isinstance(row, DataError):
            faults.add(place, row)
        else:
            rows.append((place, row))
    return rows


def _columns(lines: Sequence[tuple[str, Row]], path: Path, reserved: Sequence[str], faults: Faults) -> list[str]:
    if not lines:
        faults.settle()
        raise DataError("a manifest holds no rows", where=path, expected="a line a row")
    columns = list(dict.fromkeys(name for _, row in lines for name in row))
    absent = [name for name in reserved if name not in columns]
    if absent:
        faults.settle()  # a fault of the first line tells more than the column that it hides
        raise DataError("a manifest lacks a column", where=path, got=", ".join(columns), expected=", ".join(absent))
    return [name for name in columns if name not in reserved]


def _by_id(lines: Sequence[tuple[str, Row]], id_column: str, faults: Faults) -> dict[str, tuple[str, Row]]:
    """Rows by id, in order; of rows with one id the first is kept."""
    rows: dict[str, tuple[str, Row]] = {}
    for place, row in lines:
        cell = row.get(id_column)
        identifier = str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
        if not isinstance(identifier, str) or not identifier:
            expected = f"text in column {id_column}"
            faults.add(place, DataError("a row has no id", where=place, got=repr(cell), expected=expected))
        elif identifier in rows:
            got = f"{identifier!r}, first in {rows[identifier][0]}"
            faults.add(identifier, DataError("an id occurs twice", where=place, got=got, expected="unique ids"))
        else:
            rows[identifier] = place, row
    return rows


def _groups(rows: Mapping[str, tuple[str, Row]], column: str | None) -> tuple[str, ...] | None:
    """The group of every row; a row without one is a group of its own."""
    if column is None:
        return None
    cells = ((identifier, row.get(column)) for identifier, (_, row) in rows.items())
    return tuple(f"id {identifier}" if cell in (None, "") else str(cell) for identifier, cell in cells)
