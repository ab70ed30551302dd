"""How much likelier a score is for rows of one item than for unrelated rows: the step from scores to probabilities.

Scores first become normal deviates of unrelated pairs' scores (``ScoreTail``), which are then distributed as N(0, 1),
also beyond what was seen. The density of right pairs there is a kernel estimate, of a width that adds no variance
(Silverman 1986, section 6.4.1). The ratio is made monotone by isotonic regression, which keeps it calibrated on what
it was estimated from (Zadrozny & Elkan 2002).

No number of held-out pairs shows that something never happens. With n right and N unrelated pairs the ratio r becomes
(e + (1 - e) r) / (1 - d + d (e + (1 - e) r)): a right pair may score like an unrelated one with probability
e = 1 / (n + 2) (rule of succession), an unrelated one like a right one with d = 3 / N (the 95 % bound for what never
occurred in N trials). So it stays between about e and 1 / d, however extreme a score is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

import torch

from anybind.errors import UsageError
from anybind.forecasting.ranks import ScoreTail

GRID = torch.linspace(-4, 9, 53, dtype=torch.float64)  # deviates of unrelated pairs' scores
_BANDWIDTH = 1.06  # times deviation n^(-1/5): Silverman's rule for a normal density
_NEVER_SEEN = 3.0  # of N trials: the true rate is below 3 / N in 95 % of cases


@dataclass(frozen=True)
class LikelihoodRatio:
    """From scores to the log ratio of their densities, right pairs over unrelated ones; never decreasing.

    Attributes:
        tail: Of unrelated pairs' scores.
        log_ratios: At each of ``GRID``; in between linear, constant beyond.
        right: How many right pairs were held out.
        wrong: How many unrelated pairs were scored.
    """

    tail: ScoreTail
    log_ratios: tuple[float, ...]
    right: int
    wrong: int

    @classmethod
    def of(cls, right: torch.Tensor, wrong: torch.Tensor, pairs: int) -> LikelihoodRatio:
        """From scores of both kinds.

        Args:
            right: Scores that stand for right pairs, two or more; measured or expected.
            wrong: Scores of unrelated pairs, two or more.
            pairs: How many right pairs they come from.
        """
        tail = ScoreTail.of(wrong)
        rights, unrelated = _density(tail.deviates_of(right.to(torch.float64)), pairs), torch.exp(-(GRID**2) / 2)
        share = isotonic(rights / (rights + unrelated), rights + unrelated)
        ratios = _within_what_was_seen(share / (1 - share).clamp(min=1e-300), pairs, wrong.numel())
        return cls(tail, tuple(ratios.log().tolist()), pairs, wrong.numel())

    @property
    def least_rate(self) -> float:
        """The lowest rate of false matches that the unrelated pairs say anything about."""
        return min(_NEVER_SEEN / self.wrong, 1.0)

    def log_ratio(self, scores: torch.Tensor) -> torch.Tensor:
        """Log density ratios of scores, in their shape, float64."""
        known = torch.tensor(self.log_ratios, dtype=torch.float64)
        place = (self._deviates(scores) - GRID[0]) / (GRID[1] - GRID[0])
        place = place.clamp(0, len(GRID) - 1)
        below = place.floor().long().clamp(max=len(GRID) - 2)
        return torch.lerp(known[below], known[below + 1], place - below)

    def exceeded(self, scores: torch.Tensor) -> torch.Tensor:
        """How often unrelated pairs score above each of these; in their shape, at least ``least_rate``."""
        chances: torch.Tensor = torch.special.ndtr(-self._deviates(scores))
        return chances.clamp(min=self.least_rate)

    def threshold(self, rate: float) -> float:
        """The score that unrelated pairs exceed so often.

        Raises:
            UsageError: the rate is not between ``least_rate`` and 1.
        """
        if not self.least_rate <= rate < 1:
            raise UsageError(
                "the held-out rows tell nothing of so rare false matches" if 0 < rate < 1
                else "a rate of false matches is a fraction of 1",
                got=f"{rate:g}", expected=f"between {self.least_rate:.2g} and 1",
                hint="ask for a higher rate, search fewer items, or fit on more pairs",
            )  # fmt: skip
        deviate = -torch.special.ndtri(torch.tensor(rate, dtype=torch.float64))
        low, high = torch.tensor(-1e3, dtype=torch.float64), torch.tensor(1e3, dtype=torch.float64)
        for _ in range(80):  # deviates_of never decreases
            middle = (low + high) / 2
            below = self._deviates(middle[None])[0] < deviate
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return float(high)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ratios = [round(x, 4) for x in self.log_ratios]
        return {"tail": self.tail.to_dict(), "log_ratios": ratios, "right": self.right, "wrong": self.wrong}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> LikelihoodRatio:
        """Back from ``to_dict``; raises ValueError for what it cannot have given."""
        ratios = tuple(known["log_ratios"])
        ordered = all(low <= high for low, high in pairwise(ratios))
        if len(ratios) != len(GRID) or not ordered or not all(map(isfinite, ratios)) or known["wrong"] < 1:
            raise ValueError(f"log_ratios must be {len(GRID)} numbers in ascending order, of some unrelated pairs")
        return cls(ScoreTail.from_dict(known["tail"]), ratios, known["right"], known["wrong"])

    def _deviates(self, scores: torch.Tensor) -> torch.Tensor:
        flat = scores.to(torch.float64).flatten().contiguous()
        return self.tail.deviates_of(flat).reshape(scores.shape)


def isotonic(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The closest never decreasing values, by weighted squares: neighbours that violate the order are pooled.

    Args:
        values: (n,) float64.
        weights: (n,), above 0.

    Source: pool adjacent violators (Ayer et al. 1955).
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (high, w, n), (low, v, m) = pools[-2:]
            pools[-2:] = [((high * w + low * v) / (w + v), w + v, n + m)]
    return torch.tensor([value for value, _, count in pools for _ in range(count)], dtype=torch.float64)


def _density(deviates: torch.Tensor, pairs: int) -> torch.Tensor:
    """Kernel density on ``GRID``, times the root of 2 pi, with the sample's own mean and variance."""
    mean, deviation = deviates.mean(), deviates.std().clamp(min=1e-6)
    width = float((_BANDWIDTH * deviation * pairs**-0.2).clamp(min=float(GRID[1] - GRID[0])))
    drawn_in = (1 - (width / deviation) ** 2).clamp(min=0).sqrt()
    centres = mean + drawn_in * (deviates - mean)
    density: torch.Tensor = torch.exp(-(((GRID[:, None] - centres) / width) ** 2) / 2).mean(1) / width
    return density


def _within_what_was_seen(ratios: torch.Tensor, right: int, wrong: int) -> torch.Tensor:
    lapse, stray = 1 / (right + 2), min(_NEVER_SEEN / wrong, 1.0)
    raised = lapse + (1 - lapse) * ratios
    return raised / (1 - stray + stray * raised)
