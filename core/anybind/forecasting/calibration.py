"""From evidence to an expected separation, by a few constants that were fitted in synthetic worlds and frozen.

Let T be the separation that the weakest hop reaches, and rho the share of a hop's that is left on a round trip, from
an end to its pivot and back: about the canonical correlation of the two. The composed separation K
takes the pivot's vectors for what they show, and these are noisy readings. Were the ends to share all that the hops
show of them, each space as noisy as the next, K would be rho T and the truth T. A round trip, which compares rows by
rougher profiles than the method's, understates rho; in the worlds sqrt(rho) T is what K comes to then. So ::

    a = K / (sqrt(rho) T)  in [0, 1],          centre = T (1 + c) a / (1 + c a),          c = CURVE

(rho the geometric mean of both ends', times those of hops between two pivots). a is the *alignment*: 0 where the hops
show different things of the pivot, 1 where they show the same. K and a are those of fits without two folds, the T
outside of a is that of the fit of all rows. K has a sampling error, known from the folds: a is averaged over what K,
its error and 0 <= a <= 1 leave. The variance of the centre over these a, the hops' sampling errors, and what the
worlds' truths scattered beside it, give the interval.

The constants were chosen by the likelihood of the separations, and the coverage and score of the MRR's intervals, of
666 bridged pairs and 165 direct ones in the worlds of ``bench/forecast_worlds.py`` (seeds 6000 to 6063, clear ones 7000
to 7079, uneven ones 8000 to 8079): one and two pivots, 80 to 600 pairs a hop, with and without shift, pivots that are
partly blind, ends that share nothing; methods cca-chain, pcca, pivot and ridge-chain. Then they were frozen.
``docs/forecast.md`` tells what they reach elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, log1p, prod, sqrt
from statistics import fmean

import torch

from anybind.forecasting.evidence import BridgeEvidence, HopEvidence

CURVE = 4.4
SCATTER, SCATTER_SHARE = 0.11, 0.07  # of a bridge's separation: absolute, and as a share of it
DIRECT_SCATTER = 0.06
TAIL = 0.05  # error of a tail, per factor e by which a gallery is larger than what was seen of it
WIDTH = 2.1  # half width of the 90 % interval in these: the truths have heavier tails than a normal distribution

_LEAST = 0.05
_LEAST_CORRELATION = 0.25
_STEPS = 101


@dataclass(frozen=True)
class Expected:
    """What right pairs' scores are expected to be, in standard deviations of wrong ones.

    Attributes:
        separation: Their mean.
        deviation: Its standard deviation, as far as the forecast knows.
        spread: The right pairs' own standard deviation around their mean.
    """

    separation: float
    deviation: float
    spread: float

    @property
    def interval(self) -> tuple[float, float]:
        """The separation's 90 % predictive interval."""
        return self.with_error(0)

    def with_error(self, more: float) -> tuple[float, float]:
        """That of something that lies off by an error of so many standard deviations more."""
        half = WIDTH * hypot(self.deviation, more)
        return self.separation - half, self.separation + half

    def tested(self, gallery: int, others: float, queries: int) -> tuple[float, float]:
        """That of a test, as the separation that its result is worth.

        Args:
            gallery: Items to choose from. How many of the wrong ones come near the right one was seen among
            others: so many wrong items.
            queries: Of the test.
        """
        return self.with_error(hypot(self.spread / sqrt(queries), TAIL * log1p(gallery / others)))


def sampling_error(mrr: float, pairs: int, queries: int) -> float:
    """Half width of the 90 % interval of an MRR that is estimated from so many pairs and tested with so many queries.

    A reciprocal rank lies between 0 and 1, so its variance is mrr (1 - mrr) at most, which is near where most are 1.
    """
    return WIDTH * sqrt(max(mrr * (1 - mrr), 0.0) * (1 / pairs + 1 / queries))


def expected_direct(hop: HopEvidence) -> Expected:
    """For two spaces that rows hold together."""
    return Expected(hop.separation, hypot(hop.error, DIRECT_SCATTER), hop.spread)


def expected_bridged(bridge: BridgeEvidence, hops: Sequence[HopEvidence]) -> Expected:
    """For the ends of a bridge over these hops, two or more, each in the bridge's direction."""
    reached = max(min(hop.measured for hop in hops), _LEAST)
    full = max(min(hop.separation for hop in hops), _LEAST)
    whole = reached * sqrt(_kept(hops))
    aligned = torch.linspace(0, 1, _STEPS, dtype=torch.float64)
    weights = torch.softmax(-(((bridge.composed - aligned * whole) / max(bridge.error, 0.02)) ** 2) / 2, 0)
    curve = full * (1 + CURVE) * aligned / (1 + CURVE * aligned)
    centre = float(weights @ curve)
    sampled = sqrt(fmean((hop.error / max(hop.separation, _LEAST_CORRELATION)) ** 2 for hop in hops))
    deviation = hypot(
        sqrt(float(weights @ (curve - centre) ** 2)), sampled * centre, SCATTER, SCATTER_SHARE * centre
    )
    share = likeness(centre, hops)
    return Expected(centre, deviation, share * sqrt(fmean(hop.spread**2 for hop in hops)) + 1 - share)


def likeness(separation: float, hops: Sequence[HopEvidence]) -> float:
    """How far right pairs of a bridge are spread as those of its hops: 1 where it is as good, 0 as wrong pairs."""
    usual = max(fmean(hop.separation for hop in hops), _LEAST)
    return min(max(separation / usual, 0.0), 1.0)


def _kept(hops: Sequence[HopEvidence]) -> float:
    """Of the separation, over the round trips from the ends, and over the hops between two pivots."""
    ends = _kept_of(hops[0], hops[0].round_trips[0]) * _kept_of(hops[-1], hops[-1].round_trips[1])
    return sqrt(ends) * prod(_kept_of(hop, fmean(hop.round_trips)) for hop in hops[1:-1])


def _kept_of(hop: HopEvidence, round_trip: float) -> float:
    return min(max(round_trip / max(hop.measured, _LEAST), _LEAST_CORRELATION), 1.0)
