"""CentroBind's anchors and loss (arXiv:2410.02086): every space is aligned with the centroid of its row.

    c_j = sum_l w_jl z_jl / sum_l w_jl        over the spaces that row j shows
    L   = mean over spaces i of InfoNCE(z_i, c)

With an un-normalised centroid ``<z, c_j>`` is the mean of the pairwise similarities, and since log-sum-exp is
convex the loss is at most the mean of the pairwise InfoNCE losses. Normalising the centroid gives that up.

Without augmentation the centroid contains the vector that it is compared with; ``leave_one_out`` takes it
out. Query weights (a centroid per pair, ``w ∝ exp(<z_q, z_jl> / t)``) let a query look at the spaces of a
candidate that speak to it.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from anybind.objectives.matching import matching_loss
from anybind.objectives.tuples import without_absent

_TINY = 1e-12


def centroid(
    vectors: torch.Tensor,
    present: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    leave_out: int | None = None,
    normalised: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted mean of the vectors that each row shows.

    Args:
        vectors: (n, k, r).
        present: (n, k) bool.
        weights: (k,) or (n, k), >= 0; equal when None.
        leave_out: A space that does not count.
        normalised: Scale the centroid to unit length.

    Returns:
        (n, r) centroids, and (n,) bool: which rows have one, because they show two or more spaces and one
        that counts. The others are zeros.
    """
    vectors = without_absent(vectors, present)
    shares = _shares(present, weights, leave_out).to(vectors.dtype)
    total = shares.sum(1, keepdim=True)
    anchors = torch.einsum("nk,nkr->nr", shares / total.clamp(min=_TINY), vectors)
    valid = (present.sum(1) >= 2) & (total[:, 0] > 0)
    return (normalize(anchors, dim=1, eps=_TINY) if normalised else anchors), valid


def centroid_info_nce(
    vectors: torch.Tensor,
    present: torch.Tensor,
    scales: torch.Tensor | float,
    *,
    anchor_vectors: torch.Tensor | None = None,
    leave_one_out: bool = False,
    weights: torch.Tensor | None = None,
    query_temperature: float | None = None,
    normalised: bool = False,
    detached: bool = False,
    symmetric: bool = True,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """InfoNCE of every space with the centroid, mean over the spaces.

    Args:
        vectors: (n, k, r) unit vectors.
        present: (n, k) bool. A row counts for a space that it shows, if it shows another one too.
        scales: (k,) one over the temperature of each space, or one for all.
        anchor_vectors: (n, k, r) what centroids are made of: an augmented view; ``vectors`` when None.
        leave_one_out: The centroid that a space meets is made of the other spaces.
        weights: (k,) or (n, k), >= 0, of the spaces in the centroid; equal when None.
        query_temperature: t > 0 of query weights; None for none.
        normalised: Scale centroids to unit length.
        detached: No gradient goes through the centroids.
        symmetric: Both directions.
        label_smoothing: As in ``info_nce``.

    Returns:
        () mean over the spaces with two or more rows; 0 when there is none.
    """
    vectors = without_absent(vectors, present)
    made_of = vectors if anchor_vectors is None else without_absent(anchor_vectors, present)
    made_of = made_of.detach() if detached else made_of
    rates = torch.as_tensor(scales, dtype=vectors.dtype, device=vectors.device).expand(vectors.shape[1])
    losses = []
    for space in range(vectors.shape[1]):
        left_out = space if leave_one_out else None
        anchors, valid = centroid(made_of, present, weights, leave_out=left_out, normalised=normalised)
        rows = valid & present[:, space]
        if rows.sum() < 2:
            continue
        if query_temperature is None:
            table = vectors[rows, space] @ anchors[rows].T
        else:
            shares = _shares(present, weights, left_out)[rows].to(vectors.dtype)
            table = _query_weighted(vectors[rows, space], made_of[rows], shares, query_temperature, normalised)
        losses.append(matching_loss(rates[space] * table, symmetric=symmetric, label_smoothing=label_smoothing))
    return torch.stack(losses).mean() if losses else vectors.sum() * 0


def _shares(present: torch.Tensor, weights: torch.Tensor | None, leave_out: int | None) -> torch.Tensor:
    """(n, k) weights, 0 where a space is absent or left out."""
    shares = present if weights is None else present * weights
    if leave_out is None:
        return shares
    counted = torch.arange(present.shape[1], device=present.device) != leave_out
    return shares * counted


def _query_weighted(
    queries: torch.Tensor, vectors: torch.Tensor, shares: torch.Tensor, temperature: float, normalised: bool
) -> torch.Tensor:
    """(q, n) similarity of each query to the centroid that it makes of each candidate's vectors (n, k, r)."""
    similar = torch.einsum("qr,nkr->qnk", queries, vectors)
    # a share of 0 becomes a weight of 0; its gradient through the logarithm must not become infinite
    prior = torch.where(shares > 0, shares.clamp(min=_TINY).log(), torch.full_like(shares, -torch.inf))
    weights = (similar / temperature + prior).softmax(-1)
    table = (weights * similar).sum(-1)
    if not normalised:
        return table
    gram = vectors @ vectors.transpose(1, 2)
    squares = torch.einsum("qnk,nkl,qnl->qn", weights, gram, weights)
    return table / squares.clamp(min=_TINY).sqrt()
