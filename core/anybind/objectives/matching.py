"""Cross-entropy against the diagonal of a table of logits: row i belongs to column i and to no other."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def matching_loss(
    logits: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    symmetric: bool = True,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy of a square table, each row's answer being its own column.

    Args:
        logits: (n, n); rows ask, columns answer.
        mask: (n,) bool; a row that is False leaves the table as a question and as an answer.
        symmetric: Mean of both directions; else rows only ask.
        label_smoothing: Share of the answer, in [0, 1), that is spread over all columns.

    Returns:
        () mean over the rows that are left; 0 when fewer than two are.
    """
    if mask is not None:
        logits = logits[mask][:, mask]
    if len(logits) < 2:
        return logits.sum() * 0
    truth = torch.arange(len(logits), device=logits.device)
    loss = cross_entropy(logits, truth, label_smoothing=label_smoothing)
    if not symmetric:
        return loss
    return (loss + cross_entropy(logits.T, truth, label_smoothing=label_smoothing)) / 2
