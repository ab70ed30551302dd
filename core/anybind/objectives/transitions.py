"""BrokenBind's transitions: rows of one data set carried along the pairs that other data sets show.

    c~1 = B1 (B2)^+ C2                         Eq. 8: pseudo-embeddings of c for data set 1
    c~1 = A1 (A2)^+ B2 (B3)^+ C3               Eq. 21: a chain is the product of its hops

Rows are samples. ``(B2)^+ C2`` is the least-squares map from pivot to target within data set 2, so neither equal
sizes nor an order of rows matters. Gradient flows through every factor but the pseudo-inverses
(Algorithm 1). Plain pseudo-inverses are unstable where rows are about as many as dims; ``ridge`` is
``B' (B B' + l I)^-1`` and ``rank`` keeps the leading directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anybind.errors import UsageError

KINDS = ("pinv", "ridge", "rank")
Hop = tuple[torch.Tensor, torch.Tensor]


def pseudo_inverse(rows: torch.Tensor, kind: str = "pinv", strength: float = 0.0) -> torch.Tensor:
    """The (regularised) pseudo-inverse, without gradient.

    Args:
        rows: (n, d).
        kind: "pinv" (Moore-Penrose), "ridge" or "rank".
        strength: The ridge in units of the mean squared singular value, or the number of directions kept.

    Returns:
        (d, n), computed in float64, of the type of ``rows``.

    Raises:
        UsageError: another kind.
    """
    if kind not in KINDS:
        raise UsageError("no such pseudo-inverse", got=repr(kind), expected=", ".join(KINDS))
    exact = rows.detach().to(torch.float64)
    if exact.numel() == 0 or not exact.any():
        inverse = torch.zeros_like(exact).T
    elif kind == "ridge" and strength > 0:
        inverse = _ridge_inverse(exact, strength)
    else:
        kept = int(strength) if kind == "rank" else min(exact.shape)
        inverse = _spectral_inverse(exact, kept, torch.finfo(rows.dtype).eps)
    return inverse.to(rows.dtype)


def pseudo_embeddings(
    start: torch.Tensor, hops: Sequence[Hop], kind: str = "pinv", strength: float = 0.0
) -> torch.Tensor:
    """``start P1^+ Q1 P2^+ Q2 ...``: rows carried hop by hop.

    Args:
        start: (m, r) rows of the first hop's own space.
        hops: Paired rows ((n, r), (n, r)) of each hop: the space it leaves and the space it reaches.
        kind: As in ``pseudo_inverse``.
        strength: As in ``pseudo_inverse``.

    Returns:
        (m, r), of no particular length.
    """
    carried = start
    for left, reached in hops:
        carried = (carried @ pseudo_inverse(left, kind, strength)) @ reached
    return carried


def modal_extrapolation(start: torch.Tensor, hop: Hop, kind: str = "pinv", strength: float = 0.0) -> torch.Tensor:
    """X-mod, read literally: ``Q P^+ start`` (Eq. 7 and 20).

    It writes the rows of data set 2 as mixtures of the rows of data set 1 by number, although row i of one has
    nothing to do with row i of the other: it depends on the order of the batch.

    Args:
        start: (n, r), as many rows as the hop has.
        hop: Paired rows ((n, r), (n, r)).
        kind: As in ``pseudo_inverse``.
        strength: As in ``pseudo_inverse``.

    Returns:
        (n, r).

    Raises:
        UsageError: the numbers of rows differ.
    """
    left, reached = hop
    if len(start) != len(left):
        raise UsageError(
            "X-mod needs batches of equal size",
            got=f"{len(start)} and {len(left)} rows", expected="equal numbers of rows",
            hint="leave the Frobenius term off (its weight is 0), or use data sets without missing rows",
        )  # fmt: skip
    return (reached @ pseudo_inverse(left, kind, strength)) @ start


def _ridge_inverse(rows: torch.Tensor, strength: float) -> torch.Tensor:
    """By the smaller of the two Gram matrices."""
    n, dims = rows.shape
    gram = rows @ rows.T if n <= dims else rows.T @ rows
    ridge = strength * gram.trace() / len(gram)
    factor = torch.linalg.cholesky(gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    if n <= dims:
        return torch.cholesky_solve(rows, factor).T
    return torch.cholesky_solve(rows.T.contiguous(), factor)


def _spectral_inverse(rows: torch.Tensor, kept: int, precision: float) -> torch.Tensor:
    """Without the directions that are zero up to the precision that the rows were given in."""
    left, values, right = torch.linalg.svd(rows, full_matrices=False)
    used = values > values[0] * max(rows.shape) * precision
    used &= torch.arange(len(values), device=values.device) < kept
    gains = torch.where(used, 1 / values.clamp(min=torch.finfo(values.dtype).tiny), torch.zeros_like(values))
    inverse: torch.Tensor = (right.T * gains) @ left.T
    return inverse
