"""The two widest directions of a joint space, for a map of what lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Point = tuple[float, float]


def joint_plane(a: torch.Tensor, b: torch.Tensor) -> tuple[list[Point], list[Point], float]:
    """Principal components of the rows of two spaces taken together.

    Args:
        a, b: (n, r) rows of the joint space, n >= 2; row i of both is the same item. Each counts at unit length, as
            directions are what most methods compare.

    Returns:
        The points of ``a``, those of ``b``, and the share of the variance that the plane keeps, from 0 to 1. A space
        of one dimension has points on a line. Signs are such that the same rows always give the same map.
    """
    import torch

    rows = torch.nn.functional.normalize(torch.cat([a, b]).double(), dim=1)
    centred = rows - rows.mean(0)
    _, scales, directions = torch.linalg.svd(centred, full_matrices=False)
    axes = directions[:2]
    signs = torch.sign(axes.gather(1, axes.abs().argmax(1, keepdim=True)))
    points = torch.zeros(len(rows), 2, dtype=torch.float64)
    points[:, : len(axes)] = centred @ (axes * signs).T
    total = float((scales**2).sum())
    kept = float((scales[:2] ** 2).sum()) / total if total else 1.0
    places = [(float(x), float(y)) for x, y in points.tolist()]
    return places[: len(a)], places[len(a) :], kept
