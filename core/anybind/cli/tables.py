"""Tables of plain text whose columns line up, also with Japanese in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

_GAP = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """Lines of a table.

    Args:
        header: Names of the columns.
        rows: Cells, as many in each row as there are columns.
        right: The columns whose cells are set to the right: numbers.

    Returns:
        The header, a rule, and one line a row, without spaces at their ends.
    """
    widths = [max(map(display_width, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    to_right = [name in right for name in header]
    return [_GAP.join(map(_padded, line, widths, to_right)).rstrip() for line in lines]


def display_width(text: str) -> int:
    """Columns of a terminal that ``text`` takes: two for wide letters, none for combining marks."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def shortened(text: str, width: int = 60) -> str:
    """``text`` on one line, cut to ``width`` columns of a terminal."""
    line = " ".join(text.split())
    if display_width(line) <= width:
        return line
    while display_width(line) > width - 1:
        line = line[:-1]
    return f"{line}…"


def percent(share: float | None) -> str:
    """A fraction of 1 as a percentage; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - display_width(cell))
    return space + cell if right else cell + space
