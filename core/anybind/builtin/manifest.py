"""The data set ``manifest``: one row a line in a CSV, TSV or JSON Lines file, paths relative to it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anybind.builtin.files import chosen, collection_name
from anybind.errors import DataError

_ENDINGS = (".csv", ".tsv", ".jsonl")


class Manifest:
    """Rows from a manifest file.

    Each line has an id; every other column is a modality. A cell is a path relative to the manifest's folder,
    unless its column is one of text; in JSON Lines a list of numbers is a vector. An empty cell (or null)
    says that the row lacks the modality.

    Paths must stay inside the manifest's folder, also through symbolic links. Whether a file is there shows
    when its sample is loaded, so that one missing file does not stop the other modalities.

    Args:
        path: The manifest: ``.csv`` (with a header line), ``.tsv`` or ``.jsonl``, UTF-8.
        modalities: The columns to use; all if None.
        id_column: The column of the ids.
        text_columns: Columns that hold the text itself. If None: ``text`` and what begins with ``text_``.
        split_column: The column that names each row's split; it is no modality.
        split: Keep the rows of this split only. Needs ``split_column``.
        collection: A name for the items. If None it comes from the manifest's content, so that any change
            to the manifest embeds everything again. Give a name when ids keep their meaning as the manifest
            grows, or when several manifests share items. Files that change under the same name go
            unnoticed either way.

    Raises:
        DataError: the manifest is missing or malformed, ids are missing or repeated; ``where`` is file:line.
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
        collection: str | None = None,
    ) -> None:
        self._path = Path(path)
        self._root = self._path.parent.resolve()
        if split is not None and split_column is None:
            raise DataError("a split needs a column that names it", where=self._path, hint="set split_column")
        content = _content(self._path)
        lines = list(_lines(self._path, content))
        columns = _columns(lines, self._path, [id_column, *filter(None, [split_column])])
        self.modalities = chosen(columns, modalities, self._path)
        self._text = frozenset(filter(_is_text, columns) if text_columns is None else text_columns)
        self._rows = _by_id(lines, self._path, id_column)
        if split is not None:
            self._rows = {
                key: row for key, row in self._rows.items() if row[1].get(str(split_column)) == split
            }
        self.ids: Sequence[str] = tuple(self._rows)
        if not self.ids:
            raise DataError(
                "a manifest holds no rows", where=self._path, got=f"split {split!r}" if split else None
            )
        self.collection = collection_name("manifest", collection, self._path, content)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """The sources of one row: text, lists, or resolved paths.

        Raises:
            DataError: a path leaves the manifest's folder, or a cell is of a type that means nothing.
        """
        line, row = self._rows[self.ids[index]]
        return {
            name: self._source(name, row[name], line)
            for name in self.modalities
            if row.get(name) is not None and row[name] != ""
        }

    def _source(self, name: str, cell: Any, line: int) -> Any:
        where = f"{self._path}:{line}, column {name}"
        if isinstance(cell, list):
            return cell
        if not isinstance(cell, str):
            got = f"{cell!r} ({type(cell).__name__})"
            raise DataError(
                "a cell is of the wrong type", where=where, got=got, expected="text, path, or numbers"
            )
        if name in self._text:
            return cell
        return self._inside(cell, where)

    def _inside(self, cell: str, where: str) -> Path:
        try:
            target = (self._root / cell).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError("a path cannot be followed", where=where, got=error) from error
        if not target.is_relative_to(self._root):
            raise DataError(
                "a path leads out of the manifest's folder", where=where, got=cell,
                expected=f"a path inside {self._root}", hint="move the manifest or the file",
            )  # fmt: skip
        return target


def _is_text(column: str) -> bool:
    return column == "text" or column.startswith("text_")


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in _ENDINGS:
        raise DataError(
            "a manifest has an unknown ending", where=path, got=path.suffix, expected=", ".join(_ENDINGS)
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError("a manifest cannot be read", where=path, got=error.strerror or error) from error


def _lines(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row) pairs."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("a manifest is not UTF-8", where=path, got=error) from error
    if path.suffix.lower() == ".jsonl":
        return _json_lines(path, text)
    return _table_lines(path, text, "\t" if path.suffix.lower() == ".tsv" else ",")


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError("a line is no JSON", where=f"{path}:{number}", got=error) from error
        if not isinstance(row, dict):
            raise DataError("a line is no JSON object", where=f"{path}:{number}", got=type(row).__name__)
        yield number, row


def _table_lines(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cells):
                continue
            if not header:
                header = _checked_header(cells, path)
            elif len(cells) != len(header):
                where = f"{path}:{reader.line_num}"
                raise DataError(
                    "a line has the wrong number of cells", where=where, got=len(cells), expected=len(header)
                )
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError("a line cannot be read", where=f"{path}:{reader.line_num}", got=error) from error


def _checked_header(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) != len(names) or not all(names):
        raise DataError(
            "a header names a column twice or not at all", where=f"{path}:1", got=", ".join(names)
        )
    return names


def _columns(lines: Sequence[tuple[int, dict[str, Any]]], path: Path, reserved: Sequence[str]) -> list[str]:
    columns = list(dict.fromkeys(name for _, row in lines for name in row))
    if not lines:
        raise DataError("a manifest holds no rows", where=path, expected="a line a row")
    absent = [name for name in reserved if name not in columns]
    if absent:
        raise DataError(
            "a manifest lacks a column", where=path, got=", ".join(columns), expected=", ".join(absent)
        )
    return [name for name in columns if name not in reserved]


def _by_id(
    lines: Sequence[tuple[int, dict[str, Any]]], path: Path, id_column: str
) -> dict[str, tuple[int, dict[str, Any]]]:
    rows: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, row in lines:
        cell = row.get(id_column)
        identifier = str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
        where = f"{path}:{number}"
        if not isinstance(identifier, str) or not identifier:
            raise DataError(
                "a row has no id", where=where, got=repr(cell), expected=f"text in column {id_column}"
            )
        if identifier in rows:
            got = f"{identifier!r}, first in line {rows[identifier][0]}"
            raise DataError("an id occurs twice", where=where, got=got, expected="unique ids")
        rows[identifier] = number, row
    return rows
