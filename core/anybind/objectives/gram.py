"""GRAM (Cicchetti et al., ICLR 2025): the volume of the parallelotope that a tuple's vectors span, as a distance.

    vol(z_1 ... z_k) = sqrt(det G),   G_lm = <z_l, z_m>

0 for aligned tuples, 1 for orthogonal ones. Three or more vectors that lie in a plane have no volume either,
however they point: a small volume means dependent, not alike. A candidate of anchor i is the whole rest of
tuple j. A space that is absent is left out of G: the sub-Gram determinant. (Zero-filling would make every
volume 0.)
"""

from __future__ import annotations

import torch

from anybind.errors import UsageError
from anybind.objectives.matching import matching_loss
from anybind.objectives.tuples import pattern_mean, without_absent

# The root's gradient is infinite at 0, exactly where aligned tuples are.
_SMALLEST_SQUARE = 1e-8


def gram_volume(vectors: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """The volume of each tuple.

    Args:
        vectors: (n, k, r) unit vectors.
        present: (n, k) bool; all when None.

    Returns:
        (n,) in [1e-4, 1]: a volume below 1e-4 counts as 1e-4.
    """
    vectors = without_absent(vectors, present)
    gram = vectors @ vectors.transpose(1, 2)
    if present is not None:  # a row and column of the identity leave the determinant of the others
        gram = gram + torch.diag_embed((~present).to(gram.dtype))
    return _root(determinant(gram))


def gram_loss(
    vectors: torch.Tensor,
    present: torch.Tensor,
    scale: torch.Tensor | float,
    *,
    anchor: int | None = None,
    symmetric: bool = True,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Contrast at logits ``-scale · vol(anchor_i, the others of j)``, among rows that show the same spaces.

    Args:
        vectors: (n, k, r) unit vectors.
        present: (n, k) bool.
        scale: One over the temperature.
        anchor: The space whose vector meets other tuples (rows without it do not count); when None, every
            space in turn, and the mean of it.
        symmetric: Both directions: anchor to tuples, and tuple to anchors.
        label_smoothing: As in ``info_nce``.

    Returns:
        () mean over rows; 0 when no two rows show the same two spaces.
    """

    def loss(rows: torch.Tensor, columns: list[int]) -> torch.Tensor:
        chosen = range(len(columns)) if anchor is None else [columns.index(anchor)]
        tables = [-scale * _volumes(rows, number) for number in chosen]
        parts = [matching_loss(t, symmetric=symmetric, label_smoothing=label_smoothing) for t in tables]
        return torch.stack(parts).mean()

    return pattern_mean(vectors, _with_anchor(present, anchor), loss)


def determinant(matrices: torch.Tensor) -> torch.Tensor:
    """(..., k, k) -> (...) determinant by Faddeev and LeVerrier, which divides by nothing.

    So its gradient (the adjugate) is right for singular matrices too. For small k: costs k matrix products.
    """
    size = matrices.shape[-1]
    identity = torch.eye(size, dtype=matrices.dtype, device=matrices.device)
    power = matrices
    for step in range(1, size):
        trace = power.diagonal(dim1=-2, dim2=-1).sum(-1) / step
        power = matrices @ (power - trace[..., None, None] * identity)
    sign = 1.0 if size % 2 else -1.0
    return power.diagonal(dim1=-2, dim2=-1).sum(-1) * (sign / size)


def _volumes(rows: torch.Tensor, anchor: int) -> torch.Tensor:
    """(n, n) volume of each anchor vector with the other vectors of each tuple."""
    n, k, _ = rows.shape
    others = torch.arange(k, device=rows.device) != anchor
    inner = rows[:, others] @ rows[:, others].transpose(1, 2)
    across = torch.einsum("ir,jkr->ijk", rows[:, anchor], rows[:, others])
    own = rows[:, anchor].square().sum(1)
    top = torch.cat([own[:, None, None, None].expand(n, n, 1, 1), across[:, :, None]], 3)
    rest = torch.cat([across[..., None], inner[None].expand(n, n, k - 1, k - 1)], 3)
    return _root(determinant(torch.cat([top, rest], 2)))


def _root(squares: torch.Tensor) -> torch.Tensor:
    return squares.clamp(min=_SMALLEST_SQUARE).sqrt()


def _with_anchor(present: torch.Tensor, anchor: int | None) -> torch.Tensor:
    """Presence with nothing left of rows that lack the anchor."""
    if anchor is None:
        return present
    if not 0 <= anchor < present.shape[1]:
        raise UsageError("the anchor is none of the spaces", got=anchor, expected=f"0 to {present.shape[1] - 1}")
    return present & present[:, anchor, None]
