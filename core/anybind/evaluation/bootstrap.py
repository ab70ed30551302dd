"""Intervals: the bootstrap over test items, and Student's t over splits or seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from anybind.errors import EvaluationError, ShapeError

_DRAWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Difference:
    """A mean paired difference.

    Attributes:
        mean: Mean of a - b over the runs.
        interval: Its confidence interval (low, high).
        n: Number of paired runs.
        confidence: The interval's level, a fraction of 1.
    """

    mean: float
    interval: tuple[float, float]
    n: int
    confidence: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain JSON values."""
        interval = list(self.interval)
        return {"mean": self.mean, "interval": interval, "n": self.n, "confidence": self.confidence}


def bootstrap_intervals(
    values: torch.Tensor, *, n_boot: int = 1000, seed: int = 0, confidence: float = 0.95
) -> list[tuple[float, float]]:
    """Percentile bootstrap intervals of column means; rows are the items that are drawn with replacement.

    All columns of an item are drawn together, so metrics and directions stay paired.

    Args:
        values: (n_items, n_metrics) finite.
        n_boot: Number of resamples, at least 1.
        seed: Seeds the resampling.
        confidence: Level of the intervals, between 0 and 1.

    Returns:
        (low, high) per column.

    Raises:
        ShapeError: values is not a matrix with rows.
        EvaluationError: a value is not finite, or n_boot, seed or confidence is out of range.
    """
    table = values.detach().to("cpu", torch.float64).numpy()
    if table.ndim != 2 or table.size == 0:
        raise ShapeError("The bootstrap needs items.", got=table.shape, expected="(n_items, n_metrics)")
    if not bool(np.isfinite(table).all()):
        raise EvaluationError("The bootstrap needs finite values.")
    check_resampling(n_boot, seed, confidence)
    generator = np.random.default_rng(seed)
    n_items, batch = len(table), max(1, _DRAWS_AT_ONCE // len(table))
    means = np.concatenate([
        table[generator.integers(0, n_items, (min(batch, n_boot - start), n_items))].mean(axis=1)
        for start in range(0, n_boot, batch)
    ])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def paired_difference(a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95) -> Difference:
    """Mean of a - b over runs of two methods on the same splits or seeds, with Student's t interval.

    Args:
        a: One number per run, for example the MRR of each split.
        b: The same runs, in the same order, of the other method.
        confidence: Level of the interval, between 0 and 1.

    Raises:
        ShapeError: the runs are not as many.
        EvaluationError: fewer than two runs, or a number that is not finite.
    """
    _check_confidence(confidence)
    if len(a) != len(b):
        raise ShapeError("Paired runs must be as many for both.", got=f"{len(a)} and {len(b)}")
    n = len(a)
    if n < 2:
        raise EvaluationError("An interval over runs needs at least two.", got=n, hint="Use more splits.")
    differences = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    if not all(math.isfinite(difference) for difference in differences):
        raise EvaluationError("A run's number is not finite.", got=differences)
    mean = math.fsum(differences) / n
    variance = math.fsum((difference - mean) ** 2 for difference in differences) / (n - 1)
    margin = student_t_quantile(0.5 + confidence / 2, n - 1) * math.sqrt(variance / n)
    return Difference(mean, (mean - margin, mean + margin), n, confidence)


def check_resampling(n_boot: int, seed: int, confidence: float) -> None:
    """Raise EvaluationError unless the bootstrap can be drawn with these."""
    if n_boot < 1:
        raise EvaluationError("The bootstrap needs resamples.", got=n_boot, expected="n_boot of at least 1")
    if seed < 0:
        raise EvaluationError("A seed cannot be negative.", got=seed)
    _check_confidence(confidence)


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise EvaluationError("A confidence level lies between 0 and 1.", got=confidence)


def student_t_quantile(probability: float, df: float) -> float:
    """The t with P(T <= t) = probability, for df >= 1 degrees of freedom, by bisection.

    Relative error below 1e-8 for probabilities between 1e-6 and 1 - 1e-6.
    """
    if not 0.0 < probability < 1.0 or not 1.0 <= df < math.inf:
        raise EvaluationError("A t quantile needs a probability in (0, 1) and df of at least 1.",
                              got=(probability, df))
    if probability == 0.5:
        return 0.0
    two_sided = 2 * min(probability, 1 - probability)
    low, high = 0.0, 1.0
    while _two_sided_tail(high, df) > two_sided:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _two_sided_tail(middle, df) > two_sided else (low, middle)
    return math.copysign((low + high) / 2, probability - 0.5)


def _two_sided_tail(t: float, df: float) -> float:
    """P(|T| > t) = I_x(df/2, 1/2) with x = df / (df + t^2) (Abramowitz & Stegun 26.7.1 and 26.5.2)."""
    x = df / (df + t * t)
    if x < (df / 2 + 1) / (df / 2 + 2.5):
        return _incomplete_beta(x, df / 2, 0.5)
    return 1 - _incomplete_beta(t * t / (df + t * t), 0.5, df / 2)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised I_x(a, b) for x < (a+1)/(a+b+2): the continued fraction of A&S 26.5.8, from the front."""
    if x == 0.0:
        return 0.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # P_i and Q_i of the convergents P_i / Q_i obey one recurrence; dividing both by Q_i keeps them in range.
    p_before, p, q_before = 1.0, 1.0, 0.0
    for i in range(1, 10_000):
        m = i // 2
        if i % 2 == 0:
            term = m * (b - m) * x / ((a + i - 1) * (a + i))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + i - 1) * (a + i))
        p_next, q_next = p + term * p_before, 1.0 + term * q_before
        p_before, q_before, previous, p = p / q_next, 1.0 / q_next, p, p_next / q_next
        if abs(p - previous) <= 1e-16 * abs(p):
            break
    return math.exp(log_front) / (a * p)
