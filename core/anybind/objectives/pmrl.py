"""PMRL (arXiv:2507.17343): a tuple is aligned when its matrix of vectors has one singular value and no other.

    Z = [z_1 ... z_k]  (r x k, unit columns),  sigma_1 >= ... >= sigma_k,  u_1 the leading left direction
    intra = cross-entropy of softmax(sigma / t1) with class 1      inter = InfoNCE of u_1 with itself at t2

The singular values come from the k x k Gram matrix, and ``u_1 = Z v_1 / sigma_1``. Its sign is fixed by
``<u_1, sum of the z> >= 0``. Gradients are those of first-order perturbation, with the gap between the leading
eigenvalues kept away from 0, where u_1 is not defined.
"""

from __future__ import annotations

import torch

from anybind.objectives.matching import matching_loss
from anybind.objectives.tuples import without_absent

_SMALLEST_SQUARE = 1e-8
_SMALLEST_GAP = 1e-2
_TIE = 1e-4


def leading_direction(
    vectors: torch.Tensor, present: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Singular values and leading direction of each tuple.

    Args:
        vectors: (n, k, r) unit vectors.
        present: (n, k) bool; all when None.

    Returns:
        (n, k) singular values, largest first (those below 1e-4 as 1e-4; an absent space adds one of them),
        and (n, r) unit directions.
    """
    vectors = without_absent(vectors, present)
    gram = vectors @ vectors.transpose(1, 2)
    values, weights = _eigenpairs(gram)
    singular = values.clamp(min=_SMALLEST_SQUARE).sqrt()
    direction = torch.einsum("nkr,nk->nr", vectors, weights) / singular[:, :1]
    return singular, torch.where(_upwards(direction, vectors)[:, None], direction, -direction)


def pmrl_loss(
    vectors: torch.Tensor,
    present: torch.Tensor,
    scale: torch.Tensor | float = 10.0,
    *,
    intra_scale: torch.Tensor | float = 20.0,
    intra: float = 1.0,
    inter: float = 1.0,
) -> torch.Tensor:
    """``intra`` times the alignment within tuples plus ``inter`` times the contrast of their leading directions.

    Args:
        vectors: (n, k, r) unit vectors.
        present: (n, k) bool; a row with fewer than two spaces does not count.
        scale: 1 / t2, between tuples.
        intra_scale: 1 / t1, between the singular values of one tuple.
        intra: Weight, >= 0.
        inter: Weight, >= 0.

    Returns:
        () 0 with fewer than two rows.
    """
    counted = present.sum(1) >= 2
    rows, shown = without_absent(vectors, present)[counted], present[counted]
    if len(rows) < 2:
        return rows.sum() * 0
    singular, direction = leading_direction(rows, shown)
    # as many singular values compete as there are spaces
    beyond = torch.arange(rows.shape[1], device=rows.device) >= shown.sum(1, keepdim=True)
    aligned = -(intra_scale * singular).masked_fill(beyond, -torch.inf).log_softmax(1)[:, 0].mean()
    return intra * aligned + inter * matching_loss(scale * (direction @ direction.T))


def _upwards(direction: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """(n,) whether a direction goes with the sum of its vectors; where it is orthogonal to it, with the first ones.

    Two vectors at an obtuse angle have such a direction, their difference. Rounding must not choose its sign:
    the gradient would follow, and two ranks would part.
    """
    agreement = torch.einsum("nr,nkr->nk", direction, vectors)
    halves = 0.5 ** torch.arange(vectors.shape[1], device=vectors.device, dtype=vectors.dtype)
    both = agreement.sum(1)
    return torch.where(both.abs() > _TIE, both, agreement @ halves) >= 0


def _eigenpairs(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, k) eigenvalues, largest first, and (n, k) leading eigenvectors, differentiable to first order.

    The decomposition itself is taken without gradient. Around it ``l_j = v_j' G v_j`` and
    ``v_1 = v_1 + sum_j v_j (v_j' dG v_1) / (l_1 - l_j)`` have the right derivatives, also where the
    other eigenvalues are equal.
    """
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(gram.detach().to(torch.float64))
        values, vectors = values.flip(-1).to(gram.dtype), vectors.flip(-1).to(gram.dtype)
        gaps = (values[:, :1] - values[:, 1:]).clamp(min=_SMALLEST_GAP)
    rotated = vectors.transpose(1, 2) @ gram @ vectors
    turn = rotated[:, 1:, 0] - rotated[:, 1:, 0].detach()
    leading = vectors[:, :, 0] + torch.einsum("nkj,nj->nk", vectors[:, :, 1:], turn / gaps)
    return rotated.diagonal(dim1=1, dim2=2), leading
