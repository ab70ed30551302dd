"""From scores to what a gallery of any size gives.

Everything follows from one number per query: p, the chance that a wrong item scores above the right one. In a
gallery of N items the rank is 1 + Binomial(N - 1, p), so ::

    E[1 / rank] = (1 - (1 - p)^N) / (N p)          P(rank <= k) = P(Binomial(N - 1, p) < k)

Ranks among more items than were scored are reached by the tail of the wrong items' scores, ``ScoreTail``: within
what was seen it is their empirical distribution, beyond that a normal one that goes on at the same slope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

_POINTS = 65
_SMALLEST = 1e-15
_FEWEST = 1e-9  # share of wrong items above or below the right one
_RESOLVED = 1.5  # wrong items above a right one, from which on their number tells a share


def mean_reciprocal_rank(beaten: torch.Tensor, gallery: int) -> float:
    """Expected mean reciprocal rank.

    Args:
        beaten: (n,) chances in [0, 1] that a wrong item scores above the right one, one per query.
        gallery: Items in the gallery, the right one among them; at least 1.
    """
    p = _clamped(beaten)
    return float((-torch.expm1(gallery * torch.log1p(-p)) / (gallery * p)).mean())


def recall_at(beaten: torch.Tensor, gallery: int, k: int) -> float:
    """Expected share of queries whose right item has rank k or better; args as ``mean_reciprocal_rank``."""
    if k >= gallery:
        return 1.0
    p, count = _clamped(beaten), torch.arange(k, dtype=torch.float64)
    others = torch.tensor(float(gallery - 1), dtype=torch.float64)
    choose = torch.lgamma(others + 1) - torch.lgamma(count + 1) - torch.lgamma(others - count + 1)
    log_mass = choose + count * p.log()[:, None] + (others - count) * torch.log1p(-p)[:, None]
    return float(log_mass.exp().sum(1).clamp(0, 1).mean())


@dataclass(frozen=True)
class ScoreTail:
    """How wrong items' standardised scores are distributed: what a normal deviate corresponds to.

    Attributes:
        deviates: Normal deviates, ascending.
        scores: The scores at the same quantiles, ascending.
    """

    deviates: tuple[float, ...]
    scores: tuple[float, ...]

    @classmethod
    def of(cls, wrong: torch.Tensor) -> ScoreTail:
        """The distribution of (n,) scores, n at least 2."""
        ordered = wrong.to(torch.float64).flatten().sort().values
        n = len(ordered)
        reach = float(torch.special.ndtri(torch.tensor(1 - 2.5 / (n + 5), dtype=torch.float64)))
        deviates = torch.linspace(-reach, reach, _POINTS, dtype=torch.float64)
        place = (torch.special.ndtr(deviates) * n - 0.5).clamp(0, n - 1)
        below = place.floor().long().clamp(max=n - 2)
        scores = torch.lerp(ordered[below], ordered[below + 1], place - below)
        return cls(tuple(deviates.tolist()), tuple(scores.tolist()))

    def beaten(self, scores: torch.Tensor) -> torch.Tensor:
        """(n,) chances that a wrong item scores above each of (n,) scores."""
        chances: torch.Tensor = torch.special.ndtr(-self.deviates_of(scores))
        return chances

    def deviates_of(self, scores: torch.Tensor) -> torch.Tensor:
        """(n,) normal deviates that are exceeded as often as (n,) scores."""
        known, deviates = (torch.tensor(part, dtype=torch.float64) for part in (self.scores, self.deviates))
        # wide segments: the slope beyond the ends must not hang on the two most extreme scores
        edge = _POINTS // 8
        place = torch.searchsorted(known, scores.to(torch.float64)).clamp(1, len(known) - 1)
        low, high = place - 1, place
        low = torch.where(scores > known[-1], len(known) - 1 - edge, low)
        high = torch.where(scores > known[-1], len(known) - 1, high)
        low, high = torch.where(scores < known[0], 0, low), torch.where(scores < known[0], edge, high)
        step = (known[high] - known[low]).clamp(min=1e-12)
        outside = (scores > known[-1]) | (scores < known[0])
        share = (scores - known[high]) / step
        share = torch.where(outside, share, share.clamp(-1, 0))
        exceeded: torch.Tensor = deviates[high] + share * (deviates[high] - deviates[low])
        return exceeded

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"deviates": [round(d, 6) for d in self.deviates], "scores": [round(s, 6) for s in self.scores]}

    @classmethod
    def from_dict(cls, known: Mapping[str, Sequence[float]]) -> ScoreTail:
        """Back from ``to_dict``."""
        return cls(tuple(known["deviates"]), tuple(known["scores"]))


def standardised(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of right and of wrong items in standard deviations of their query's wrong items.

    Args:
        scores: (n, n), the right item of query i in column i; n at least 4.

    Returns:
        (n,) of the right items and (n * (n - 1),) of the wrong ones.
    """
    right, wrong = right_and_wrong(scores)
    mean, deviation = wrong.mean(1, keepdim=True), wrong.std(1, keepdim=True).clamp(min=1e-12)
    return unbiased((right - mean) / deviation, wrong.shape[1])[:, 0], ((wrong - mean) / deviation).flatten()


