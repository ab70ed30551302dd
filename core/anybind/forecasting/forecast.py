"""Forecasts: what retrieval to expect between two spaces, from held-out rows of the data sets that exist.

``forecast_basis`` looks at a fitted method and its data once; what it returns is small and plain, and tells the
forecast for any pair and any size of gallery later, without data. Two ranges are given, never to be mixed up: the
*identification range*, which assumes nothing about what joins two spaces that no row holds together, and is usually
wide; and the 90 % *predictive interval* around the centre, under the model of ``anybind.forecasting.calibration``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch

from anybind.errors import NoPathError, UsageError
from anybind.fit_data import FitData
from anybind.forecasting.calibration import Expected, expected_bridged, expected_direct, likeness, sampling_error
from anybind.forecasting.evidence import BridgeEvidence, Evidence, HopEvidence, gather, own_ranks
from anybind.forecasting.held_out import Pair, Route, held_out_folds
from anybind.forecasting.held_out_scores import HeldOutScores
from anybind.forecasting.ranks import OwnRanks, ScoreTail, mean_reciprocal_rank, quantiles, recall_at
from anybind.forecasting.same_item import SameItem
from anybind.retrieval_metrics import chance_metrics

DIRECT = "held-out pairs of these two spaces; items to come are like those of the data sets"
BRIDGED = (
    "what joins the two spaces is what the pivots show, up to the noise of their vectors, which are about as noisy as "
    "those of the spaces they join; items to come are like those of the data sets"
)
KS = (1, 5, 10)


@dataclass(frozen=True)
class Forecast:
    """What to expect of retrieval between two spaces, as a mean of both directions; fractions of 1.

    Attributes:
        pair: The spaces.
        gallery: Items in the gallery, the right one among them.
        mrr: Mean reciprocal rank, the centre of its interval's model.
        recall: k -> share of queries whose right item has rank k or better.
        mrr_interval: 90 % predictive interval under the stated model, for what a test of ``queries`` queries will show.
        identification: Range of the MRR that the data sets allow when nothing is assumed of what joins the two.
        chance: MRR of a random order.
        path: The spaces that join the two, themselves included.
        direct: Whether rows hold both spaces, so that nothing but sampling is uncertain.
        assumptions: What the centre and its interval rest on.
        queries: Of the test whose result the interval is for.
    """

    pair: Pair
    gallery: int
    mrr: float
    recall: Mapping[int, float]
    mrr_interval: tuple[float, float]
    identification: tuple[float, float]
    chance: float
    path: Route
    direct: bool
    assumptions: str
    queries: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; recall keys are strings."""
        known = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return known | {"recall": {str(k): share for k, share in self.recall.items()}}


