"""What held-out folds show about a pair of spaces: the numbers that a forecast is calculated from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

import torch

from anybind.forecasting.composing import composed_separation
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
        round_trips: Separations when the first space is bridged to itself over the second, and the other way round.
    """

    right: torch.Tensor
    shares: torch.Tensor
    wrong: torch.Tensor
    pairs: int
    others: float
    gain: float
    spread_gain: float
    error: float
    round_trips: tuple[float, float]

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

    def turned(self) -> HopEvidence:
        """That of the same hop with its spaces in the other order."""
        return replace(self, round_trips=self.round_trips[::-1])


@dataclass(frozen=True)
class BridgeEvidence:
    """A bridge on held-out rows, of fits without two folds.

    Attributes:
        composed: Separation if its ends are independent given its pivots' vectors, mean over folds.
        error: Standard error of that, from the folds.
        reach: How far from it the separation may lie when nothing is assumed.
        wrong: Standardised scores of its ends' rows, which are all of different items.
    """

    composed: float
    error: float
    reach: float
    wrong: torch.Tensor


@dataclass
class Evidence:
    """What all folds show, for some routes and their hops."""

    hops: dict[Pair, HopEvidence] = field(default_factory=dict)
    bridges: dict[Route, BridgeEvidence] = field(default_factory=dict)

    def of_hop(self, a: str, b: str) -> HopEvidence | None:
        """A hop's, from a to b, whichever way it was looked at."""
        turned = self.hops.get((b, a))
        return self.hops.get((a, b)) or (turned.turned() if turned else None)


def gather(folds: Iterable[HeldOutFold], routes: Sequence[Route]) -> Evidence:
    """The evidence for some routes; a route of two spaces is a hop, and the hops of longer ones are looked at too.

    What fewer than two folds hold four pairs of is left out.
    """
    hops = list(dict.fromkeys(hop for route in routes for hop in pairwise(route)))
    bridges = list(dict.fromkeys(route for route in routes if len(route) > 2))
    by_hop: dict[Pair, list[HopPart]] = {hop: [] for hop in hops}
    by_bridge: dict[Route, list[_BridgePart]] = {route: [] for route in bridges}
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


@dataclass(frozen=True)
class _BridgePart:
    composed: float
    reach: float
    wrong: torch.Tensor


def _bridge_part(fold: HeldOutFold, route: Route) -> list[_BridgePart]:
    tables = [] if fold.further is None else fold.further.crossed(route)
    tables = [each for each in tables if min(each.scores.shape) >= 4]
    if not tables:
        return []
    composed = fmean(composed_separation(each.scores, each.pivots) for each in tables)
    first = tables[0]
    reach = open_separation(first.scores, first.pivots[0].before, first.pivots[-1].after)
    wrong = []
    for each in tables:
        for table in (each.scores.to(torch.float64), each.scores.T.to(torch.float64)):
            deviation = table.std(1, keepdim=True).clamp(min=1e-12)
            wrong.append(((table - table.mean(1, keepdim=True)) / deviation).flatten())
    return [_BridgePart(composed, reach, _thinned(torch.cat(wrong)))]


def _pooled(parts: Sequence[HopPart]) -> HopEvidence:
    right, shares, wrong = (torch.cat([getattr(part, what) for part in parts]) for what in ("right", "shares", "wrong"))
    others, gain, wider = (fmean(getattr(part, what) for part in parts) for what in ("others", "gain", "spread_gain"))
    pairs = sum(part.pairs for part in parts)
    by_fold = stdev(float(part.right.mean()) + (1 + REST) * part.gain for part in parts) / sqrt(len(parts))
    by_pair = float(right.std()) / sqrt(pairs)
    # few folds tell their scatter badly; pairs, where some are of one family, tell less than so many of their own
    error = sqrt((by_fold**2 + by_pair**2) / 2)
    trips = fmean(p.round_trips[0] for p in parts), fmean(p.round_trips[1] for p in parts)
    return HopEvidence(right, shares, _thinned(wrong, len(parts)), pairs, others, gain, wider, error, trips)


def _averaged(parts: Sequence[_BridgePart]) -> BridgeEvidence:
    composed = [part.composed for part in parts]
    # every fold is in two of the parts
    error = stdev(composed) / sqrt(len(parts) / 2)
    wrong = torch.cat([part.wrong for part in parts])
    return BridgeEvidence(fmean(composed), error, fmean(part.reach for part in parts), wrong)


def _thinned(wrong: torch.Tensor, times: int = 1) -> torch.Tensor:
    return wrong[:: max(1, len(wrong) // (times * _KEPT_WRONG))]
