"""What rows of any spaces together tell: the posterior of z by precision, and the rows they imply elsewhere.

Given the spaces that a row shows, z is Gaussian with precision ``I + sum W' Psi^-1 W`` and mean
``covariance sum W' Psi^-1 (x - mu)``: the spaces add up by precision. The covariance depends on which
spaces are present only, so there is one r×r Cholesky per pattern of presence, none per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.errors import ShapeError, UsageError
from anybind.methods.latent_space import LatentSpace
from anybind.methods.linalg import cholesky

Rows = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Imputed:
    """What a space's rows are expected to be.

    Attributes:
        mean: (n, d) float32.
        variance: (n, d) float32: of the row itself around ``mean``, its own noise included.
    """

    mean: torch.Tensor
    variance: torch.Tensor


@dataclass(frozen=True)
class Posterior:
    """z of n rows.

    Attributes:
        mean: (n, r) float64.
        covariances: (patterns, r, r) float64.
        pattern: (n,) which covariance is whose.
    """

    mean: torch.Tensor
    covariances: torch.Tensor
    pattern: torch.Tensor

    @property
    def uncertainty(self) -> torch.Tensor:
        """(n,) mean posterior variance of the dims of z, in (0, 1]: 1 where nothing is known, 0 certainty."""
        return self.covariances.diagonal(dim1=1, dim2=2).mean(1)[self.pattern]


def posterior_of(spaces: Mapping[str, LatentSpace], rows: Rows, present: Rows | None = None) -> Posterior:
    """The posterior of z given what each row shows.

    Args:
        spaces: The fitted spaces; those that ``rows`` names at least.
        rows: Space -> (n, d); row i of every space is the same item.
        present: Space -> (n,) bool, where rows are missing; such a row's values are ignored. A row that
            shows nothing has the prior, mean 0 and covariance I.

    Raises:
        UsageError: no space is given, or ``present`` names one that is not.
        ShapeError: the shapes do not fit.
    """
    masks = checked_masks(spaces, rows, present or {})
    patterns, pattern = torch.unique(torch.stack([*masks.values()], dim=1), dim=0, return_inverse=True)
    precisions = torch.stack([spaces[space].precision for space in masks])
    identity = torch.eye(precisions.shape[1], dtype=torch.float64)
    evidence = torch.stack([_evidence(spaces[s], rows[s], mask) for s, mask in masks.items()]).sum(0)
    mean, covariances = torch.zeros_like(evidence), []
    for number, shown in enumerate(patterns):
        factor = cholesky(identity + precisions[shown].sum(0), "precision of the latent dims")
        covariances.append(torch.cholesky_inverse(factor))
        mean[pattern == number] = evidence[pattern == number] @ covariances[-1]
    stacked = torch.stack(covariances) if covariances else identity[None][:0]
    return Posterior(mean, stacked, pattern)


def imputed(
    spaces: Mapping[str, LatentSpace], goal: str, rows: Rows, present: Rows | None = None
) -> Imputed:
    """The rows of a space that go with what is shown; a row that shows the goal itself stays as it is.

    Args and errors as for ``posterior_of``.
    """
    posterior = posterior_of(spaces, rows, present)
    space = spaces[goal]
    loading = space.loading.to(torch.float64)
    mean = space.encode.mean + posterior.mean @ loading.T
    known = ((loading @ posterior.covariances) * loading).sum(2)
    variance = (space.variance + known)[posterior.pattern]
    if goal in rows:
        shown = checked_masks(spaces, rows, present or {})[goal][:, None]
        mean = torch.where(shown, rows[goal].to(torch.float64), mean)
        variance = variance.masked_fill(shown, 0)
    return Imputed(mean.to(torch.float32), variance.to(torch.float32))


def checked_masks(spaces: Mapping[str, LatentSpace], rows: Rows, present: Rows) -> dict[str, torch.Tensor]:
    """Space -> (n,) bool for every space in ``rows``; errors as for ``posterior_of``."""
    if not rows:
        raise UsageError("there must be rows of one space at least", got="none", expected="{space: (n, d) rows}")
    stray = sorted(present.keys() - rows.keys())
    if stray:
        raise UsageError("present names a space without rows", got=stray, expected=f"among {sorted(rows)}")
    n = len(next(iter(rows.values())))
    masks = {}
    for space, vectors in rows.items():
        masks[space] = present.get(space, torch.ones(n)).bool()
        expected = (n, len(spaces[space].encode.mean))
        _require_shape(f"rows of space {space!r}", vectors, expected)
        _require_shape(f"presence of space {space!r}", masks[space], expected[:1])
    return masks


def _evidence(space: LatentSpace, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    # a missing row may hold anything, NaN too
    return space.evidence(torch.where(mask[:, None], rows.to(torch.float64), space.encode.mean))


def _require_shape(where: str, tensor: torch.Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != expected:
        raise ShapeError("the shapes do not fit", where=where, got=tuple(tensor.shape), expected=expected)
