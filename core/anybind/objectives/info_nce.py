"""InfoNCE between the paired rows of two spaces (van den Oord et al. 2018; in both directions, Radford et al. 2021)."""

from __future__ import annotations

import torch

from anybind.objectives.matching import matching_loss


def info_nce(
    a: torch.Tensor,
    b: torch.Tensor,
    scale: torch.Tensor | float,
    mask: torch.Tensor | None = None,
    symmetric: bool = True,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """-log softmax of each row's partner among all rows, at logits ``scale · <a_i, b_j>``.

    Args:
        a: (n, r) unit rows.
        b: (n, r) unit rows; row i is the partner of ``a``'s row i.
        scale: One over the temperature, > 0.
        mask: (n,) bool; rows that are False are neither queries nor candidates.
        symmetric: Mean of a → b and b → a; else a → b only.
        label_smoothing: Share of the answer, in [0, 1), that is spread over all candidates.

    Returns:
        () mean over rows; 0 with fewer than two rows.
    """
    if mask is not None:
        a, b = a[mask], b[mask]
    return matching_loss(scale * (a @ b.T), symmetric=symmetric, label_smoothing=label_smoothing)
