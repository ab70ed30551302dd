"""InfoNCE with the rows of other data sets as further negatives: BrokenBind's L_CLIP (arXiv:2602.06451, Eq. 10).

    L_CLIP(a1) = 1/3 mean_i [ -log softmax_j(<a1_i, b1_j>)_i + log sum_k exp <a1_i, b2_k> + log sum_l exp <a1_i, c2_l> ]

The other data set's rows are no part of the first term's denominator: each of their spaces has a term of its
own. The paper writes out a1 only. For b1 it leaves open whether b2, the same modality, is a negative; here it
is not (rows of one modality are no false pairs of each other), and the divisor is the number of terms: for b1
the terms are a1 and c2, divided by 2. That choice is the caller's, who passes the foreign rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anybind.objectives.matching import matching_loss


def foreign_negatives_info_nce(
    query: torch.Tensor,
    partner: torch.Tensor,
    scale: torch.Tensor | float,
    foreign: Sequence[tuple[torch.Tensor, torch.Tensor | float]],
    mask: torch.Tensor | None = None,
    *,
    weight: float = 1.0,
) -> torch.Tensor:
    """One query space's share of Eq. 10, from queries to candidates only.

    Args:
        query: (n, r) unit rows.
        partner: (n, r) unit rows of the same data set; row i is the partner of ``query``'s row i.
        scale: One over the temperature between the two.
        foreign: (m, r) unit rows of another data set, none of which belongs to a query, and the scale
            between them and the queries; an empty one does not count.
        mask: (n,) bool; rows that are False are neither queries nor candidates.
        weight: What a foreign term counts beside the first one, >= 0: 1 in the paper, 0 for plain InfoNCE.

    Returns:
        () mean over rows and weighted mean over terms; 0 with fewer than two rows.
    """
    if mask is not None:
        query, partner = query[mask], partner[mask]
    table = query @ partner.T
    if len(table) < 2:
        return table.sum() * 0
    total = matching_loss(scale * table, symmetric=False)
    terms = [(rate * (query @ rows.T)).logsumexp(1).mean() for rows, rate in foreign if len(rows) and weight]
    for term in terms:
        total = total + weight * term
    return total / (1 + weight * len(terms))
