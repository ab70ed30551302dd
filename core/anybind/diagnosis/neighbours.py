"""Who is near whom: nearest neighbours, hubs among them, and neighbourhoods that two spaces have in common."""

from __future__ import annotations

import torch

NEIGHBOURS = 10  # as in both papers named below
_ROWS_AT_ONCE = 2048


def nearest(queries: torch.Tensor, gallery: torch.Tensor | None = None, k: int = NEIGHBOURS) -> torch.Tensor:
    """Numbers of the ``k`` gallery rows with the highest inner product, (n_queries, k) int64.

    Args:
        queries: (n_queries, d).
        gallery: (n_gallery, d); None for the queries themselves, when no row is its own neighbour.
        k: At most the rows there are to choose from.
    """
    own = gallery is None
    among = queries if gallery is None else gallery
    parts = []
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        scores = queries[start : start + _ROWS_AT_ONCE] @ among.T
        if own:
            rows = torch.arange(len(scores))
            scores[rows, start + rows] = -torch.inf
        parts.append(scores.topk(k, dim=1).indices)
    return torch.cat(parts)


def hubness(neighbours: torch.Tensor, n_gallery: int) -> float:
    """Skewness of the k-occurrence N_k: how often each gallery row is among somebody's k nearest.

    Radovanovic, Nanopoulos and Ivanovic (2010, JMLR 11, eq. 1). Neighbours drawn at random give about
    ``1 / sqrt(k)``: 0.32 for ten.

    Args:
        neighbours: (n_queries, k), from ``nearest``.
        n_gallery: Rows there were to choose from.
    """
    return skewness(occurrences(neighbours, n_gallery))


def occurrences(neighbours: torch.Tensor, n_gallery: int) -> torch.Tensor:
    """How often each gallery row occurs among the neighbours, (n_gallery,) float64."""
    return torch.bincount(neighbours.flatten(), minlength=n_gallery).double()


def skewness(values: torch.Tensor) -> float:
    """Third central moment over the standard deviation cubed; 0 when all are equal."""
    deviation = values - values.mean()
    variance = float((deviation**2).mean())
    return float((deviation**3).mean()) / variance**1.5 if variance > 0 else 0.0


def mutual_neighbours(a: torch.Tensor, b: torch.Tensor, k: int = NEIGHBOURS) -> float:
    """Share of a row's ``k`` nearest in one space that are among its nearest in the other, mean over rows.

    Mutual k-nearest-neighbour alignment of Huh et al. (2024, arXiv:2405.07987, appendix A). Chance is
    ``k / (n - 1)``. Needs no map and no common dims.

    Args:
        a: (n, d_a) unit vectors.
        b: (n, d_b) unit vectors; row i is the same item.
        k: Below n.

    Returns:
        A fraction of 1.
    """
    member = torch.zeros(len(a), len(a), dtype=torch.bool)
    member.scatter_(1, nearest(a, k=k), True)
    return float(member.gather(1, nearest(b, k=k)).double().mean())
