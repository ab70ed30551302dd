"""The pairwise sigmoid loss of SigLIP (Zhai et al. 2023, arXiv:2303.15343): every pair is a yes or no of its own."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus


def sigmoid_loss(
    a: torch.Tensor,
    b: torch.Tensor,
    scale: torch.Tensor | float,
    bias: torch.Tensor | float,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """``-(1/n) sum_ij log sigmoid(y_ij (scale <a_i, b_j> + bias))``, y = 1 on the diagonal and -1 elsewhere.

    Args:
        a: (n, r) unit rows.
        b: (n, r) unit rows; row i is the partner of ``a``'s row i.
        scale: One over the temperature, > 0.
        bias: Added to every logit; usually learnt.
        mask: (n,) bool; rows that are False are in no pair.

    Returns:
        () sum over pairs divided by rows; 0 with fewer than two rows.
    """
    if mask is not None:
        a, b = a[mask], b[mask]
    logits = scale * (a @ b.T) + bias
    if len(logits) < 2:
        return logits.sum() * 0
    return (softplus(logits).sum() - logits.diagonal().sum()) / len(logits)
