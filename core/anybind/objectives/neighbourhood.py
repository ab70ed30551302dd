"""Keep the neighbourhoods of the inputs in the joint space: the regulariser of STRUCTURE (arXiv:2506.16895).

    P_1 = softmax(cos(x_i, x_j) / t) over j ≠ i,   P_l = P_1^l,   and Q_l alike from the joint rows
    R   = 1/L sum_l 1/l · JS(P_l, Q_l)             JS: Jensen-Shannon divergence, mean over rows

with both sides centred within the batch first. Higher levels compare neighbours of neighbours. Our reading of
the public description; a row is not counted among its own neighbours, where it would outweigh all others.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

_TINY = 1e-12


def neighbourhood_loss(
    inputs: torch.Tensor,
    embedded: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    temperature: float = 0.05,
    levels: int = 1,
) -> torch.Tensor:
    """How far the similarities among a batch's joint rows are from those among its inputs.

    Args:
        inputs: (n, d) rows as the head got them; no gradient goes there.
        embedded: (n, r) rows of the joint space.
        mask: (n,) bool; rows that are False do not count.
        temperature: t > 0; small values look at the nearest neighbours only.
        levels: L >= 1.

    Returns:
        () in [0, log 2]; 0 with fewer than three rows, which have no structure.
    """
    if mask is not None:
        inputs, embedded = inputs[mask], embedded[mask]
    if len(embedded) < 3:
        return embedded.sum() * 0
    wanted, found = _neighbours(inputs.detach(), temperature), _neighbours(embedded, temperature)
    first = wanted, found
    total = _jensen_shannon(wanted, found)
    for level in range(2, levels + 1):
        wanted, found = wanted @ first[0], found @ first[1]
        total = total + _jensen_shannon(wanted, found) / level
    return total / levels


def _neighbours(rows: torch.Tensor, temperature: float) -> torch.Tensor:
    """(n, n) probability of each row's neighbours, 0 on the diagonal."""
    unit = normalize(rows - rows.mean(0), dim=1, eps=_TINY)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return (unit @ unit.T / temperature).masked_fill(itself, -torch.inf).softmax(1)


def _jensen_shannon(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2).mean()


def _entropy(p: torch.Tensor) -> torch.Tensor:
    # clamped: the gradient of p log p at 0 is infinite
    entropy: torch.Tensor = torch.special.entr(p.clamp(min=_TINY)).sum(1)
    return entropy
