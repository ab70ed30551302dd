"""From evidence to an expected separation, by a few constants that were fitted in synthetic worlds and frozen.

In whitened coordinates of a pivot B, T_AC = T_AB R_B^+ T_BC: what two hops show of B is divided by R_B, the share of
B's own variance that is no noise. The composed separation K has R_B = I. Its mean R over the directions that matter
follows from round trips: with A, B and C showing r directions with reliabilities R_A, R_B, R_C, a hop reaches
sqrt(r R_A R_B) and the round trip from A over B sqrt(r) R_A R_B, so their ratio is sqrt(R_A R_B): R_B, if A is as
reliable as B. R is the mean of that ratio for A and for C, and with several pivots the product of theirs. So ::

    y = K / (R T),        centre = y T',

with T what the weakest hop reaches, is what the bridge reaches of it: 1 where the hops show the same of the pivot and
its ends are as noisy as it is, 0 where they show different things of it. K, T and the round trips are those of fits
without two folds; T' is that of the fit of all rows. Better fits of the hops raise y as well, by (the product of the
hops' T' / T, but for the weakest's) ** GROWTH. K and R have sampling errors, known from the rows; y is averaged over
what these leave, when ``USUAL`` of all bridges reach about what their weakest hop does and the others anything below.
Its variance, the hops' sampling errors, and what the worlds' truths scattered beside it, give the interval.

That A is as reliable as B cannot be seen from pairs of A with B: where a pivot is much noisier than its ends, a
bridge reaches more. Nor can R be told apart from 1 where it comes out a little larger, as it does by sampling. And
ranks do not follow from a separation in quite the same way for all pairs of spaces. What is left of all that is a
scatter, so much of what the weakest hop reaches, once for every hop (they add as squares), also of a pair that rows
hold together.

USUAL, USUAL_SCATTER and GROWTH were chosen by the likelihood of the separations of 954 bridged pairs in the worlds of
``bench/forecast_worlds.py`` (the first 80 seeds of each kind, from 6000, 7000, 8000 and 9000): one and two pivots, 80
to 600 pairs a hop, with and without shift, pivots that are partly blind, hops that show different sides of a pivot,
ends that share nothing; methods cca-chain, pcca, pivot and ridge-chain. TAIL was chosen in the same way for direct
pairs of earlier seeds. SCATTER was chosen by the interval score of the MRR of the bridged pairs, of as many direct
ones, and of 60 and 150 in the world of ``bench/synthetic.py`` (seeds 100 to 109, pcca), each kind of world counting
as much as another, in galleries of 50, 100 and 300: a forecast is judged by ranks, so it is their scatter that
counts, not that of the separations. WIDTH is such that about nine of ten of these intervals hold what came out.
``docs/forecast.md`` tells what all of them reach elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, log1p, prod, sqrt
from statistics import fmean

import torch

from anybind.forecasting.composing import Estimate
from anybind.forecasting.evidence import BridgeEvidence, HopEvidence

USUAL, USUAL_SCATTER = 0.83, 0.09  # share of bridges that reach what their weakest hop does, and how nearly
GROWTH = 0.27
SCATTER = 0.047  # of every hop, as a share of what the weakest reaches
TAIL = 0.05  # error of a tail, per factor e by which a gallery is larger than what was seen of it
WIDTH = 1.85  # half width of the 90 % interval in these: the truths have heavier tails than a normal distribution

_LEAST = 0.05  # separation that anything is divided by
_FAINT = 0.15  # separation whose error relative to it is no longer believed to grow
_LEAST_GROWN, _MOST_GROWN = 0.7, 3.0
_USEFUL = 1.2
_STEPS, _STEP, _MOST = 151, 0.01, 1.5  # of shares of what the weakest hop reaches


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
    return Expected(hop.separation, hypot(hop.error, SCATTER * hop.separation), hop.spread)


def expected_bridged(bridge: BridgeEvidence, hops: Sequence[HopEvidence]) -> Expected:
    """For the ends of a bridge over these hops, two or more, each in the bridge's direction."""
    reached = max(min(hop.measured for hop in hops), _LEAST)
    full = max(min(hop.separation for hop in hops), _LEAST)
    reliability = _pivots_reliability(bridge, hops)
    whole = reached * reliability.value / _grown(hops, full / reached) ** GROWTH
    share = bridge.composed.value / whole
    # no share is larger than about 1: what looks so is noise, and should not add to its own error
    by_pivots = reliability.error / reliability.value * min(max(share, 0.0), _USEFUL)
    mean, deviation = _share_reached(Estimate(share, hypot(bridge.composed.error / whole, by_pivots)))
    centre = full * mean
    by_hops = sqrt(fmean((hop.error / max(hop.separation, _LEAST)) ** 2 for hop in hops))
    alike = likeness(centre, hops)
    spread = alike * sqrt(fmean(hop.spread**2 for hop in hops)) + 1 - alike
    scatter = SCATTER * full * sqrt(len(hops))
    return Expected(centre, hypot(full * deviation, by_hops * centre, scatter), spread)


def _grown(hops: Sequence[HopEvidence], weakest: float) -> float:
    """By what factor all hops but the weakest are better in the fit of all rows, within limits: few rows tell it badly.

    Args:
        hops: The bridge's.
        weakest: That factor of the weakest hop.
    """
    every = prod(max(hop.separation, _LEAST) / max(hop.measured, _LEAST) for hop in hops)
    return min(max(every / weakest, _LEAST_GROWN), _MOST_GROWN)


def _share_reached(measured: Estimate) -> tuple[float, float]:
    """Mean and standard deviation of what a bridge reaches of its weakest hop, given a measurement of it."""
    share = torch.linspace(0, _MOST, _STEPS, dtype=torch.float64)
    usual = torch.softmax(-(((share - 1) / USUAL_SCATTER) ** 2) / 2, 0)
    below = (share <= 1) / (share <= 1).sum()
    likelihood = -(((measured.value - share) / max(measured.error, _STEP)) ** 2) / 2
    weights = torch.softmax(likelihood + torch.log(USUAL * usual + (1 - USUAL) * below), 0)
    mean = float(weights @ share)
    return mean, sqrt(float(weights @ (share - mean) ** 2))


def _pivots_reliability(bridge: BridgeEvidence, hops: Sequence[HopEvidence]) -> Estimate:
    """Share of its pivots' variance that is no noise, as far as round trips show; a product over the pivots."""
    found = [
        Estimate.mean([_over(trip, hop) for trip, hop in zip(trips, around, strict=True)], 2)
        for trips, around in zip(bridge.trips, pairwise(hops), strict=True)
    ]
    whole = prod(each.value for each in found)
    return Estimate(whole, whole * hypot(*(each.error / each.value for each in found)))


def _over(trip: Estimate, hop: HopEvidence) -> Estimate:
    """The share of a hop's separation that is left on a round trip over it."""
    left, of = max(trip.value, _LEAST), max(hop.measured, _LEAST)
    # both are of the same rows, so that half of the hop's error cancels
    relative = hypot(trip.error / max(left, _FAINT), hop.error / max(of, _FAINT) / sqrt(2))
    return Estimate(left / of, left / of * relative)


def likeness(separation: float, hops: Sequence[HopEvidence]) -> float:
    """How far right pairs of a bridge are spread as those of its hops: 1 where it is as good, 0 as wrong pairs."""
    usual = max(fmean(hop.separation for hop in hops), _LEAST)
    return min(max(separation / usual, 0.0), 1.0)
