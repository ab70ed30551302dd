"""A method fitted without each fold in turn, and how it scores rows it has not seen: all a forecast is made of."""

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
LANDMARKS, MANY_LANDMARKS = 40, 200
_FEWEST = 2  # pairs of every hop that must be left to fit on


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
class UnseenScores:
    """Held-out pairs of a hop among rows that nothing was fitted on.

    Rows that were fitted on are no wrong items to measure by: they score higher with all queries than others do.

    Attributes:
        own: (n, n) scores of the fold's own pairs, the right ones on the diagonal.
        forward: (n, m) of the first space's rows with another fold's rows of the second.
        backward: (n, m) of the second space's with another fold's of the first.
    """

    own: torch.Tensor
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
    """A method fitted without one fold, or two, with their rows.

    Args:
        method: Fitted on what ``seen`` holds.
        data: What all methods' folds are of.
        fold: The fold it is about.
        other: A second fold that was left out; its rows are of other items than those of the first, and unseen.
        further: The method without that second fold as well.
    """

    def __init__(
        self, method: Any, seen: FitData, data: FitData, fold: int,
        *, other: int | None = None, further: HeldOutFold | None = None,
    ) -> None:  # fmt: skip
        self._method, self._seen, self._data, self._fold, self._other = method, seen, data, fold, other
        self.further = further

    @property
    def share(self) -> float:
        """Of a data set's rows, about how many a fold holds."""
        return 1 / self._data.moments.folds

    def pairs(self, a: str, b: str, fold: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, d_a) and (n, d_b) held-out pairs of all data sets that have some."""
        dims, fold = self._data.dims, self._fold if fold is None else fold
        parts = [self._data.samples[name].paired(a, b, fold) for name in _holding(self._data, a, b)]
        left = torch.cat([torch.zeros(0, dims[a]), *(x for x, _ in parts)])
        return left, torch.cat([torch.zeros(0, dims[b]), *(y for _, y in parts)])

    def own(self, a: str, b: str) -> torch.Tensor:
        """(n, n) scores of the fold's pairs of two spaces."""
        left, right = self.pairs(a, b)
        table: torch.Tensor = self._method.score(a, left, b, right)
        return table

    def hop(self, a: str, b: str) -> HopScores | None:
        """None where there are fewer than two held-out pairs."""
        left, right = self.pairs(a, b)
        if len(left) < 2:
            return None
        names = _holding(self._data, a, b)
        more_a, more_b = (torch.cat(_rows(self._seen, names, space)) for space in (a, b))
        score = self._method.score
        forward = score(a, left, b, torch.cat([right, more_b]))
        backward = score(a, torch.cat([left, more_a]), b, right).T
        return HopScores(forward, backward)

    def unseen(self, a: str, b: str) -> UnseenScores:
        """Of a fold that was left out with a second one."""
        (left, right), (other_a, other_b) = self.pairs(a, b), self.pairs(a, b, self._other)
        score = self._method.score
        return UnseenScores(score(a, left, b, right), score(a, left, b, other_b), score(a, other_a, b, right).T)

    def ends(self, route: Route) -> torch.Tensor | None:
        """(n_i, n_j) scores of a bridge's ends, rows of the fold's first and last hop; None where a hop has few."""
        hops = [self.pairs(a, b) for a, b in pairwise(route)]
        if min(len(left) for left, _ in hops) < 2:
            return None
        table: torch.Tensor = self._method.score(route[0], hops[0][0], route[-1], hops[-1][1])
        return table

    def crossed(self, route: Route) -> list[BridgeScores]:
        """Of two folds that were left out, every other hop's rows from one and the rest from the other.

        So no item, and no two items of a family, is on both sides of a pivot.
        """
        both = [(self._fold, self._other), (self._other, self._fold)]
        found = [self._crossed(route, [ends[i % 2] for i in range(len(route) - 1)]) for ends in both]
        return [each for each in found if each is not None]

    def round_trip(self, around: Route, end: int) -> BridgeScores | None:
        """From a neighbour of a pivot to it and back, as if to a third space that were just like the neighbour.

        Args:
            around: A pivot between its neighbours.
            end: Which of these it is, 0 or 1.
        """
        near, pivot = around[2 * end], around[1]
        here, there = self.pairs(near, pivot), self.pairs(near, pivot, self._other)
        if min(len(here[0]), len(there[0])) < 2:
            return None
        scores = self._alike(near, pivot, here[0], there[0])
        return BridgeScores(scores, (self._pivot(around, here[1], there[1], (near, near)),))

    def _crossed(self, route: Route, folds: Sequence[int | None]) -> BridgeScores | None:
        hops = [self.pairs(a, b, fold) for (a, b), fold in zip(pairwise(route), folds, strict=True)]
        if min(len(left) for left, _ in hops) < 2:
            return None
        scores = self._method.score(route[0], hops[0][0], route[-1], hops[-1][1])
        pivots = [
            self._pivot((route[i - 1], route[i], route[i + 1]), before[1], after[0], (route[i - 1], route[i + 1]))
            for i, (before, after) in enumerate(pairwise(hops), start=1)
        ]
        return BridgeScores(scores, tuple(pivots))

    def _pivot(self, around: Route, before: torch.Tensor, after: torch.Tensor, paired: Pair) -> PivotRows:
        """What the method sees in a pivot's rows.

        Args:
            around: The pivot between its neighbours.
            before, after: (n, d) rows of the pivot.
            paired: Spaces that they are paired with, whose data sets tell how the pivot's rows vary.
        """
        space, beside = around[1], around[::2]
        seen = {other: self._seen_beside(space, other, beside) for other in dict.fromkeys(paired)}
        scale = torch.cat(list(seen.values())).std(0).clamp(min=1e-12)
        of = {other: (rows / scale).T @ (rows / scale) / len(rows) for other, rows in seen.items()}
        shown = [self._shown(space, rows, beside) / scale for rows in (before, after)]
        return PivotRows(shown[0], shown[1], (of[paired[0]], of[paired[1]]))

    def _seen_beside(self, space: str, other: str, beside: Sequence[str]) -> torch.Tensor:
        """(n, r) what the method sees in the fitted rows of a space, of data sets with another one; each centred."""
        rows = _rows(self._seen, _holding(self._data, space, other), space)
        parts = [self._shown(space, part, beside) for part in rows if len(part)]
        return torch.cat([part - part.mean(0) for part in parts])

    def _shown(self, space: str, rows: torch.Tensor, beside: Sequence[str]) -> torch.Tensor:
        """(n, r) scores with landmarks, fitted rows of the spaces beside: ``embed`` may be made for another pair."""
        tables = [self._method.score(space, rows, other, self._marks(space, other, LANDMARKS)) for other in beside]
        return torch.cat([table.to(torch.float64) for table in tables], 1)

    def _alike(self, space: str, other: str, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """(n, m) scores of rows of one space with each other, by what the method sees in them of another space.

        A row's scores with landmarks of the other space are u W v, with v the landmarks. Their inner products would
        weight what the spaces share by W squared; a fourth root of their second moment leaves W, as in a score.
        """
        marks = self._marks(space, other, MANY_LANDMARKS)
        fitted = torch.cat(_rows(self._seen, _holding(self._data, space, other), space))
        seen, *ends = (
            rows - rows.mean(0)
            for rows in (self._method.score(space, x, other, marks).to(torch.float64) for x in (fitted, left, right))
        )
        values, vectors = torch.linalg.eigh(seen.T @ seen / len(seen))
        kept = values > 1e-6 * values.max()
        root = vectors[:, kept] * values[kept] ** -0.25
        first, last = (torch.nn.functional.normalize(rows @ root) for rows in ends)
        table: torch.Tensor = first @ last.T
        return table

    def _marks(self, space: str, other: str, count: int) -> torch.Tensor:
        """Fitted rows of another space, spread over its data sets with this one."""
        rows = torch.cat(_rows(self._seen, _holding(self._data, space, other), other))
        return rows[torch.linspace(0, len(rows) - 1, min(count, len(rows))).long()]


def _rows(data: FitData, names: Sequence[str], space: str) -> list[torch.Tensor]:
    samples = [data.samples[name] for name in names if space in data.samples[name].vectors]
    return [sample.vectors[space][sample.present[space]] for sample in samples]


def held_out_folds(
    method: Any, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]], seed: int
) -> Iterator[HeldOutFold]:
    """The method fitted again without each of up to five folds, and without each two that follow one another.

    That is up to ten more fits, with the options it has chosen.

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
    folds = selection_folds(data, edges, limit=FOLDS)
    for fold, other in zip(folds, folds[1:] + folds[:1], strict=True):
        seen, further = data.without_fold(fold), None
        less = seen.without_fold(other) if other != fold else seen
        if other != fold and _fittable(less, hops):
            further = HeldOutFold(refitted(method, less, told), less, data, fold, other=other)
        yield HeldOutFold(refitted(method, seen, told), seen, data, fold, further=further)


def refitted(method: Any, data: FitData, told: Mapping[str, Any]) -> Any:
    """A method fitted to other rows, as far as it can with the choices it has made: ``refit``, else ``settled``."""
    if callable(getattr(method, "refit", None)):
        return method.refit(data, **told)
    settled = getattr(method, "settled", None)
    if settled is not None and not signature(settled).parameters:  # that of trained methods asks for more
        with suppress(SelectionError):  # a rank that all rows allow may be too high for fewer
            return settled().fit(data, **told)
    return method.fit(data, **told)


def repeats_cheaply(method: Any) -> bool:
    """Whether a fitted method can be fitted to other rows without choosing or training again."""
    settled = getattr(method, "settled", None)
    return callable(getattr(method, "refit", None)) or (settled is not None and not signature(settled).parameters)


def _fittable(data: FitData, hops: Sequence[Pair]) -> bool:
    """Whether every two spaces that had rows together still have some."""
    return min((data.moments.pairs(a, b) for a, b in hops), default=0) >= _FEWEST


def _holding(data: FitData, a: str, b: str) -> list[str]:
    return list(dict.fromkeys(name for name, x, y in data.moments.edges() if {x, y} == {a, b}))
