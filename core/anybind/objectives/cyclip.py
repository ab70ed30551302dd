"""CyCLIP's two consistency terms (Goel et al. 2022, arXiv:2205.14459), which BrokenBind takes over as Eq. 11 and 12."""

from __future__ import annotations

import torch


def cross_modal_consistency(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """``1/n sum_ij (<a_i, b_j> - <a_j, b_i>)²``: how far the table of similarities is from symmetric (Eq. 11).

    Args:
        a: (n, r) unit rows.
        b: (n, r) unit rows.
        mask: (n,) bool; rows that are False do not count.

    Returns:
        () >= 0; 0 with fewer than two rows.
    """
    if mask is not None:
        a, b = a[mask], b[mask]
    table = a @ b.T
    return _over_rows(table - table.T)


def in_modal_consistency(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """``1/n sum_ij (<a_i, a_j> - <b_i, b_j>)²``: how far the two spaces' own similarities differ (Eq. 12).

    Arguments and result as in ``cross_modal_consistency``.
    """
    if mask is not None:
        a, b = a[mask], b[mask]
    return _over_rows(a @ a.T - b @ b.T)


def _over_rows(differences: torch.Tensor) -> torch.Tensor:
    # with one row the own similarities are 1 and 1: nothing to compare
    if len(differences) < 2:
        return differences.sum() * 0
    return differences.square().sum() / len(differences)
