"""How far missing embeddings turn a row's anchor: diagnostics of CalMRL (arXiv:2511.12034), section 3.

The embeddings of a row, as columns of Z (d, k), have an anchor: the leading left singular vector u of Z. From
the observed columns alone it is u_o; the *anchor shift* is |u - u_o|. Two bounds hold for every Z, with
lambda = sigma^2 and eta^2 the sum of <u_o, z_m>^2 over the missing columns:

    sqrt(2 (1 - sqrt((lambda_1_observed + eta^2) / lambda_1))) <= |u - u_o| <= sqrt(2) |Z_missing| / (sigma_1 - sigma_2)

The lower one follows from u_o' Z Z' u_o = lambda_1_observed + eta^2 >= lambda_1 cos^2 of the angle; it has an
inner root that secondary accounts of Theorem 1 print without, and without it the bound fails on random data.
The upper one is Wedin's theorem; it is loose, and no shift exceeds sqrt(2) once signs agree. Both are there to
look at: neither says that an imputation is good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from anybind.errors import DataError, ShapeError


@dataclass(frozen=True)
class AnchorShift:
    """One number per row, all (n,) float64.

    Attributes:
        shift: |u - u_o| in [0, sqrt(2)], signs aligned.
        eta: What u_o sees of the missing columns, the root of the sum of <u_o, z_m>^2.
        lower: The lower bound of the shift.
        upper: The upper bound of the shift; infinite where sigma_1 = sigma_2.
    """

    shift: torch.Tensor
    eta: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor


@dataclass(frozen=True)
class Anchor:
    """Leading left singular vectors of stacks.

    Attributes:
        direction: (n, d) float64 unit vectors u; the sign is that of the sum of the columns.
        values: (n, k) float64 singular values, descending.
    """

    direction: torch.Tensor
    values: torch.Tensor


def anchors(stack: torch.Tensor, present: torch.Tensor | None = None) -> Anchor:
    """The anchor of every row.

    By the k x k Gram matrices, never a d x d one.

    Args:
        stack: (n, k, d) float, the embeddings of k spaces per row.
        present: (n, k) bool; all if None. What is not present is ignored.

    Raises:
        ShapeError: the shapes do not fit.
        DataError: a row shows nothing but zeros, which have no direction.
    """
    columns = _shown(stack, present)
    values, vectors = torch.linalg.eigh(columns @ columns.transpose(1, 2))
    direction = (vectors[:, None, :, -1] @ columns).squeeze(1)
    length = direction.norm(dim=1, keepdim=True)
    if not bool((length > 0).all()):
        row = int((~(length > 0)).nonzero()[0, 0])
        raise DataError("a row has no anchor", where=f"row {row}", got="no embedding that is present and not zero")
    sign = torch.where((direction * columns.sum(1)).sum(1, keepdim=True) < 0, -1.0, 1.0)
    return Anchor(sign * direction / length, values.clamp(min=0).sqrt().flip(1))


def distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(n,) |u - v| in [0, sqrt(2)] between unit vectors (n, d), the sign of each v chosen to be nearer."""
    nearer = torch.minimum((first - second).norm(dim=1), (first + second).norm(dim=1))
    return nearer.clamp(max=math.sqrt(2))


def anchor_shift(stack: torch.Tensor, present: torch.Tensor) -> AnchorShift:
    """The shift that the columns which are not present cause, and its bounds.

    Args:
        stack: (n, k, d) float, the embeddings of k spaces per row, the missing ones too: this is for data that
            one has whole and hides on purpose.
        present: (n, k) bool.

    Raises:
        ShapeError: the shapes do not fit.
        DataError: a row shows nothing but zeros.
    """
    full, observed = anchors(stack), anchors(stack, present)
    missing = _shown(stack, ~present)
    eta_squared = (missing @ observed.direction[:, :, None]).square().sum((1, 2))
    largest = full.values[:, 0]
    cosine = ((observed.values[:, 0].square() + eta_squared) / largest.square()).clamp(max=1).sqrt()
    gap = largest - (full.values[:, 1] if full.values.shape[1] > 1 else 0.0)
    hidden = torch.linalg.matrix_norm(missing, ord=2) if missing.numel() else torch.zeros_like(gap)
    upper = torch.where(hidden > 0, math.sqrt(2) * hidden / gap, torch.zeros_like(gap))
    return AnchorShift(
        distance(full.direction, observed.direction), eta_squared.sqrt(), (2 * (1 - cosine)).sqrt(), upper
    )


def imputed_shift(stack: torch.Tensor, completed: torch.Tensor) -> torch.Tensor:
    """(n,) shift that is left when the missing columns are imputed: between the anchors of two (n, k, d) stacks."""
    return distance(anchors(stack).direction, anchors(completed).direction)


def _shown(stack: torch.Tensor, present: torch.Tensor | None) -> torch.Tensor:
    """(n, k, d) float64 with zeros for what is not present."""
    if stack.ndim != 3 or (present is not None and present.shape != stack.shape[:2]):
        raise ShapeError(
            "a stack of embeddings does not fit",
            got=f"stack {tuple(stack.shape)}, present {None if present is None else tuple(present.shape)}",
            expected="stack (n, k, d) and present (n, k)",
        )
    columns = stack.to(torch.float64)
    return columns if present is None else torch.where(present[:, :, None], columns, torch.zeros_like(columns))
