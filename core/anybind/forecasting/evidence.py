"""What held-out folds show about a pair of spaces: the numbers that a forecast is calculated from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

import torch

from anybind.forecasting.composing import Estimate, composed_separation
from anybind.forecasting.held_out import HeldOutFold, Pair, Route
from anybind.forecasting.identification import open_separation
from anybind.forecasting.ranks import OwnRanks, ScoreTail
from anybind.forecasting.unseen import HopPart, hop_part

# What the last fifth of the rows adds, as a share of what the fifth before it added: 0.6 if what is missing goes as
# 1 / n, 0.78 if it goes as -log n.
REST = 0.7
_KEPT_WRONG = 20000  # wrong scores per fold and direction that go into the tail


@dataclass(frozen=True)
class HopEvidence:
    """Held-out pairs of a hop, of fits without two folds.

    Attributes:
        right: (n,) standardised scores of right pairs, both directions.
        shares: (n,) shares of a query's own wrong items that score above the right one.
        wrong: Standardised scores of wrong pairs.
        pairs: How many pairs were held out in all.
        others: Wrong items that a query was scored with, on average.
        gain: By how much the separation grows when one of the two folds is fitted on.
        spread_gain: By how much the spread does.
        error: Standard error of ``separation``.
    """

    right: torch.Tensor
    shares: torch.Tensor
    wrong: torch.Tensor
    pairs: int
    others: float
    gain: float
    spread_gain: float
    error: float

    @property
    def measured(self) -> float:
        """Mean score of right pairs, in standard deviations of wrong ones', of fits without two folds."""
        return float(self.right.mean())

    @property
    def separation(self) -> float:
        """The same for the fit of all rows."""
        return self.measured + (1 + REST) * self.gain

    @property
    def spread(self) -> float:
        """Standard deviation of right pairs' scores, for the fit of all rows."""
        variance, mean_square = float(self.right.var()), float(self.right.square().mean())
        # what the few wrong items, by whose mean and deviation a score is standardised, add
        added = (1 + mean_square / 2) / self.others
        return max(sqrt(max(variance - added, variance / 4)) + (1 + REST) * self.spread_gain, sqrt(variance) / 2)


@dataclass(frozen=True)
class BridgeEvidence:
    """A bridge on held-out rows, of fits without two folds.

    Attributes:
        composed: Separation if its ends are independent given its pivots' vectors, mean over folds.
        trips: For each pivot, the same of a bridge from the space before it to the pivot and back, and from the space
            after it.
        reach: How far from it the separation may lie when nothing is assumed.
    """

    composed: Estimate
    trips: tuple[tuple[Estimate, Estimate], ...]
    reach: float


@dataclass
class Evidence:
    """What all folds show, for some routes and their hops."""

    hops: dict[Pair, HopEvidence] = field(default_factory=dict)
    bridges: dict[Route, BridgeEvidence] = field(default_factory=dict)

    def of_hop(self, a: str, b: str) -> HopEvidence | None:
        """A hop's, whichever way it was looked at."""
        return self.hops.get((a, b)) or self.hops.get((b, a))


def gather(folds: Iterable[HeldOutFold], routes: Sequence[Route]) -> Evidence:
    """The evidence for some routes; a route of two spaces is a hop, and the hops of longer ones are looked at too.

    What fewer than two folds hold four pairs of is left out.
    """
    hops = list(dict.fromkeys(hop for route in routes for hop in pairwise(route)))
    bridges = list(dict.fromkeys(route for route in routes if len(route) > 2))
    by_hop: dict[Pair, list[HopPart]] = {hop: [] for hop in hops}
    by_bridge: dict[Route, list[BridgeEvidence]] = {route: [] for route in bridges}
    for fold in folds:
        for hop in hops:
            by_hop[hop] += hop_part(fold, hop)
        for route in bridges:
            by_bridge[route] += _bridge_part(fold, route)
    found = Evidence()
    found.hops |= {hop: _pooled(parts) for hop, parts in by_hop.items() if len(parts) > 1}
    found.bridges |= {route: _averaged(parts) for route, parts in by_bridge.items() if len(parts) > 1}
    return found


def own_ranks(hop: HopEvidence) -> OwnRanks:
    """How a hop's queries' own ranks differ from those that all queries' wrong items give."""
    return OwnRanks.of(ScoreTail.of(hop.wrong).deviates_of(hop.right), hop.shares, hop.others)


def _bridge_part(fold: HeldOutFold, route: Route) -> list[BridgeEvidence]:
    """What one fold shows of a bridge; empty where it holds too few rows of a hop."""
    further = fold.further
    tables = [] if further is None else further.crossed(route)
    tables = [each for each in tables if min(each.scores.shape) >= 4]
    trips = [] if further is None else [_trips(further, route[i : i + 3]) for i in range(len(route) - 2)]
    found = tuple(each for each in trips if each is not None)
    if not tables or len(found) < len(route) - 2:
        return []
    # every row is in one of the two, and in one of another part: this is worth one of as many as there are parts
    composed = Estimate.mean([composed_separation(each.scores, each.pivots) for each in tables], 1)
    first = tables[0]
    reach = open_separation(first.scores, first.pivots[0].before, first.pivots[-1].after)
    return [BridgeEvidence(composed, found, reach)]


def _trips(fold: HeldOutFold, around: Route) -> tuple[Estimate, Estimate] | None:
    """Over a pivot, from either of its neighbours and back."""
    before, after = (fold.round_trip(around, end) for end in (0, 1))
    if before is None or after is None:
        return None
    return composed_separation(before.scores, before.pivots), composed_separation(after.scores, after.pivots)


def _pooled(parts: Sequence[HopPart]) -> HopEvidence:
    right, shares, wrong = (torch.cat([getattr(part, what) for part in parts]) for what in ("right", "shares", "wrong"))
    others, gain, wider = (fmean(getattr(part, what) for part in parts) for what in ("others", "gain", "spread_gain"))
    pairs = sum(part.pairs for part in parts)
    by_fold = stdev(float(part.right.mean()) + (1 + REST) * part.gain for part in parts) / sqrt(len(parts))
    by_pair = float(right.std()) / sqrt(pairs)
    # few folds tell their scatter badly; pairs, where some are of one family, tell less than so many of their own
    error = sqrt((by_fold**2 + by_pair**2) / 2)
    return HopEvidence(right, shares, _thinned(wrong, len(parts)), pairs, others, gain, wider, error)


def _averaged(parts: Sequence[BridgeEvidence]) -> BridgeEvidence:
    composed = Estimate.mean([part.composed for part in parts], len(parts))
    # the rows of every fold are in two of the round trips
    trips = tuple(
        (Estimate.mean([before for before, _ in pivot], len(parts) / 2),
         Estimate.mean([after for _, after in pivot], len(parts) / 2))
        for pivot in zip(*(part.trips for part in parts), strict=True)
    )  # fmt: skip
    return BridgeEvidence(composed, trips, fmean(part.reach for part in parts))


def _thinned(wrong: torch.Tensor, times: int) -> torch.Tensor:
    return wrong[:: max(1, len(wrong) // (times * _KEPT_WRONG))]
