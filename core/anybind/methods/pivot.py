"""``pivot``: every end is regressed onto the pivot, and the ends are compared there.

Along a route A-B-C both A and C get ridge regressions onto B, and the two predictions are compared by cosine
in B's whitened coordinates. Nothing is ever predicted into an end space, whose own noise would drown the
answer. A longer route meets in its middle space, each end carried there hop by hop; a route with an even
number of spaces, a direct pair among them, has two middle spaces and scores the mean of both cosines.

The joint space is the pivot of the first target (of two middle spaces the one nearer to its goal); the pivot's
own rows are whitened only. Ridge (per hop and direction) and whitening (per space that hops lead to) are
chosen by retrieval on held-out rows. Cost: an eigendecomposition (d^3) per hop, direction and fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, product

import torch

from anybind.fit_data import FitData
from anybind.methods.chain import Chain, Pair, Route, new_chain
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.hops import RIDGES, Regression, hop_score
from anybind.methods.meeting import Meeting
from anybind.methods.selection import held_out_mrr, selection_folds
from anybind.methods.whitening import Whitening

WHITENINGS = (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
_SELECTION_FOLDS = 3

Table = dict[tuple[float, float], float]


@dataclass(frozen=True, kw_only=True)
class Pivot(ChainBinder):
    """Ridge regressions onto the pivot.

    Args:
        ridge: Ridge of every hop relative to the mean eigenvalue, or "auto" to choose per hop.
        whitening: Shrinkage of the pivot's covariance before it is whitened, in units of its mean eigenvalue:
            0 whitens fully, a large number hardly at all. "auto" chooses it per space.
    """

    ridge: float | str = "auto"
    whitening: float | str = "auto"

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """See ``ChainBinder.chained``."""
        meeting = Meeting.of(data.moments, targets, routes)
        ridges, whitenings = self._choose(data, meeting.hops())
        groups = data.groups()
        maps = {(a, b): Regression.of(groups, a, b).map("ridge", ridge) for (a, b), ridge in ridges.items()}
        whitening = Whitening.of(groups, whitenings)
        white = {space: whitening.map(space, strength) for space, strength in whitenings.items()}
        carried = {
            (space, place): reduce(torch.matmul, [*(maps[hop] for hop in pairwise(way)), white[place]])
            for (space, place), way in meeting.ways.items()
        }
        chosen = {f"ridge {a} to {b}": ridge for (a, b), ridge in ridges.items()}
        chosen |= {f"whitening {space}": strength for space, strength in whitenings.items()}
        chain = new_chain(data.moments, targets, carried, meeting.hub, meeting.places)
        return chain, chosen

    def _choose(self, data: FitData, hops: Sequence[Pair]) -> tuple[dict[Pair, float], dict[str, float]]:
        """A ridge per hop, and a whitening per space that hops lead to."""
        ridges = {(a, b): _candidates(self.given(f"ridge {a} to {b}", self.ridge), RIDGES) for a, b in hops}
        goals = sorted({goal for _, goal in hops})
        whitenings = {s: _candidates(self.given(f"whitening {s}", self.whitening), WHITENINGS) for s in goals}
        if all(len(candidates) == 1 for candidates in (*ridges.values(), *whitenings.values())):
            return {hop: ridge for hop, (ridge,) in ridges.items()}, {s: w for s, (w,) in whitenings.items()}
        tables = {hop: _held_out_scores(data, *hop, ridges[hop], whitenings[hop[1]]) for hop in hops}
        best = {}
        for goal in goals:
            into = {hop: table for hop, table in tables.items() if hop[1] == goal}

            def quality(strength: float, into: Mapping[Pair, Table] = into) -> float:
                return sum(max(table[r, strength] for r in ridges[hop]) for hop, table in into.items())

            best[goal] = max(whitenings[goal], key=quality)
        return {hop: max(ridges[hop], key=lambda r: table[r, best[hop[1]]]) for hop, table in tables.items()}, best


def _candidates(given: float | str, usual: Sequence[float]) -> Sequence[float]:
    return usual if given == "auto" else (float(given),)


def _held_out_scores(
    data: FitData, a: str, b: str, ridges: Sequence[float], whitenings: Sequence[float]
) -> Table:
    """How well held-out rows of a hop find each other in b, for every ridge and whitening of b."""
    edges = [edge for edge in data.moments.edges() if {a, b} == set(edge[1:])]
    folds = selection_folds(data, edges, limit=_SELECTION_FOLDS)
    span = Regression.of(data.groups(), a, b).span()
    totals = dict.fromkeys(product(ridges, whitenings), 0.0)
    for fold in folds:
        groups = data.groups(without_fold=fold)
        regression, whitening = Regression.of(groups, a, b, span), Whitening.of(groups, [b])
        means = data.means(without_fold=fold)
        white = {strength: whitening.map(b, strength) for strength in whitenings}
        for ridge in ridges:
            matrix = regression.map("ridge", ridge)
            for strength in whitenings:
                score = hop_score(matrix, a, white[strength])
                totals[ridge, strength] += held_out_mrr(score, data, edges, fold, means) / len(folds)
    return totals
