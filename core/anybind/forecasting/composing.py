"""How far right items stand out over a bridge, from held-out pairs of its hops alone.

Rows i are held-out pairs of A with B, rows j of B with C. Were A and C independent given B's vector, right pairs of A
and C would score on average ::

    E[s(a, c)] = E_ij[ s(a_i, c_j) k(b_i, b_j) ],       k(b, b') = (b - mean)' S_B^-1 (b' - mean')

for a score that is bilinear in A's and C's coordinates: the mean is tr(W' C_AB S_B^-1 C_BC), and the two covariances
come from different rows, which nothing was fitted on. So their errors do not correlate and the estimate is unbiased:
where B shows nothing that A and C share it is 0 up to sampling error, however well the hops are fitted. Longer
bridges multiply one such kernel per pivot.

S_B alone is taken from rows that were fitted on, a little ridge added: once of the data sets of the hop before B and
once of those of the hop after it, and the mean of both is taken. Each is a regression of one data set that is carried
to rows of the other. Their pooled covariance would take a shift between the two for noise of B. By how much B varies
on the whole makes no difference to scores; that is taken as the geometric mean of both.

S_B from few rows makes the kernel too large: an inverse of n rows' covariance in r dims is n / (n - r) times too large
on average, and so is the mean of k(b, b) over rows that are new, compared with those it came from. So that ratio is
divided out.

The scores are standardised by the wrong items', so the result is in their standard deviations: the *separation*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt
from statistics import fmean

import torch

PIVOT_RIDGE = 0.02  # of the mean variance of the pivot's coordinates
_LEAST_LEVEL = 1e-6


@dataclass(frozen=True)
class PivotRows:
    """A pivot's rows as the method sees them, in r coordinates, where two hops meet.

    Attributes:
        before: (n_i, r) of the held-out pairs of the hop before it.
        after: (n_j, r) of those of the hop after it.
        covariances: (r, r) each, of the rows that the hop before it and the hop after it were fitted on.
    """

    before: torch.Tensor
    after: torch.Tensor
    covariances: tuple[torch.Tensor, torch.Tensor]

    def kernel(self, side: int) -> torch.Tensor:
        """(n_i, n_j) inner products of rows that are whitened as those of the hop before (0) or after (1)."""
        whitening = self.covariances[side].to(torch.float64) / self._levels[side]
        ridged = whitening + PIVOT_RIDGE * torch.eye(len(whitening), dtype=torch.float64)
        before, after = _centred(self.before), _centred(self.after)
        rows = (before, after)[side] / sqrt(self._levels[side])
        new = float((rows * torch.linalg.solve(ridged, rows.T).T).sum()) / max(len(rows) - 1, 1)
        seen = float(torch.linalg.solve(ridged, whitening).trace())
        kernel: torch.Tensor = before @ torch.linalg.solve(ridged, after.T) / sqrt(prod(self._levels))
        return kernel * min(seen / max(new, 1e-12), 1.0)

    @property
    def _levels(self) -> list[float]:
        """Mean variance of a coordinate in either, not quite zero where all vectors are the same."""
        levels = [float(covariance.diagonal().mean()) for covariance in self.covariances]
        return [max(level, _LEAST_LEVEL * max(*levels, _LEAST_LEVEL)) for level in levels]


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error."""

    value: float
    error: float

    @classmethod
    def mean(cls, several: Sequence[Estimate], independent: float) -> Estimate:
        """Of several, which are worth so many independent ones."""
        square = fmean(each.error**2 for each in several)
        return cls(fmean(each.value for each in several), sqrt(square / independent))


def composed_separation(scores: torch.Tensor, pivots: Sequence[PivotRows]) -> Estimate:
    """The separation of right pairs over a bridge, if its ends are independent given its pivots' vectors.

    Args:
        scores: (n_i, n_j) of the first space's rows, which the first hop holds, and the last space's of the last hop.
        pivots: Of the bridge in order, at least one.
    """
    terms = doubly_standardised(scores) * (_joined(pivots, 0) + _joined(pivots, 1)) / 2
    by_row, by_column = (float(terms.mean(1 - axis).var()) / terms.shape[axis] for axis in (0, 1))
    by_cell = float(terms.var()) / terms.numel()  # which is in both
    return Estimate(float(terms.mean()), sqrt(max(by_row + by_column - by_cell, by_cell)))


def _joined(pivots: Sequence[PivotRows], side: int) -> torch.Tensor:
    kernel = pivots[0].kernel(side)
    for pivot in pivots[1:]:
        kernel = kernel @ pivot.kernel(side) / kernel.shape[1]
    return kernel


def doubly_standardised(scores: torch.Tensor) -> torch.Tensor:
    """Scores less their row and column means, in standard deviations: mean of those by row and by column."""
    table = scores.to(torch.float64)
    by_row = table / table.std(1, keepdim=True, correction=0).clamp(min=1e-12)
    by_column = table / table.std(0, keepdim=True, correction=0).clamp(min=1e-12)
    both = (by_row + by_column) / 2
    return both - both.mean(0) - both.mean(1, keepdim=True) + both.mean()


def _centred(rows: torch.Tensor) -> torch.Tensor:
    rows = rows.to(torch.float64)
    return rows - rows.mean(0)
