"""Scores of right and of unrelated held-out pairs, gathered while the folds go by, and what they say of a pair.

The right pairs of a bridge are never seen. Theirs are made of the forecast: its separation, as uncertain as it is,
and around that the shape of the hops' right pairs. Unrelated pairs of a bridge's ends are there in plenty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import torch

from anybind.forecasting.calibration import Expected
from anybind.forecasting.held_out import HeldOutFold, Pair, Route
from anybind.forecasting.likelihood_ratio import LikelihoodRatio
from anybind.forecasting.ranks import quantiles
from anybind.forecasting.same_item import SameItem, among_others

_KEPT = 200_000  # unrelated scores per fold and direction
_FEWEST = 4  # rows a fold must hold out
_INTERVAL = 1.6449  # half width of a 90 % interval, in standard deviations
_SEPARATIONS = 21


@dataclass(frozen=True)
class _Scores:
    """One fold's, or of all folds: standardised scores in the two ways of ``SameItem``, and what they were before."""

    alone: tuple[torch.Tensor, torch.Tensor]  # right, unrelated
    among: tuple[torch.Tensor, torch.Tensor]
    forecast: torch.Tensor  # right ones, as the forecast standardises them
    mean: float
    deviation: float
    pairs: int


class HeldOutScores:
    """What ``SameItem`` is estimated from.

    Args:
        routes: Those that may join a pair; a route of two spaces is a hop.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        hops = dict.fromkeys(hop for route in routes for hop in pairwise(route))
        self._hops: dict[Pair, list[_Scores]] = {hop: [] for hop in hops}
        self._bridges: dict[Route, list[_Scores]] = {route: [] for route in routes if len(route) > 2}

    def watching(self, folds: Iterable[HeldOutFold]) -> Iterator[HeldOutFold]:
        """Pass the folds on, one by one, and keep their scores."""
        for fold in folds:
            for hop, parts in self._hops.items():
                parts.extend(_hop(fold, hop))
            for route, parts in self._bridges.items():
                parts.extend(_bridge(fold, route))
            yield fold

    def same_item(self, route: Route, expected: Expected) -> SameItem | None:
        """For the ends of a route whose right pairs are expected so; None where too few rows were held out."""
        hops = [self._hops.get((a, b)) or self._hops.get((b, a)) for a, b in pairwise(route)]
        own = hops[0] if len(hops) == 1 else self._bridges.get(route)
        if not own or not all(hops):
            return None
        known, pooled = [_pooled(parts) for parts in hops if parts], _pooled(own)
        pairs = min(each.pairs for each in known)
        alone, among = (
            _right(expected, [each.forecast for each in known], ways, direct=len(known) == 1)
            for ways in ([each.alone[0] for each in known], [each.among[0] for each in known])
        )
        return SameItem(
            pooled.mean, pooled.deviation, LikelihoodRatio.of(alone, pooled.alone[1], pairs),
            LikelihoodRatio.of(among, pooled.among[1], pairs),
        )  # fmt: skip


def _hop(fold: HeldOutFold, hop: Pair) -> list[_Scores]:
    found = fold.hop(*hop)
    if found is None or len(found.forward) < _FEWEST:
        return []
    n = len(found.forward)
    square = found.forward[:, :n].to(torch.float64)
    unrelated = _divided(square)[1]
    mean, deviation = float(unrelated.mean()), max(float(unrelated.std()), 1e-12)
    tables = [among_others(table) for table in (found.forward, found.backward)]
    alone = _joined([_divided((square - mean) / deviation)])
    among = _joined([_in_own_deviations(*_divided(table[:, :n])) for table in tables])
    return [_Scores(alone, among, torch.cat([table.diagonal() for table in tables]), mean, deviation, n)]


def _in_own_deviations(right: torch.Tensor, wrong: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the unseen columns alone: those that were fitted on help to tell how a query scores, but differ in spread."""
    mean, deviation = wrong.mean(), wrong.std().clamp(min=1e-12)
    return (right - mean) / deviation, (wrong - mean) / deviation


def _bridge(fold: HeldOutFold, route: Route) -> list[_Scores]:
    found = fold.ends(route)
    if found is None or min(found.shape) < _FEWEST:
        return []
    table, none = found.to(torch.float64), torch.zeros(0, dtype=torch.float64)
    mean, deviation = float(table.mean()), max(float(table.std()), 1e-12)
    alone = _thinned(((table - mean) / deviation).flatten())
    among = torch.cat([_thinned(among_others(t).flatten()) for t in (table, table.T)])
    return [_Scores((none, alone), (none, among), none, mean, deviation, min(table.shape))]


def _right(
    expected: Expected, forecast: Sequence[torch.Tensor], measured: Sequence[torch.Tensor], *, direct: bool
) -> torch.Tensor:
    """Equally likely scores of right pairs: every shape value around every separation that the forecast allows.

    Args:
        expected: What the forecast says.
        forecast: Each hop's right scores, as the forecast standardises them.
        measured: The same, as they are wanted.
        direct: Whether the hop is the pair itself, so that what its scores are in the one way and in the other
            tells what the separation is.
    """
    shape = torch.tensor(quantiles(torch.cat([_unit(scores) for scores in measured])), dtype=torch.float64)
    deviates = torch.special.ndtri((torch.arange(_SEPARATIONS, dtype=torch.float64) + 0.5) / _SEPARATIONS)
    low, high = expected.interval
    below, above = (expected.separation - low) / _INTERVAL, (high - expected.separation) / _INTERVAL
    separations = expected.separation + deviates * torch.where(deviates < 0, below, above)
    wider = fmean(float(m.std() / f.std().clamp(min=1e-12)) for m, f in zip(measured, forecast, strict=True))
    if direct:
        separations = measured[0].mean() + wider * (separations - forecast[0].mean())
    right: torch.Tensor = (separations[:, None] + wider * expected.spread * shape).flatten()
    return right


def _unit(scores: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = (scores - scores.mean()) / scores.std().clamp(min=1e-12)
    return unit


def _divided(table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The right scores, of row i in column i, and all others."""
    right = torch.arange(len(table))
    wrong = torch.ones(table.shape, dtype=torch.bool)
    wrong[right, right] = False
    return table[right, right], table[wrong]


def _joined(parts: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([right for right, _ in parts]), torch.cat([_thinned(wrong) for _, wrong in parts])


def _pooled(parts: Sequence[_Scores]) -> _Scores:
    alone, among = (
        (torch.cat([way[0] for way in ways]), torch.cat([way[1] for way in ways]))
        for ways in ([part.alone for part in parts], [part.among for part in parts])
    )
    mean, deviation = fmean(part.mean for part in parts), fmean(part.deviation for part in parts)
    forecast = torch.cat([part.forecast for part in parts])
    return _Scores(alone, among, forecast, mean, deviation, sum(part.pairs for part in parts))


def _thinned(wrong: torch.Tensor) -> torch.Tensor:
    return wrong[:: max(1, -(-len(wrong) // _KEPT))]
