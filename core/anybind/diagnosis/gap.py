"""The modality gap: where two towers that were trained together put what they see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from anybind.diagnosis.edges import FEWEST_GROUPS
from anybind.diagnosis.matching import Matching, match_tables
from anybind.diagnosis.prediction import FOLDS, held_out_folds
from anybind.diagnosis.sampling import SampledRows
from anybind.diagnosis.spaces import centre


@dataclass(frozen=True)
class GapReport:
    """The gap between two spaces of one encoder space, over rows that hold both.

    Attributes:
        a, b, dataset: Where.
        pairs: Sampled rows that hold both.
        distance: Distance of the means of unit vectors (Liang et al. 2022, arXiv:2203.02053), without what
            the finite sample adds; in [0, 2].
        share: The gap's share of the mean squared distance of paired vectors; a fraction of 1.
        mrr: Retrieval by plain cosine among the rows of a fold (as for edges), mean of both directions.
        mrr_centred: The same after each space's mean is subtracted.
        z: How far that is from chance, see ``Matching.z``; a group counts as one row.
    """

    a: str
    b: str
    dataset: str
    pairs: int
    distance: float
    share: float
    mrr: float
    mrr_centred: float
    z: float

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


def gap_report(rows: SampledRows, a: str, b: str, seed: int = 0) -> GapReport | None:
    """The gap between two spaces of equal dims; None with fewer than 50 groups of paired rows."""
    one, other, groups = rows.paired(a, b)
    folds = held_out_folds(groups, seed)
    if len(set(groups)) < FEWEST_GROUPS or min(folds.bincount(minlength=FOLDS)) < 2:
        return None
    squared, paired = squared_gap(one, other)
    plain, centred = (_found(x, y, folds) for x, y in ((one, other), (centre(one), centre(other))))
    share = squared / paired if paired else 0.0
    return GapReport(a, b, rows.name, len(one), squared**0.5, share, plain.mrr, centred.mrr,
                     centred.z(len(set(groups))))  # fmt: skip


def squared_gap(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float]:
    """The squared distance of the means, unbiased and not below 0; and the mean squared distance of pairs.

    E |mean(a - b)|^2 exceeds the true value by the variance of a - b over n, which is taken off.
    """
    difference = a.double() - b.double()
    mean = difference.mean(0)
    variance = float(((difference - mean) ** 2).sum()) / (len(a) - 1)
    squared = max(float((mean**2).sum()) - variance / len(a), 0.0)
    return squared, float((difference**2).sum()) / len(a)


def _found(a: torch.Tensor, b: torch.Tensor, folds: torch.Tensor) -> Matching:
    """Retrieval by the inner product within folds."""
    parts = [folds == fold for fold in sorted(set(folds.tolist()))]
    return match_tables([a[rows] @ b[rows].T for rows in parts])
