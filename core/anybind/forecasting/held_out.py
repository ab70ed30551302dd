"""A method fitted without each fold in turn, and how it scores that fold's rows: all a forecast is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import signature
from itertools import pairwise
from typing import Any

import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.forecasting.composing import PivotRows
from anybind.methods.selection import selection_folds

Pair = tuple[str, str]
Route = tuple[str, ...]

FOLDS = 5
LANDMARKS = 40


@dataclass(frozen=True)
class HopScores:
    """Held-out pairs of a hop among those and the rows that were fitted on; the right item of query i is in column i.

    Attributes:
        forward: (n, m) scores of the first space's held-out rows as queries.
        backward: (n, m) of the second space's.
    """

    forward: torch.Tensor
    backward: torch.Tensor


@dataclass(frozen=True)
class BridgeScores:
    """The ends of a bridge on held-out rows, which no item joins.

    Attributes:
        scores: (n_i, n_j) of the first space's rows of the first hop and the last space's rows of the last.
        pivots: The bridge's, in order.
    """

    scores: torch.Tensor
    pivots: tuple[PivotRows, ...]


class HeldOutFold:
    """A method fitted without one fold, with the fold's rows."""

    def __init__(self, method: Any, seen: FitData, data: FitData, fold: int) -> None:
        self._method, self._seen, self._data, self._fold = method, seen, data, fold

    def pairs(self, a: str, b: str) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, d_a) and (n, d_b) held-out pairs of all data sets that have some."""
        dims = self._data.dims
        parts = [self._data.samples[name].paired(a, b, self._fold) for name in _holding(self._data, a, b)]
        left = torch.cat([torch.zeros(0, dims[a]), *(x for x, _ in parts)])
        return left, torch.cat([torch.zeros(0, dims[b]), *(y for _, y in parts)])

    def hop(self, a: str, b: str) -> HopScores | None:
        """None where there are fewer than two held-out pairs."""
        left, right = self.pairs(a, b)
        if len(left) < 2:
            return None
        names = _holding(self._data, a, b)
        more_a, more_b = (
            torch.cat(_rows(self._seen, names, space)) for space in (a, b)
        )
        score = self._method.score
        forward = score(a, left, b, torch.cat([right, more_b]))
        backward = score(a, torch.cat([left, more_a]), b, right).T
        return HopScores(forward, backward)

    def bridge(self, route: Route) -> BridgeScores | None:
        """None where some hop has fewer than two held-out pairs."""
        hops = [self.pairs(a, b) for a, b in pairwise(route)]
        if min(len(left) for left, _ in hops) < 2:
            return None
        scores = self._method.score(route[0], hops[0][0], route[-1], hops[-1][1])
        pivots = [
            self._pivot(route[i - 1 : i + 2], before[1], after[0])
            for i, (before, after) in enumerate(pairwise(hops), start=1)
        ]
        return BridgeScores(scores, tuple(pivots))

    def _pivot(self, around: Route, before: torch.Tensor, after: torch.Tensor) -> PivotRows:
        """What the method sees in a pivot's rows: their scores with landmarks, fitted rows of the spaces beside it.

        Scores instead of ``embed``, whose joint space may be made for another pair.
        """
        space = around[1]
        marks = {other: _rows(self._seen, _holding(self._data, space, other), other) for other in around[::2]}
        fitted = _rows(self._seen, list(self._seen.samples), space)

        def shown(rows: torch.Tensor) -> torch.Tensor:
            tables = [self._method.score(space, rows, other, torch.cat(m)[:LANDMARKS]) for other, m in marks.items()]
            return torch.cat([table.to(torch.float64) for table in tables], 1)

        parts = [shown(rows) for rows in fitted if len(rows)]
        centred = torch.cat([part - part.mean(0) for part in parts])
        scale = centred.std(0).clamp(min=1e-12)
        covariance = (centred / scale).T @ (centred / scale) / len(centred)
        return PivotRows(shown(before) / scale, shown(after) / scale, covariance)


def _rows(data: FitData, names: Sequence[str], space: str) -> list[torch.Tensor]:
    samples = [data.samples[name] for name in names if space in data.samples[name].vectors]
    return [sample.vectors[space][sample.present[space]] for sample in samples]


def held_out_folds(
    method: Any, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]], seed: int
) -> Iterator[HeldOutFold]:
    """The method fitted again without each of up to five folds: as many more fits, with the options it has chosen.

    Args:
        method: Fitted.
        data: What it was fitted on, with samples of rows.
        targets, routes: As for the method's fit; every hop is added.
        seed: The fit's.

    Raises:
        SelectionError: too few paired rows can be held out.
    """
    edges = data.moments.edges()
    hops = [(a, b) for _, a, b in edges]
    wanted = list(dict.fromkeys([*targets, *hops]))
    told = {"targets": wanted, "routes": {**{hop: (hop,) for hop in hops}, **routes}, "seed": seed}
    for fold in selection_folds(data, edges, limit=FOLDS):
        seen = data.without_fold(fold)
        yield HeldOutFold(refitted(method, seen, told), seen, data, fold)


def refitted(method: Any, data: FitData, told: Mapping[str, Any]) -> Any:
    """A method fitted to other rows, as far as it can with the choices it has made: ``refit``, else ``settled``."""
    if hasattr(method, "refit"):
        return method.refit(data, **told)
    settled = getattr(method, "settled", None)
    if settled is not None and not signature(settled).parameters:  # that of trained methods asks for more
        with suppress(SelectionError):  # a rank that all rows allow may be too high for fewer
            return settled().fit(data, **told)
    return method.fit(data, **told)


def _holding(data: FitData, a: str, b: str) -> list[str]:
    return list(dict.fromkeys(name for name, x, y in data.moments.edges() if {x, y} == {a, b}))
