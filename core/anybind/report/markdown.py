"""Markdown that no name can break."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = [header, ["---" for _ in header], *rows]
    return "\n".join("| " + " | ".join(inline(cell) for cell in line) + " |" for line in lines)


def inline(text: str) -> str:
    """Text that stays in its line and its cell, whatever it holds: no line break, no HTML, no bar of a table."""
    line = " ".join(escape(text, quote=False).split())
    return line.replace("\\", "\\\\").replace("|", "\\|")
