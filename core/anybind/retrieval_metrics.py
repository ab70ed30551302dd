"""The retrieval metrics made of ranks, and what a random order would give.

MRR, recall and median rank are computed from ranks in which ties count half; recall at k counts ranks <= k.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from anybind.errors import EvaluationError

DEFAULT_KS = (1, 5, 10)
_EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True)
class RetrievalMetrics:
    """Retrieval in one direction, one true item per query; all but the counts and ranks are fractions of 1.

    Attributes:
        n_queries: Number of queries.
        n_gallery: Number of items that each query ranks.
        mrr: Mean reciprocal rank.
        recall: k -> share of queries whose true item has rank <= k.
        median_rank: Median of the ranks, 1 is best.
        map: Mean average precision; with one true item per query it is the MRR.
    """

    n_queries: int
    n_gallery: int
    mrr: float
    recall: Mapping[int, float]
    median_rank: float
    map: float

    def to_dict(self) -> dict[str, Any]:
        """The metrics as plain JSON values; recall keys are strings."""
        return {**asdict(self), "recall": {str(k): share for k, share in self.recall.items()}}


@dataclass(frozen=True)
class ChanceMetrics:
    """What ranks drawn uniformly from 1 ... n_gallery give in expectation (the median: theirs)."""

    n_gallery: int
    mrr: float
    recall: Mapping[int, float]
    median_rank: float

    def to_dict(self) -> dict[str, Any]:
        """The metrics as plain JSON values; recall keys are strings."""
        return {**asdict(self), "recall": {str(k): share for k, share in self.recall.items()}}


def metrics_from_ranks(
    ranks: torch.Tensor, n_gallery: int, ks: Sequence[int] = DEFAULT_KS
) -> RetrievalMetrics:
    """The metrics of ranks with one true item per query, where mean average precision and MRR are one.

    Args:
        ranks: (n_queries,) ranks in [1, n_gallery]; half ranks come from ties.
        n_gallery: Size of the gallery.
        ks: The cut-offs of recall.

    Raises:
        EvaluationError: there are no ranks, one is out of range, or a cut-off is not positive.
    """
    values = ranks.detach().to("cpu", torch.float64).numpy()
    check_ks(ks)
    if values.ndim != 1 or values.size == 0:
        raise EvaluationError("There are no ranks to average.", got=values.shape, expected="(n_queries,)")
    if not bool(np.all((values >= 1) & (values <= n_gallery))):
        raise EvaluationError("A rank lies outside the gallery.", got=f"{values.min()} to {values.max()}",
                              expected=f"1 to {n_gallery}")
    mrr = float(np.mean(1.0 / values))
    return RetrievalMetrics(
        n_queries=int(values.size),
        n_gallery=n_gallery,
        mrr=mrr,
        recall={k: float(np.mean(values <= k)) for k in ks},
        median_rank=float(np.median(values)),
        map=mrr,
    )


def chance_metrics(n_gallery: int, ks: Sequence[int] = DEFAULT_KS) -> ChanceMetrics:
    """Exact expectations for a random order: MRR H_n / n, recall at k k / n, median rank (n + 1) / 2."""
    check_ks(ks)
    if n_gallery < 1:
        raise EvaluationError("Chance needs a gallery.", got=n_gallery, expected="at least 1 item")
    return ChanceMetrics(
        n_gallery=n_gallery,
        mrr=_harmonic(n_gallery) / n_gallery,
        recall={k: min(1.0, k / n_gallery) for k in ks},
        median_rank=(n_gallery + 1) / 2,
    )


def chance_average_precision(n_relevant: int, n_gallery: int) -> float:
    """Expected average precision of a random order, exact: (R-1)/(N-1) + H_N (N-R) / (N (N-1)).

    It follows from E[rel_i] = R/N and E[rel_i rel_j] = R(R-1) / (N(N-1)) for positions i != j.
    """
    if not 1 <= n_relevant <= n_gallery:
        raise EvaluationError("Chance needs a relevant item.", got=f"{n_relevant} of {n_gallery}")
    if n_gallery == 1:
        return 1.0
    found, harmonic = n_relevant - 1, _harmonic(n_gallery)
    return (found + harmonic * (n_gallery - n_relevant) / n_gallery) / (n_gallery - 1)


def check_ks(ks: Sequence[int]) -> None:
    """Raise EvaluationError unless every cut-off is a positive integer, and there is one."""
    if not ks or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in ks):
        raise EvaluationError("Recall cut-offs must be positive integers.", got=tuple(ks))


def _harmonic(n: int) -> float:
    """H_n = 1 + 1/2 + ... + 1/n. The series for large n is exact to float64 (next term: 1 / 120 n^4)."""
    if n < 10_000:
        return math.fsum(1.0 / i for i in range(1, n + 1))
    return math.log(n) + _EULER_GAMMA + 1 / (2 * n) - 1 / (12 * n * n)
