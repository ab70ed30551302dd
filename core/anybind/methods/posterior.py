"""What rows of any spaces together tell: the posterior of z by precision, and the rows they imply elsewhere.

Given the spaces that a row shows, z is Gaussian with precision ``I + sum W' Psi^-1 W`` and mean
``covariance sum W' Psi^-1 (x - mu)``: the spaces add up by precision. The covariance depends on which
spaces are present only, so there is one r×r Cholesky per pattern of presence, none per row.

A fit to few rows takes some of their noise for signal. ``trust`` undoes that: a space whose noise is 1 / c times
what the fit saw adds c times as much, to the precision and to the mean (``anybind.methods.held_out_reliability``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.methods.latent_space import LatentSpace
from anybind.methods.linalg import cholesky
from anybind.methods.presence import Rows as Rows
from anybind.methods.presence import checked_masks

Trust = Mapping[str, float]


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


def posterior_of(
    spaces: Mapping[str, LatentSpace], rows: Rows, present: Rows | None = None, trust: Trust | None = None
) -> Posterior:
    """The posterior of z given what each row shows.

    Args:
        spaces: The fitted spaces; those that ``rows`` names at least.
        rows: Space -> (n, d); row i of every space is the same item.
        present: Space -> (n,) bool, where rows are missing; such a row's values are ignored. A row that
            shows nothing has the prior, mean 0 and covariance I.
        trust: Space -> c > 0, what a space's evidence counts for; 1 where it is not named.

    Raises:
        UsageError: no space is given, or ``present`` names one that is not.
        ShapeError: the shapes do not fit.
    """
    masks = _masks(spaces, rows, present)
    trust = trust or {}
    patterns, pattern = torch.unique(torch.stack([*masks.values()], dim=1), dim=0, return_inverse=True)
    precisions = torch.stack([trust.get(space, 1.0) * spaces[space].precision for space in masks])
    identity = torch.eye(precisions.shape[1], dtype=torch.float64)
    evidence = torch.stack(
        [trust.get(space, 1.0) * _evidence(spaces[space], rows[space], mask) for space, mask in masks.items()]
    ).sum(0)
    mean, covariances = torch.zeros_like(evidence), []
    for number, shown in enumerate(patterns):
        factor = cholesky(identity + precisions[shown].sum(0), "precision of the latent dims")
        covariances.append(torch.cholesky_inverse(factor))
        mean[pattern == number] = evidence[pattern == number] @ covariances[-1]
    stacked = torch.stack(covariances) if covariances else identity[None][:0]
    return Posterior(mean, stacked, pattern)


def fused(spaces: Mapping[str, LatentSpace], rows: Rows, present: Rows | None, trust: Trust) -> torch.Tensor:
    """(n, r) float64 posterior mean of z, the most trusted of the spaces that a row shows taken as it was fitted.

    Spaces count by their trust beside each other, and a space alone is its embedding. Args and errors as for
    ``posterior_of``.
    """
    masks = _masks(spaces, rows, present)
    patterns, pattern = torch.unique(torch.stack([*masks.values()], dim=1), dim=0, return_inverse=True)
    mean = torch.zeros(len(pattern), len(next(iter(spaces.values())).precision), dtype=torch.float64)
    for number, shown in enumerate(patterns):
        own = {space: trust.get(space, 1.0) for space, there in zip(masks, shown.tolist(), strict=True) if there}
        if own:
            among = pattern == number
            beside = {space: c / max(own.values()) for space, c in own.items()}
            mean[among] = posterior_of(spaces, {s: rows[s][among] for s in own}, None, beside).mean
    return mean


def imputed(
    spaces: Mapping[str, LatentSpace],
    goal: str,
    rows: Rows,
    present: Rows | None = None,
    trust: Trust | None = None,
) -> Imputed:
    """The rows of a space that go with what is shown; a row that shows the goal itself stays as it is.

    Args and errors as for ``posterior_of``.
    """
    posterior = posterior_of(spaces, rows, present, trust)
    space = spaces[goal]
    loading = space.loading.to(torch.float64)
    mean = space.encode.mean + posterior.mean @ loading.T
    known = ((loading @ posterior.covariances) * loading).sum(2)
    variance = (space.variance + known)[posterior.pattern]
    if goal in rows:
        shown = _masks(spaces, rows, present)[goal][:, None]
        mean = torch.where(shown, rows[goal].to(torch.float64), mean)
        variance = variance.masked_fill(shown, 0)
    return Imputed(mean.to(torch.float32), variance.to(torch.float32))


def _masks(spaces: Mapping[str, LatentSpace], rows: Rows, present: Rows | None) -> dict[str, torch.Tensor]:
    return checked_masks({space: len(each.encode.mean) for space, each in spaces.items()}, rows, present or {})


def _evidence(space: LatentSpace, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    # a missing row may hold anything, NaN too
    return space.evidence(torch.where(mask[:, None], rows.to(torch.float64), space.encode.mean))
