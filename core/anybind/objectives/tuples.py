"""Rows that show any subset of k spaces, as one stack, and losses taken pattern by pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from anybind.errors import ShapeError


def stack_spaces(
    embedded: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
    spaces: Sequence[str] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of several spaces side by side.

    Args:
        embedded: Space -> (n, r).
        present: Space -> (n,) bool.
        spaces: Their order; by name when None. One that is not in ``embedded`` is absent in every row.

    Returns:
        (n, k, r), zeros where a space is absent, and (n, k) bool.
    """
    some = next(iter(embedded.values()))
    names = sorted(embedded) if spaces is None else spaces
    absent = torch.zeros(len(some), dtype=torch.bool, device=some.device)
    shown = torch.stack([present.get(name, absent) for name in names], 1)
    vectors = torch.stack([embedded.get(name, torch.zeros_like(some)) for name in names], 1)
    return without_absent(vectors, shown), shown


def without_absent(vectors: torch.Tensor, present: torch.Tensor | None) -> torch.Tensor:
    """(n, k, r) with zeros, and no gradient, where ``present`` (n, k) is False; all are present when it is None."""
    if vectors.ndim != 3 or (present is not None and present.shape != vectors.shape[:2]):
        shape = None if present is None else tuple(present.shape)
        raise ShapeError(
            "tuples have the wrong shape", got=f"vectors {tuple(vectors.shape)}, present {shape}",
            expected="(rows, spaces, dims) and (rows, spaces)",
        )  # fmt: skip
    if present is None:
        return vectors
    return torch.where(present[..., None], vectors, torch.zeros_like(vectors))


def by_pattern(present: torch.Tensor) -> list[tuple[list[int], torch.Tensor]]:
    """The rows that show the same spaces, for every pattern with two or more spaces and two or more rows.

    Args:
        present: (n, k) bool.

    Returns:
        (columns, (m,) row numbers) of each pattern; the patterns in a fixed order.
    """
    patterns, which = torch.unique(present, dim=0, return_inverse=True)
    groups = []
    for number, pattern in enumerate(patterns):
        columns, rows = pattern.nonzero()[:, 0].tolist(), (which == number).nonzero()[:, 0]
        if len(columns) >= 2 and len(rows) >= 2:
            groups.append((columns, rows))
    return groups


def pattern_mean(
    vectors: torch.Tensor,
    present: torch.Tensor,
    loss: Callable[[torch.Tensor, list[int]], torch.Tensor],
) -> torch.Tensor:
    """A loss of complete tuples on rows with holes: taken within each pattern, mean weighted by rows.

    Volumes and products change their scale with the number of spaces, so that rows of different patterns
    must not meet in one softmax.

    Args:
        vectors: (n, k, r).
        present: (n, k) bool.
        loss: ((m, c, r) rows of one pattern, the c columns they show) -> ().

    Returns:
        () 0 when no pattern has two rows and two spaces.
    """
    vectors = without_absent(vectors, present)
    groups = by_pattern(present)
    if not groups:
        return vectors.sum() * 0
    parts = [len(rows) * loss(vectors[rows][:, columns], columns) for columns, rows in groups]
    return torch.stack(parts).sum() / sum(len(rows) for _, rows in groups)
