"""A fold's pairs of a hop among rows that nothing was fitted on, in numbers that do not depend on the score's scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from anybind.forecasting.held_out import HeldOutFold, Pair
from anybind.forecasting.ranks import right_and_wrong, standardised, unbiased

_FEWEST = 4  # pairs that a fold must hold


@dataclass(frozen=True)
class HopPart:
    """One fold's part of ``HopEvidence``, whose attributes these are."""

    right: torch.Tensor
    shares: torch.Tensor
    wrong: torch.Tensor
    pairs: int
    others: int
    gain: float
    spread_gain: float


def hop_part(fold: HeldOutFold, hop: Pair) -> list[HopPart]:
    """Of a fold's pairs, by the fit without a second fold; empty where there are too few."""
    further = fold.further
    if further is None:
        return []
    scores = further.unseen(*hop)
    n, others = len(scores.own), min(scores.forward.shape[1], scores.backward.shape[1])
    if min(n, others) < _FEWEST:
        return []
    ways = [
        _compared(scores.own, scores.forward, fold.share),
        _compared(scores.own.T, scores.backward, fold.share),
    ]
    right, shares, wrong = (torch.cat([way[i] for way in ways]) for i in range(3))
    more, less = _own(fold.own(*hop)), _own(scores.own)
    gain, spread_gain = float(more.mean() - less.mean()), float(more.std() - less.std())
    return [HopPart(right, shares, wrong, n, n - 1 + others, gain, spread_gain)]


def _compared(own: torch.Tensor, other: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries of a fold among rows of their own fold and of another one, in the proportion of a whole data set.

    Families of similar items lie in one fold as a whole: by themselves, its rows would be too hard to tell apart, and
    the other's too easy.

    Args:
        own: (n, n), the right items on the diagonal.
        other: (n, m).
        share: Of a data set's rows, the fold's.

    Returns:
        (n,) standardised right scores, (n,) shares of wrong items above them, and some standardised wrong scores.
    """
    (right, near), far = right_and_wrong(own), other.to(torch.float64)

    def mean(of_near: torch.Tensor, of_far: torch.Tensor) -> torch.Tensor:
        return share * of_near.mean(1, keepdim=True) + (1 - share) * of_far.mean(1, keepdim=True)

    count = near.shape[1] + far.shape[1]
    centre = mean(near, far)
    variance = mean((near - centre).square(), (far - centre).square()) * count / (count - 1)
    deviation = variance.sqrt().clamp(min=1e-12)
    beaten = mean(_above(near, right), _above(far, right))
    wrong = _mixed((near - centre) / deviation, (far - centre) / deviation, share)
    return unbiased((right - centre) / deviation, count)[:, 0], beaten[:, 0].clamp(0.5 / count, 1 - 0.5 / count), wrong


def _above(wrong: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """1 where a score is higher, a half where they tie."""
    return ((wrong > right).to(torch.float64) + (wrong >= right).to(torch.float64)) / 2


def _mixed(near: torch.Tensor, far: torch.Tensor, share: float) -> torch.Tensor:
    """As many of each as the share of the first wants, none of them twice."""
    total = min(near.numel() / share, far.numel() / (1 - share))
    parts = ((near.flatten(), share), (far.flatten(), 1 - share))
    return torch.cat([each[torch.linspace(0, len(each) - 1, int(total * part)).long()] for each, part in parts])


def _own(own: torch.Tensor) -> torch.Tensor:
    """Right scores in both directions, among the fold's own rows alone."""
    return torch.cat([standardised(table)[0] for table in (own, own.T)])
