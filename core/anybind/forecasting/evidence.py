"""What held-out folds show about a pair of spaces: the numbers that a forecast is calculated from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, stdev

import torch

from anybind.forecasting.composing import composed_separation
from anybind.forecasting.held_out import HeldOutFold, Pair, Route
from anybind.forecasting.identification import open_separation
from anybind.forecasting.ranks import OwnRanks, ScoreTail, beaten_share, standardised

_KEPT_WRONG = 20000  # wrong scores per fold and direction that go into the tail


@dataclass(frozen=True)
class HopEvidence:
    """Held-out pairs of a hop.

    Attributes:
        right: (n,) standardised scores of right pairs, both directions.
        shares: (n,) shares of a query's own wrong items that score above the right one.
        wrong: Standardised scores of wrong pairs.
        pairs: How many pairs were held out in all.
    """

    right: torch.Tensor
    shares: torch.Tensor
    wrong: torch.Tensor
    pairs: int

    @property
    def separation(self) -> float:
        """Mean score of right pairs, in standard deviations of wrong ones'."""
        return float(self.right.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of right pairs' scores."""
        return float(self.right.std())


@dataclass(frozen=True)
class BridgeEvidence:
    """A bridge on held-out rows.

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
        """A hop's in either order."""
        return self.hops.get((a, b)) or self.hops.get((b, a))


def gather(folds: Iterable[HeldOutFold], routes: Sequence[Route]) -> Evidence:
    """The evidence for some routes; a route of two spaces is a hop, and the hops of longer ones are looked at too.

    What no fold holds two pairs of is left out.
    """
    hops = list(dict.fromkeys(hop for route in routes for hop in pairwise(route)))
    bridges = list(dict.fromkeys(route for route in routes if len(route) > 2))
    by_hop: dict[Pair, list[HopEvidence]] = {hop: [] for hop in hops}
    by_bridge: dict[Route, list[tuple[float, float, torch.Tensor]]] = {route: [] for route in bridges}
    for fold in folds:
        for hop in hops:
            by_hop[hop] += _hop(fold, hop)
        for route in bridges:
            by_bridge[route] += _bridge(fold, route)
    found = Evidence()
    found.hops |= {hop: _pooled(parts) for hop, parts in by_hop.items() if parts}
    found.bridges |= {route: _averaged(parts) for route, parts in by_bridge.items() if len(parts) > 1}
    return found


def own_ranks(hop: HopEvidence) -> OwnRanks:
    """How a hop's queries' own ranks differ from those that all queries' wrong items give."""
    return OwnRanks.of(ScoreTail.of(hop.wrong).deviates_of(hop.right), hop.shares)


def _hop(fold: HeldOutFold, hop: Pair) -> list[HopEvidence]:
    found = fold.hop(*hop)
    if found is None or min(found.forward.shape[1], found.backward.shape[1]) < 4:
        return []
    parts = [standardised(table) for table in (found.forward, found.backward)]
    right, wrong = (torch.cat([part[side] for part in parts]) for side in (0, 1))
    shares = torch.cat([beaten_share(table) for table in (found.forward, found.backward)])
    return [HopEvidence(right, shares, _thinned(wrong), len(found.forward))]


def _bridge(fold: HeldOutFold, route: Route) -> list[tuple[float, float, torch.Tensor]]:
    found = fold.bridge(route)
    if found is None or min(found.scores.shape) < 4:
        return []
    composed = composed_separation(found.scores, found.pivots)
    reach = open_separation(found.scores, found.pivots[0].before, found.pivots[-1].after)
    wrong = []
    for table in (found.scores.to(torch.float64), found.scores.T.to(torch.float64)):
        wrong.append(((table - table.mean(1, keepdim=True)) / table.std(1, keepdim=True).clamp(min=1e-12)).flatten())
    return [(composed, reach, _thinned(torch.cat(wrong)))]


def _pooled(parts: Sequence[HopEvidence]) -> HopEvidence:
    right, shares, wrong = (torch.cat([getattr(part, what) for part in parts]) for what in ("right", "shares", "wrong"))
    return HopEvidence(right, shares, wrong, sum(part.pairs for part in parts))


def _averaged(parts: Sequence[tuple[float, float, torch.Tensor]]) -> BridgeEvidence:
    composed = [part[0] for part in parts]
    error = stdev(composed) / len(parts) ** 0.5
    return BridgeEvidence(fmean(composed), error, fmean(part[1] for part in parts), torch.cat([p[2] for p in parts]))


def _thinned(wrong: torch.Tensor) -> torch.Tensor:
    return wrong[:: max(1, len(wrong) // _KEPT_WRONG)]
