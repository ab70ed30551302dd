"""The cells of a data set by row and column, undecoded: from Arrow tables, or from a stream."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

_WINDOW = 32


class Rows(Protocol):
    """Cells by row and column."""

    columns: Sequence[str]
    features: Mapping[str, Any]

    def __len__(self) -> int:
        """Number of rows."""

    def values(self, column: str) -> list[Any]:
        """A whole column of small cells, such as ids."""

    def cell(self, row: int, column: str) -> Any:
        """One cell as the plain value that is stored; pictures and sound as {"bytes", "path"}."""

    def is_null(self, row: int, column: str) -> bool:
        """Whether a cell is missing, as far as that can be told without reading it."""


class TableRows:
    """A ``datasets.Dataset``: memory-mapped Arrow tables, of which one row at a time is read."""

    def __init__(self, dataset: Any, limit: int | None) -> None:
        if limit is not None:
            dataset = dataset.select(range(min(limit, len(dataset))))
        self.columns: Sequence[str] = list(dataset.column_names)
        self.features: Mapping[str, Any] = dataset.features
        self._dataset = dataset
        self._arrow = dataset.with_format("arrow")  # gives what is stored, and decodes nothing
        self._last: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return len(self._dataset)

    def values(self, column: str) -> list[Any]:
        return list(self._arrow.select_columns([column])[:].column(column).to_pylist())

    def cell(self, row: int, column: str) -> Any:
        return self._table(row).column(column)[0].as_py()

    def is_null(self, row: int, column: str) -> bool:
        return not self._table(row).column(column)[0].is_valid

    def _table(self, row: int) -> Any:
        if self._last[0] != row:
            self._last = (row, self._arrow[row])
        return self._last[1]


class StreamRows:
    """A ``datasets.IterableDataset``: rows in their order, of which the last few are kept.

    The rows are counted, and ids and groups read, in one pass; what the other columns hold shows when it is read.
    A row further on is reached by reading what is between, a row far back by starting again.
    """

    def __init__(self, stream: Any, limit: int | None, small: Sequence[str]) -> None:
        self._stream = (stream if limit is None else stream.take(limit)).decode(False)
        first: Mapping[str, Any] = next(iter(self._stream), {}) if stream.features is None else {}
        self.features: Mapping[str, Any] = stream.features or {}
        self.columns: Sequence[str] = list(self.features or first)
        self._small, self._length = self._first_pass([name for name in small if name in self.columns])
        self._iterator: Iterator[Mapping[str, Any]] = iter(())
        self._next = -1  # no row has been read
        self._window: OrderedDict[int, Mapping[str, Any]] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def values(self, column: str) -> list[Any]:
        return self._small[column]

    def cell(self, row: int, column: str) -> Any:
        return self._row(row)[column]

    def is_null(self, row: int, column: str) -> bool:
        return False

    def _first_pass(self, small: Sequence[str]) -> tuple[dict[str, list[Any]], int]:
        found: dict[str, list[Any]] = {name: [] for name in small}
        length = 0
        for row in self._stream.select_columns(list(small) or self._smallest()):
            for name in small:
                found[name].append(row[name])
            length += 1
        return found, length

    def _smallest(self) -> list[str]:
        """A column that is cheap to read, for counting: texts and numbers rather than pictures."""
        plain = [name for name in self.columns if type(self.features.get(name)).__name__ in ("Value", "ClassLabel")]
        return [*plain, *self.columns][:1]

    def _row(self, row: int) -> Mapping[str, Any]:
        if row not in self._window:
            if self._next < 0 or row < self._next:
                self._iterator, self._next = iter(self._stream), 0
                self._window.clear()
            while self._next <= row:
                self._window[self._next] = next(self._iterator)
                self._next += 1
                if len(self._window) > _WINDOW:
                    self._window.popitem(last=False)
        return self._window[row]