@dataclass(frozen=True)
class PairBasis:
    """All that forecasts of one pair are calculated from; a few hundred numbers.

    Attributes:
        pair, path, direct: As of ``Forecast``.
        expected: Of right pairs' standardised scores.
        open: The range of their mean when nothing is assumed.
        shape: Equally likely values of (score - mean) / spread of right pairs, ascending.
        tail: Of wrong pairs' standardised scores.
        own: From ranks among all queries' wrong items to those among a query's own.
        others: Wrong items that a query was scored with.
        pairs: Held out, of the hop that has fewest.
        same_item: From scores to the probability of being the same item, if it is known.
    """

    pair: Pair
    path: Route
    direct: bool
    expected: Expected
    open: tuple[float, float]
    shape: tuple[float, ...]
    tail: ScoreTail
    own: OwnRanks
    others: float
    pairs: int
    same_item: SameItem | None = None

    def forecast(self, gallery: int, ks: Sequence[int] = KS, queries: int | None = None) -> Forecast:
        """As ``Basis.forecast``."""
        if isinstance(gallery, bool) or not isinstance(gallery, int) or gallery < 2:
            raise UsageError("a gallery has a whole number of items", got=repr(gallery), expected="2 or more")
        queries = gallery if queries is None else queries
        if isinstance(queries, bool) or not isinstance(queries, int) or queries < 1:
            raise UsageError("a test has a whole number of queries", got=repr(queries), expected="1 or more")
        least, most = self.expected.tested(gallery, self.others, queries)
        low, centre, high = (
            mean_reciprocal_rank(self._beaten(at), gallery) for at in (least, self.expected.separation, most)
        )
        # where nearly all are found, it is a few queries that decide, whatever the mean of their scores
        sampled = sampling_error(centre, self.pairs, queries)
        low, high = max(min(low, centre - sampled), 0.0), min(max(high, centre + sampled), 1.0)
        widest = tuple(mean_reciprocal_rank(self._beaten(at), gallery) for at in self.open)
        beaten = self._beaten(self.expected.separation)
        return Forecast(
            pair=self.pair, gallery=gallery, mrr=centre,
            recall={k: recall_at(beaten, gallery, k) for k in ks},
            mrr_interval=(low, high),
            identification=(low, high) if self.direct else (min(low, widest[0]), max(high, widest[1])),
            chance=chance_metrics(gallery, ks).mrr,
            path=self.path, direct=self.direct, assumptions=DIRECT if self.direct else BRIDGED,
            queries=queries,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "pair": list(self.pair), "path": list(self.path), "direct": self.direct, "open": list(self.open),
            "expected": asdict(self.expected), "shape": [round(x, 6) for x in self.shape], "tail": self.tail.to_dict(),
            "own": [round(x, 6) for x in self.own.gains], "others": self.others,
            "pairs": self.pairs,
            "same_item": None if self.same_item is None else self.same_item.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> PairBasis:
        """Back from ``to_dict``."""
        (a, b), (low, high) = known["pair"], known["open"]
        tail, own = ScoreTail.from_dict(known["tail"]), OwnRanks(tuple(known["own"]))
        expected, path, shape = Expected(**known["expected"]), tuple(known["path"]), tuple(known["shape"])
        same_item = None if known.get("same_item") is None else SameItem.from_dict(known["same_item"])
        seen = known["others"], known["pairs"]
        return cls((a, b), path, known["direct"], expected, (low, high), shape, tail, own, *seen, same_item)

    def _beaten(self, separation: float) -> torch.Tensor:
        """Chances that a wrong item scores above the right one, with right scores around a mean."""
        shape = torch.tensor(self.shape, dtype=torch.float64)
        pooled = self.tail.deviates_of(separation + self.expected.spread * shape)
        beaten: torch.Tensor = torch.special.ndtr(-self.own.applied(pooled))
        return beaten


@dataclass(frozen=True)
class Basis:
    """What forecasts are calculated from, for every pair that held-out rows say anything about.

    Attributes:
        pairs: Pair -> its basis, by the route that promises most.
        others: Those of the pairs' other routes.
    """

    pairs: Mapping[Pair, PairBasis]
    others: Sequence[PairBasis] = ()

    @property
    def paths(self) -> tuple[PairBasis, ...]:
        """The basis of every route that was looked at."""
        return (*self.pairs.values(), *self.others)

    def forecast(self, a: str, b: str, gallery: int, ks: Sequence[int] = KS, queries: int | None = None) -> Forecast:
        """What to expect between two spaces, whichever is named first.

        Args:
            a, b: The spaces.
            gallery: Items in the gallery.
            ks: For the recall.
            queries: Of the test whose result the interval is for; None: as many as the gallery has items.

        Raises:
            NoPathError: no basis was calculated for the pair.
            UsageError: gallery or queries are no whole numbers of at least 2 and 1.
        """
        return self._of(a, b).forecast(gallery, ks, queries)

    def same_item(self, a: str, b: str) -> SameItem:
        """How to read the scores of two spaces as probabilities, whichever is named first.

        Raises:
            NoPathError: that was not calculated for the pair.
        """
        found = self._of(a, b).same_item
        if found is None:
            raise NoPathError("there are no calibrated scores for this pair of spaces", where=f"{a!r} and {b!r}",
                              hint="calculate the forecast again")  # fmt: skip
        return found

    def _of(self, a: str, b: str) -> PairBasis:
        found = self.pairs.get((a, b)) or self.pairs.get((b, a))
        if found is None:
            raise NoPathError(
                "there is no forecast for this pair of spaces", where=f"{a!r} and {b!r}",
                expected=", ".join(f"{x} - {y}" for x, y in self.pairs) or "none: too few rows were held out",
                hint="fit with this pair among the targets, and with 20 or more pairs on every hop",
            )  # fmt: skip
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, some kilobytes per pair."""
        told = {"pairs": list(self.pairs.values()), "others": list(self.others)}
        return {name: [basis.to_dict() for basis in each] for name, each in told.items()}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Basis:
        """Back from ``to_dict``."""
        pairs, others = ([PairBasis.from_dict(each) for each in known[name]] for name in ("pairs", "others"))
        return cls({basis.pair: basis for basis in pairs}, tuple(others))


def required_basis(basis: Basis | None, method: str) -> Basis:
    """The basis of a binder fitted with a method; raises UsageError where it has none."""
    if basis is None:
        raise UsageError(
            "this binder has no forecast", got=f"a fit with method {method!r}",
            expected="a fit that looked at held-out rows: 20 or more pairs on each hop",
            hint="fit again with forecast=True, or: anybind forecast graph.yaml; trained methods look only when asked",
        )  # fmt: skip
    return basis


def forecast_basis(
    method: Any, data: FitData, pairs: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]], *, seed: int = 0
) -> Basis:
    """Look at a fitted method's held-out rows; never at rows of a pair that no data set holds together.

    Args:
        method: Fitted.
        data: What it was fitted on. Its samples' rows are held out.
        pairs: Of spaces, to forecast.
        routes: Pair -> the routes that join it; a route of two spaces is direct.
        seed: The fit's.

    Returns:
        A basis without those pairs whose hops have too few held-out rows.

    Raises:
        SelectionError: too few paired rows can be held out at all.

    Cost: up to ten more fits of the method, each with the options it has chosen (a trained method trains again).
    """
    wanted = {pair: [tuple(route) for route in routes[pair]] for pair in pairs}
    direct = {pair: [route for route in several if len(route) == 2] or several for pair, several in wanted.items()}
    looked_at = [route for several in direct.values() for route in several]
    scores = HeldOutScores(looked_at)
    evidence = gather(scores.watching(held_out_folds(method, data, pairs, routes, seed)), looked_at)
    best, others = {}, []
    for pair, several in direct.items():
        known = _by_promise(pair, several, evidence)
        if known:
            best[pair] = replace(known[0], same_item=scores.same_item(known[0].path, known[0].expected))
            others += known[1:]
    return Basis(best, tuple(others))


def _by_promise(pair: Pair, routes: Sequence[Route], evidence: Evidence) -> list[PairBasis]:
    """By each route, the one that promises most at its low end first: others read the same truth less completely."""
    known = [basis for route in routes if (basis := pair_basis(pair, route, evidence)) is not None]
    return sorted(known, key=lambda basis: -basis.expected.interval[0])


def pair_basis(pair: Pair, route: Route, evidence: Evidence) -> PairBasis | None:
    """By one route; None where the evidence lacks one of its hops."""
    hops = [evidence.of_hop(a, b) for a, b in pairwise(route)]
    present = [hop for hop in hops if hop is not None]
    if len(present) < len(hops):
        return None
    wrong = torch.cat([hop.wrong for hop in present])
    shape, tail, own = _shape(present), ScoreTail.of(wrong), OwnRanks.mean([own_ranks(hop) for hop in present])
    seen = fmean(hop.others for hop in present), min(hop.pairs for hop in present)
    if len(present) == 1:
        expected = expected_direct(present[0])
        return PairBasis(pair, route, True, expected, expected.interval, shape, tail, own, *seen)
    if route not in evidence.bridges:
        return None
    bridge = evidence.bridges[route]
    expected = expected_bridged(bridge, present)
    share = likeness(expected.separation, present)
    # where nothing joins the ends, right pairs are wrong ones
    shape = tuple(share * x + (1 - share) * y for x, y in zip(shape, quantiles(_standard(wrong)), strict=True))
    return PairBasis(pair, route, False, expected, _open(bridge), shape, tail, own.scaled(share), *seen)


def _open(bridge: BridgeEvidence) -> tuple[float, float]:
    composed = bridge.composed.value
    return composed - bridge.reach, composed + bridge.reach


def _shape(hops: Sequence[HopEvidence]) -> tuple[float, ...]:
    return quantiles(torch.cat([_standard(hop.right) for hop in hops]))


def _standard(scores: torch.Tensor) -> torch.Tensor:
    return (scores - scores.mean()) / scores.std().clamp(min=1e-12)
