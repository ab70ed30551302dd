"""A pivot in two data sets: are its vectors drawn alike, and how far apart are they?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from anybind.diagnosis.sampling import FEWEST_ROWS, SampledRows

MOST_ROWS = 2000  # per data set: the kernel of all pairs is held in memory
PERMUTATIONS = 499


@dataclass(frozen=True)
class ShiftReport:
    """How one space differs between two data sets.

    Attributes:
        space, datasets: Where.
        rows: Rows compared, of each data set.
        mmd: Squared maximum mean discrepancy, unbiased, Gaussian kernel as wide as the median distance of rows
            (Gretton et al. 2012, JMLR 13, eq. 3). About 0 for one distribution.
        p_value: Share of 499 random divisions of the pooled groups with an ``mmd`` as large, itself included.
        mean_share: Share of the variance of an even mix of both that lies between their means, without what the
            finite samples add; a fraction of 1.
    """

    space: str
    datasets: tuple[str, str]
    rows: tuple[int, int]
    mmd: float
    p_value: float
    mean_share: float

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**asdict(self), "datasets": list(self.datasets), "rows": list(self.rows)}


def shift_report(one: SampledRows, other: SampledRows, space: str, seed: int = 0) -> ShiftReport | None:
    """Compare a space of two data sets; None when one has fewer than 20 groups of sound rows."""
    (a, groups_a), (b, groups_b) = (_few(rows, space) for rows in (one, other))
    if min(len(set(groups_a)), len(set(groups_b))) < FEWEST_ROWS:
        return None
    mmd, p_value = mmd_test(a, b, groups_a, groups_b, seed=seed)
    return ShiftReport(space, (one.name, other.name), (len(a), len(b)), mmd, p_value, between_share(a, b))


def mmd_test(
    a: torch.Tensor,
    b: torch.Tensor,
    groups_a: Sequence[str] | None = None,
    groups_b: Sequence[str] | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[float, float]:
    """Two-sample test by the squared maximum mean discrepancy.

    Rows of a group go together in a permutation: near-duplicates that were split as one are no evidence of a
    shift. An item that both data sets hold counts as two groups, which can only raise the p-value.

    Args:
        a: (n_a, d), b: (n_b, d): two rows each at least.
        groups_a, groups_b: The group of each row; every row its own if None.
        permutations: Random divisions; the least p-value is 1 / (permutations + 1).
        seed: Seeds them.

    Returns:
        The unbiased squared discrepancy, and its permutation p-value in (0, 1].
    """
    pooled = torch.cat([a, b]).double()
    kernel = _gaussian(pooled)
    units = _unit_numbers(len(a), len(b), groups_a, groups_b)
    in_first = _divisions(units, len(a), permutations, seed)
    found = _mmd(kernel, in_first)
    observed = float(found[0])
    # sums in another order may differ in the last bits: what is equal but for them counts as large
    return observed, float((found >= observed - 1e-12).double().mean())


def between_share(a: torch.Tensor, b: torch.Tensor) -> float:
    """The share of an even mix's variance that lies between the means of two samples, a fraction of 1.

    The variance of the mix is that within (the mean of both) plus a quarter of the squared distance of the means;
    the distance is taken without bias, and not below 0.
    """
    wide_a, wide_b = a.double(), b.double()
    total_a, total_b = (float(rows.var(0).sum()) for rows in (wide_a, wide_b))
    distance = float(((wide_a.mean(0) - wide_b.mean(0)) ** 2).sum()) - total_a / len(a) - total_b / len(b)
    between, within = max(distance, 0.0) / 4, (total_a + total_b) / 2
    return between / (between + within) if between > 0 else 0.0


def _few(rows: SampledRows, space: str) -> tuple[torch.Tensor, list[str]]:
    """Some sound rows with their groups; the sample is in random order."""
    sound = rows.sound[space]
    return rows.vectors[space][sound][:MOST_ROWS], rows.groups_where(sound)[:MOST_ROWS]


def _gaussian(rows: torch.Tensor) -> torch.Tensor:
    """exp(-|x - y|^2 / (2 median^2)), the diagonal 0: no row is compared with itself."""
    norms = (rows**2).sum(1)
    squared = (norms[:, None] + norms[None, :] - 2 * rows @ rows.T).clamp_(min=0)
    apart = squared[torch.triu_indices(len(rows), len(rows), 1).unbind()]
    width = float(apart.median()) or float(apart.mean()) or 1.0
    return squared.div_(-2 * width).exp_().fill_diagonal_(0.0)


def _unit_numbers(
    n_a: int, n_b: int, groups_a: Sequence[str] | None, groups_b: Sequence[str] | None
) -> torch.Tensor:
    """The number of each pooled row's group; those of the first sample come first."""
    names = [("a", g) for g in groups_a or map(str, range(n_a))] + [("b", g) for g in groups_b or map(str, range(n_b))]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])


def _divisions(units: torch.Tensor, n_a: int, permutations: int, seed: int) -> torch.Tensor:
    """(n, 1 + permutations) float64: which rows are in the first part, as it is and as drawn."""
    generator = torch.Generator().manual_seed(seed)
    count, first = int(units.max()) + 1, int(units[:n_a].max()) + 1
    chosen = torch.zeros(count, 1 + permutations, dtype=torch.float64)
    chosen[:first, 0] = 1
    for column in range(1, 1 + permutations):
        chosen[torch.randperm(count, generator=generator)[:first], column] = 1
    return chosen[units]


def _mmd(kernel: torch.Tensor, in_first: torch.Tensor) -> torch.Tensor:
    """The unbiased squared discrepancy of every division, (divisions,)."""
    rows_a, rows_b = in_first.sum(0), (1 - in_first).sum(0)
    towards_a = kernel @ in_first
    towards_b = kernel.sum(1, keepdim=True) - towards_a
    within_a = (in_first * towards_a).sum(0) / (rows_a * (rows_a - 1))
    within_b = ((1 - in_first) * towards_b).sum(0) / (rows_b * (rows_b - 1))
    return within_a + within_b - 2 * (in_first * towards_b).sum(0) / (rows_a * rows_b)
