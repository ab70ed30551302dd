"""BrokenBind's multi-extrapolation loss (arXiv:2602.06451): real rows against pseudo-embeddings (Eq. 4), and Eq. 9."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from anybind.objectives.matching import matching_loss


def mox_contrast(
    real: Sequence[tuple[torch.Tensor, torch.Tensor | float, torch.Tensor | None]], pseudo: torch.Tensor
) -> torch.Tensor:
    """``-1/s sum over the s real spaces of mean_i log softmax_j(<a_i, c~_j>)_i``, from real to pseudo only.

    Args:
        real: For each real space of a data set: (n, r) unit rows, the scale (one over the temperature)
            between it and the pseudo-space, and (n,) bool, False for rows that do not count.
        pseudo: (n, r) pseudo-embeddings of the data set's rows, of any length; compared by cosine.

    Returns:
        () 0 when no space has two rows.
    """
    parts = []
    for rows, scale, mask in real:
        own, made = (rows, pseudo) if mask is None else (rows[mask], pseudo[mask])
        parts.append(matching_loss(scale * (own @ normalize(made, dim=1).T), symmetric=False))
    return torch.stack(parts).mean()


def frobenius(x_mod: torch.Tensor, x_data: torch.Tensor) -> torch.Tensor:
    """``||X-mod - X-data||_F²`` (Eq. 9), the plain sum of squares.

    Read literally it compares row i of one data set with row i of another, so that it depends on the order
    of the batch; see ``transitions.modal_extrapolation``.

    Args:
        x_mod: (n, r).
        x_data: (n, r).

    Returns:
        () >= 0.
    """
    return (x_mod - x_data).square().sum()
