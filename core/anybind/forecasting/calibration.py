"""From evidence to an expected separation, by constants that were fitted once in synthetic worlds and frozen.

A composed separation K is too low: it takes the pivot's vectors for what they show, and these are noisy readings.
What the hops reach, T (the geometric mean of the weakest one's separation and of their mean), is about what to
hope for where the pivot shows all that the ends share. K / T, from 0 where the hops share nothing to 1 where the
pivot is perfect, tells the two apart, and the centre goes between them ::

    centre = T (1 + c) r / (1 + c r),      r = K / T,      c = REPAIR * pivots

K has a sampling error, known from the folds: r is averaged over what K, its error and 0 <= r <= 1 leave. The variance
of the centre over these r, and what the worlds' truths scattered beside it, give the interval.

The constants maximise a robust likelihood of the truths of 414 bridged pairs in the worlds of
``bench/forecast_worlds.py`` (seeds from 4000 to 4098; clear ones 5000 to 5042, which weigh as much together): one and
two pivots, 80 to 600 pairs a hop, with and without shift, pivots that are partly blind, ends that share nothing;
methods auto, pcca, cca-chain, pivot and ridge-chain. ``WIDTH`` is a round number for the 90 % quantiles of the clear
worlds' errors, 1.9 to 2.4. No emoji truth was fitted to; the clear worlds were added after a first reading of the
emoji data had shown too narrow intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt

import torch

from anybind.forecasting.evidence import BridgeEvidence, HopEvidence

REPAIR = 5.2
SCATTER, SCATTER_SHARE = 0.11, 0.09  # of a bridge's separation: absolute, and as a share of it
GROWTH = 8.0  # of a direct pair: 1 + GROWTH / n is what the rows of the fold that was held out add
DIRECT_SCATTER = 0.11
WIDTH = 2.3  # half width of the 90 % interval in these: the truths have heavier tails than a normal distribution

_LEAST = 0.05
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
        return self.separation - WIDTH * self.deviation, self.separation + WIDTH * self.deviation


def expected_direct(hop: HopEvidence) -> Expected:
    """For two spaces that rows hold together."""
    centre = (1 + GROWTH / hop.pairs) * hop.separation
    return Expected(centre, hypot(hop.spread / sqrt(hop.pairs), DIRECT_SCATTER), hop.spread)


def expected_bridged(bridge: BridgeEvidence, hops: Sequence[HopEvidence]) -> Expected:
    """For the ends of a bridge over these hops, two or more."""
    top = _reached([hop.separation for hop in hops])
    repair, ratio = REPAIR * (len(hops) - 1), torch.linspace(0, 1, _STEPS, dtype=torch.float64)
    weights = torch.softmax(-(((bridge.composed - ratio * top) / max(bridge.error, 0.01)) ** 2) / 2, 0)
    curve = top * (1 + repair) * ratio / (1 + repair * ratio)
    centre = float(weights @ curve)
    deviation = hypot(sqrt(float(weights @ (curve - centre) ** 2)), SCATTER, SCATTER_SHARE * centre)
    return Expected(centre, deviation, _spread(centre, hops))


def _reached(separations: Sequence[float]) -> float:
    weakest, mean = min(separations), sum(separations) / len(separations)
    return max(sqrt(max(weakest, _LEAST) * max(mean, _LEAST)), _LEAST)


def _spread(centre: float, hops: Sequence[HopEvidence]) -> float:
    """Between the hops' own, where the bridge is as good as they are, and 1 where right pairs are as wrong ones."""
    usual = max(sum(hop.separation for hop in hops) / len(hops), _LEAST)
    share = min(max(centre / usual, 0.0), 1.0)
    return share * sqrt(sum(hop.spread**2 for hop in hops) / len(hops)) + 1 - share
