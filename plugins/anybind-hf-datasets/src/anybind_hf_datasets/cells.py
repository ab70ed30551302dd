"""From the cell of a column to a modality's source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anybind

_MEDIA = {"Image", "Audio", "Video", "Pdf"}


class Place(NamedTuple):
    """Where a modality's source stands: a column, and the way into its cells, e.g. captions, first."""

    column: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join([self.column, *self.steps])


def place_of(text: str, columns: Sequence[str]) -> Place:
    """``photo``, ``captions.0`` or ``translation.fr``: the longest name of a column that it begins with.

    Raises:
        DataError: it begins with no column.
    """
    parts = text.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in columns:
            return Place(".".join(parts[:end]), tuple(parts[end:]))
    raise anybind.DataError("a data set lacks a column", got=", ".join(columns), expected=text)


def is_small(feature: Any) -> bool:
    """Whether cells of this kind cost little to read: everything but pictures, sound, video and bytes."""
    return type(feature).__name__ not in _MEDIA and "binary" not in str(getattr(feature, "dtype", ""))


def source_of(cell: Any, place: Place, feature: Any, roots: Sequence[Path]) -> Any:
    """The source: text, bytes, a path, or a list of numbers; None when the cell, or what is asked of it, is empty.

    Args:
        cell: The stored value.
        place: Its column and the way into it.
        feature: The column's ``datasets`` feature, or None.
        roots: Resolved folders in which files may lie.

    Raises:
        DataError: the cell has no such part, or holds what is no source.
    """
    for step in place.steps:
        cell = _part(cell, step, place)
    if cell is None or cell == "":
        return None
    if isinstance(cell, Mapping) and {"bytes", "path"} <= cell.keys():
        return cell["bytes"] if cell["bytes"] is not None else _file(cell["path"], place, roots)
    if isinstance(cell, int) and type(feature).__name__ == "ClassLabel":
        return feature.int2str(cell)
    if isinstance(cell, str | bytes) or _is_vector(cell):
        return cell
    part = next(iter(cell), 0) if isinstance(cell, Mapping) else 0
    hint = f"name one part, e.g. {place}.{part}" if isinstance(cell, list | Mapping) else None
    raise anybind.DataError(
        "a cell is of the wrong type", where=f"column {place}", got=type(cell).__name__,
        expected="text, bytes, numbers, a picture or sound", hint=hint,
    )  # fmt: skip


def _part(cell: Any, step: str, place: Place) -> Any:
    if cell is None:
        return None
    if isinstance(cell, Mapping) and step in cell:
        return cell[step]
    if isinstance(cell, list) and step.isdecimal():
        return cell[int(step)] if int(step) < len(cell) else None
    got = f"the parts {', '.join(map(str, cell))}" if isinstance(cell, Mapping) else type(cell).__name__
    raise anybind.DataError("a cell has no such part", where=f"column {place}", got=got, expected=step)


def _file(path: Any, place: Place, roots: Sequence[Path]) -> Path | None:
    if path is None:
        return None
    target = Path(str(path)).resolve()
    if not any(target.is_relative_to(root) for root in roots):
        expected = " or ".join(map(str, roots))
        raise anybind.DataError(
            "a path leads out of the data set's folder", where=f"column {place}", got=path, expected=expected
        )
    return target


def _is_vector(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(number, int | float) for number in cell)
