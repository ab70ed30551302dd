"""Rows of several spaces of which some are missing: whether their shapes fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch

from anybind.errors import ShapeError, UsageError

Rows: TypeAlias = Mapping[str, torch.Tensor]


def checked_masks(dims: Mapping[str, int], rows: Rows, present: Rows) -> dict[str, torch.Tensor]:
    """Space -> (n,) bool, which rows it has, for every space in ``rows``.

    Args:
        dims: Space -> length of its rows.
        rows: Space -> (n, d); row i of every space is the same item.
        present: Space -> (n,) bool; all rows of a space that is not named are there.

    Raises:
        UsageError: no space is given, or ``present`` names one that is not.
        ShapeError: the shapes do not fit.
    """
    if not rows:
        raise UsageError("there must be rows of one space at least", got="none", expected="{space: (n, d) rows}")
    stray = sorted(present.keys() - rows.keys())
    if stray:
        raise UsageError("present names a space without rows", got=stray, expected=f"among {sorted(rows)}")
    n = len(next(iter(rows.values())))
    masks = {}
    for space, vectors in rows.items():
        masks[space] = present.get(space, torch.ones(n)).bool()
        expected = (n, dims[space])
        _require_shape(f"rows of space {space!r}", vectors, expected)
        _require_shape(f"presence of space {space!r}", masks[space], expected[:1])
    return masks


def _require_shape(where: str, tensor: torch.Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != expected:
        raise ShapeError("the shapes do not fit", where=where, got=tuple(tensor.shape), expected=expected)
