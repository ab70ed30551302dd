"""Tables in files: CSV, TSV, JSON Lines and Parquet, read as rows with the places they stand at."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anybind.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
_HASHED_AT_ONCE = 1 << 20

Row = Mapping[str, Any]
Line = tuple[str, Row | DataError]
"""Where a row stands (``list.csv:3``), and the row, or what is wrong with it."""


def read_table(path: Path) -> Iterator[Line]:
    """The rows of a file, in order. A line that is no row comes as the error that it would be.

    Args:
        path: ``.csv`` (with a header line), ``.tsv`` or ``.jsonl`` in UTF-8, or ``.parquet``.

    Raises:
        DataError: the file is missing, or as a whole no table; ``where`` is the file, or its header line.
        PluginError: a Parquet file, and pyarrow is not installed.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError("a manifest has an unknown ending", where=path, got=path.suffix, expected=", ".join(ENDINGS))
    if ending == ".parquet":
        from anybind.builtin.parquet import parquet_rows

        return parquet_rows(path)
    text = _text(path)
    return _json_lines(path, text) if ending == ".jsonl" else _cells(path, text, "\t" if ending == ".tsv" else ",")


def content_digest(path: Path) -> str:
    """The SHA-256 of a file's content.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that cannot be read."""
    return DataError("a manifest cannot be read", where=path, got=getattr(error, "strerror", None) or error)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError("a manifest is not UTF-8", where=path, got=error) from error


def _json_lines(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield where, DataError("a line is no JSON", where=where, got=error)
            continue
        if isinstance(row, dict):
            yield where, row
        else:
            yield where, DataError("a line is no JSON object", where=where, got=type(row).__name__)


def _cells(path: Path, text: str, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cells):
                continue
            if not header:
                header = _checked_header(cells, path)
            elif len(cells) != len(header):
                what = "a line has the wrong number of cells"
                yield where, DataError(what, where=where, got=len(cells), expected=len(header))
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:  # what follows an open quotation mark cannot be told apart
        raise DataError("a line cannot be read", where=f"{path}:{reader.line_num}", got=error) from error


def _checked_header(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) != len(names) or not all(names):
        raise DataError("a header names a column twice or not at all", where=f"{path}:1", got=", ".join(names))
    return names