def right_and_wrong(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 1) of the diagonal and (n, n - 1) of all else, float64, of an (n, n) table."""
    table = scores.to(torch.float64)
    n = len(table)
    return table.diagonal()[:, None], table[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)


def unbiased(standard: torch.Tensor, count: int) -> torch.Tensor:
    """Scores divided by the standard deviation of few others, of which the inverse is too large on average (Hedges)."""
    return standard * (1 - 3 / (4 * (count - 1) - 1))


@dataclass(frozen=True)
class OwnRanks:
    """By how much a query's own wrong items are easier to beat than all queries' together.

    Queries differ in how their wrong items' scores are distributed, and ranks depend on a query's own.

    Attributes:
        gains: What is added to the normal deviate that ``ScoreTail`` gives, at each of ``GRID``.
    """

    gains: tuple[float, ...]

    @classmethod
    def of(cls, pooled: torch.Tensor, shares: torch.Tensor, others: float) -> OwnRanks:
        """The map that turns the distribution of one into the other's, as far as so many wrong items show it.

        Args:
            pooled: (n,) deviates of right scores among all wrong ones.
            shares: (n,) shares of their own query's wrong items that score above them.
            others: How many wrong items a query was scored with.
        """
        own = -torch.special.ndtri(shares.to(torch.float64).clamp(_FEWEST, 1 - _FEWEST))
        at, goal = (torch.tensor(quantiles(values), dtype=torch.float64) for values in (pooled, own))
        reach = -torch.special.ndtri(torch.tensor(min(_RESOLVED / others, 0.5), dtype=torch.float64))
        # an item that nothing beats says only that its deviate is no less: beyond, the gain stays as it was
        known = goal.abs() <= reach
        if int(known.sum()) < 2:
            return cls(tuple([0.0] * len(GRID)))
        return cls(tuple(_interpolated(GRID, at[known], (goal - at)[known]).tolist()))

    @classmethod
    def mean(cls, several: Sequence[OwnRanks]) -> OwnRanks:
        """Their mean, gain by gain."""
        return cls(tuple(sum(values) / len(values) for values in zip(*(each.gains for each in several), strict=True)))

    def scaled(self, share: float) -> OwnRanks:
        """So much of every gain."""
        return OwnRanks(tuple(share * gain for gain in self.gains))

    def applied(self, pooled: torch.Tensor) -> torch.Tensor:
        """(n,) deviates among a query's own wrong items, from those among all; never in another order."""
        gains = _interpolated(pooled, GRID, torch.tensor(self.gains, dtype=torch.float64))
        return torch.cummax((pooled + gains).sort().values, 0).values


GRID = torch.linspace(-3, 6, 37, dtype=torch.float64)


def _interpolated(at: torch.Tensor, known: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Piecewise linear through ascending points, constant beyond them."""
    high = torch.searchsorted(known, at).clamp(1, len(known) - 1)
    step = (known[high] - known[high - 1]).clamp(min=1e-12)
    share = ((at - known[high - 1]) / step).clamp(0, 1)
    return torch.lerp(values[high - 1], values[high], share)


def quantiles(values: torch.Tensor, count: int = 129) -> tuple[float, ...]:
    """The values at (2 i + 1) / (2 count): so many equally likely ones that stand for all."""
    at = (2 * torch.arange(count, dtype=torch.float64) + 1) / (2 * count)
    return tuple(torch.quantile(values.to(torch.float64), at).tolist())


def _clamped(beaten: torch.Tensor) -> torch.Tensor:
    return beaten.to(torch.float64).clamp(_SMALLEST, 1 - _SMALLEST)
