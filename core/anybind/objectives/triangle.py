"""TRIANGLE (NeurIPS 2025): the area between the tips of three unit vectors, as a distance.

    area = 1/2 sqrt(|u|² |v|² - <u, v>²),   u = x - y,  v = x - z

0 when the three agree, and also when their tips lie on a line; a share of the cosine ``<x, y>`` can be
subtracted against that. The authors' code trains on ``(|u|² |v|² - <u, v>²) / 2`` without the root (``squared``).
"""

from __future__ import annotations

import torch

from anybind.errors import ShapeError, UsageError
from anybind.objectives.matching import matching_loss
from anybind.objectives.tuples import without_absent

_SPACES = 3
# The root's gradient is infinite at 0, exactly where aligned tuples are.
_SMALLEST_SQUARE = 1e-8


def triangle_area(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The area between each three rows.

    Args:
        x, y, z: (n, r).

    Returns:
        (n,), at least 5e-5: a smaller area counts as that.
    """
    u, v = x - y, x - z
    return _area(u.square().sum(1), v.square().sum(1), (u * v).sum(1), squared=False)


def triangle_loss(
    vectors: torch.Tensor,
    present: torch.Tensor,
    scale: torch.Tensor | float,
    *,
    anchor: int | None = None,
    cosine_weight: float = 0.0,
    squared: bool = False,
    symmetric: bool = True,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Contrast at logits ``-scale · area(anchor_i, the other two of j)``, over the rows that show all three spaces.

    Args:
        vectors: (n, 3, r) unit vectors.
        present: (n, 3) bool.
        scale: One over the temperature.
        anchor: The space whose vector meets other tuples; when None, every space in turn, and the mean of it.
        cosine_weight: This much of the cosine of the anchor and the next space is subtracted from the area.
        squared: The authors' form without the root.
        symmetric: Both directions: anchor to tuples, and tuple to anchors.
        label_smoothing: As in ``info_nce``.

    Returns:
        () 0 with fewer than two rows.

    Raises:
        ShapeError: not three spaces.
        UsageError: ``anchor`` is none of them.
    """
    if vectors.ndim != 3 or vectors.shape[1] != _SPACES:
        raise ShapeError("TRIANGLE takes three spaces", got=tuple(vectors.shape), expected="(rows, 3, dims)")
    if anchor not in (None, *range(_SPACES)):
        raise UsageError("the anchor is none of the spaces", got=anchor, expected="0, 1 or 2")
    rows = without_absent(vectors, present)[present.all(1)]
    losses = []
    for first in range(_SPACES) if anchor is None else [anchor]:
        x, y, z = (rows[:, (first + step) % _SPACES] for step in range(_SPACES))
        distances = _areas(x, y, z, squared) - cosine_weight * (x @ y.T)
        losses.append(matching_loss(-scale * distances, symmetric=symmetric, label_smoothing=label_smoothing))
    return torch.stack(losses).mean()


def _areas(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, squared: bool) -> torch.Tensor:
    """(n, n) area between each x_i and each pair (y_j, z_j)."""
    xx, yy, zz = (rows.square().sum(1) for rows in (x, y, z))
    xy, xz, yz = x @ y.T, x @ z.T, (y * z).sum(1)
    uu = xx[:, None] + yy[None] - 2 * xy
    vv = xx[:, None] + zz[None] - 2 * xz
    uv = xx[:, None] - xz - xy + yz[None]
    return _area(uu, vv, uv, squared)


def _area(uu: torch.Tensor, vv: torch.Tensor, uv: torch.Tensor, squared: bool) -> torch.Tensor:
    square = uu * vv - uv.square()
    return square / 2 if squared else square.clamp(min=_SMALLEST_SQUARE).sqrt() / 2
