"""Symile (NeurIPS 2024): contrast by the multilinear inner product, which sees what no pair of spaces shows.

    mip(z_1 ... z_k) = sum_d z_1d z_2d ... z_kd

Every space is the anchor in turn; its candidates are its own tuple and, for every other row, a tuple whose
vectors come from different rows: n - 1 shuffled negatives. Products of k unit vectors that
use all r dims alike are small (r^(1 - k/2)), so scales are larger than a cosine's.
"""

from __future__ import annotations

import torch

from anybind.objectives.matching import matching_loss
from anybind.objectives.tuples import pattern_mean, without_absent


def multilinear_inner_product(vectors: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """The product of each tuple.

    Args:
        vectors: (n, k, r).
        present: (n, k) bool; all when None. An absent space is left out of the product.

    Returns:
        (n,).
    """
    if present is None:
        return vectors.prod(1).sum(1)
    absent = (~present)[..., None].to(vectors.dtype)
    return (without_absent(vectors, present) + absent).prod(1).sum(1)


def symile_loss(
    vectors: torch.Tensor,
    present: torch.Tensor,
    scale: torch.Tensor | float,
    *,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Cross-entropy of each anchor's own tuple among shuffled ones, mean over anchors.

    Args:
        vectors: (n, k, r).
        present: (n, k) bool; rows meet rows that show the same spaces.
        scale: One over the temperature.
        generator: Draws the shuffles. When None, the j-th non-anchor is shifted by j rows round the batch.

    Returns:
        () mean over rows; 0 when no two rows show the same two spaces.
    """

    def loss(rows: torch.Tensor, columns: list[int]) -> torch.Tensor:
        parts = [_anchor_loss(rows, anchor, scale, generator) for anchor in range(len(columns))]
        return torch.stack(parts).mean()

    return pattern_mean(vectors, present, loss)


def _anchor_loss(
    rows: torch.Tensor, anchor: int, scale: torch.Tensor | float, generator: torch.Generator | None
) -> torch.Tensor:
    n, k, _ = rows.shape
    others = [column for column in range(k) if column != anchor]
    shuffled = torch.ones_like(rows[:, 0])
    for step, column in enumerate(others):
        order = torch.arange(n).roll(step) if generator is None else torch.randperm(n, generator=generator)
        shuffled = shuffled * rows[order.to(rows.device), column]
    table = rows[:, anchor] @ shuffled.T
    own = torch.eye(n, dtype=torch.bool, device=rows.device)
    table = torch.where(own, rows.prod(1).sum(1)[:, None], table)
    return matching_loss(scale * table, symmetric=False)
