"""How far right items stand out over a bridge, from held-out pairs of its hops alone.

Rows i are held-out pairs of A with B, rows j of B with C. Were A and C independent given B's vector, right pairs of A
and C would score on average ::

    E[s(a, c)] = E_ij[ s(a_i, c_j) k(b_i, b_j) ],       k(b, b') = (b - mean)' S_B^-1 (b' - mean')

for a score that is bilinear in A's and C's coordinates: the mean is tr(W' C_AB S_B^-1 C_BC), and the two covariances
come from different rows, which nothing was fitted on. So their errors do not correlate and the estimate is unbiased:
where B shows nothing that A and C share it is 0 up to sampling error, however well the hops are fitted. Longer
bridges multiply one such kernel per pivot. S_B alone is taken from the rows that were fitted on, a little ridge added.
That makes the kernel too large: an inverse of n rows' covariance in r dims is n / (n - r) times too large on average,
and so is the mean of k(b, b) over rows that are new, compared with those it came from. So that ratio is divided out.

The scores are standardised by the wrong items', so the result is in their standard deviations: the *separation*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

PIVOT_RIDGE = 0.02  # of the mean variance of the pivot's coordinates


@dataclass(frozen=True)
class PivotRows:
    """A pivot's rows as the method sees them, in r coordinates, where two hops meet.

    Attributes:
        before: (n_i, r) of the held-out pairs of the hop before it.
        after: (n_j, r) of those of the hop after it.
        covariance: (r, r) of the rows that were fitted on, within data sets.
    """

    before: torch.Tensor
    after: torch.Tensor
    covariance: torch.Tensor

    def kernel(self) -> torch.Tensor:
        """(n_i, n_j) inner products of whitened rows."""
        covariance = self.covariance.to(torch.float64)
        level = covariance.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
        ridged = covariance + PIVOT_RIDGE * level * torch.eye(len(covariance), dtype=torch.float64)
        before, after = _centred(self.before), _centred(self.after)
        solved = torch.linalg.solve(ridged, torch.cat([before, after]).T)
        new = float((torch.cat([before, after]) * solved.T).sum()) / max(len(before) + len(after) - 2, 1)
        seen = float(torch.linalg.solve(ridged, covariance).trace())
        kernel: torch.Tensor = before @ solved[:, len(before) :]
        return kernel * min(seen / max(new, 1e-12), 1.0)


def composed_separation(scores: torch.Tensor, pivots: Sequence[PivotRows]) -> float:
    """The separation of right pairs over a bridge, if its ends are independent given its pivots' vectors.

    Args:
        scores: (n_i, n_j) of the first space's rows, which the first hop holds, and the last space's of the last hop.
        pivots: Of the bridge in order, at least one.
    """
    table = doubly_standardised(scores)
    kernel = pivots[0].kernel()
    for pivot in pivots[1:]:
        kernel = kernel @ pivot.kernel() / kernel.shape[1]
    return float((table * kernel).mean())


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
