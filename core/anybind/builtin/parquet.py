"""Parquet files as rows, with pyarrow (the extra ``parquet``). Cells become Python values when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anybind.errors import DataError, PluginError
from anybind.factories import how_to_install


class ArrowRow(Mapping[str, Any]):
    """One row of an Arrow table; null is None."""

    def __init__(self, table: Any, row: int) -> None:
        self._table = table
        self._row = row

    def __getitem__(self, name: str) -> Any:
        if name not in self._table.column_names:
            raise KeyError(name)
        return self._table.column(name)[self._row].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)


def parquet_rows(path: Path) -> Iterator[tuple[str, ArrowRow]]:
    """The rows of a file; a row's place is its number, from 1.

    Raises:
        DataError: missing, no Parquet file, or with two columns of one name.
        PluginError: pyarrow is not installed.
    """
    table = read_parquet(path)
    if len(set(table.column_names)) != table.num_columns:
        raise DataError("a header names a column twice or not at all", where=path, got=", ".join(table.column_names))
    return ((f"{path}:{row + 1}", ArrowRow(table, row)) for row in range(table.num_rows))


def read_parquet(path: Path) -> Any:
    """The whole file as a ``pyarrow.Table``. Raises as ``parquet_rows``."""
    try:
        import pyarrow  # type: ignore[import-untyped,unused-ignore]
        import pyarrow.parquet  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        hint = how_to_install("pyarrow")
        raise PluginError("Parquet files need pyarrow", where=path, got=error, hint=hint) from error
    try:
        return pyarrow.parquet.ParquetFile(path).read()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError("a manifest cannot be read", where=path, got=error, expected="a Parquet file") from error
