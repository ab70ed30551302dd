"""``mox``: BrokenBind as published (arXiv:2602.06451), on heads trained over stored embeddings.

Data set 1 holds (a, b), data set 2 holds (b, c). A step takes a batch of each. Every data set gets
pseudo-embeddings of the ends that it lacks, c~1 = B1 (B2)^+ C2 and a~2 = B2 (B1)^+ A1 (Eq. 8; along a chain of
data sets, Eq. 21), and its real rows are contrasted with them:

    L = w_clip L_CLIP (Eq. 10) + w_in-modal L_Xdata (Eq. 12) + w_cross-modal L_Xmod (Eq. 11)     all epochs
      + w_mox L_MOX (Eq. 4) + w_frobenius R_Fro (Eq. 9)                                          second stage

each term a sum over data sets, spaces or completions, as in the paper. Gradient stops at the pseudo-inverses
only (Algorithm 1). The heads alone are kept, and a score is a cosine.

The foreign rows of Eq. 10 are negatives that MOX has to work against: with them and without MOX, a and c end up
apart, at chance or below. The default preset leaves them out.

Use it to compare with the paper; ``mox-closed-form`` is its first equation without training. Cost: as
``all-pairs``, and per step and hop a decomposition of batch_size x joint_dim numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial, reduce
from itertools import combinations, pairwise, permutations
from typing import Any, ClassVar

import torch
from torch import Tensor

from anybind.errors import UsageError
from anybind.methods.hops import shortest_routes
from anybind.methods.trained import Pair, Route, Setting, TrainedMethod
from anybind.objectives.cyclip import cross_modal_consistency, in_modal_consistency
from anybind.objectives.foreign_negatives import foreign_negatives_info_nce
from anybind.objectives.mox import frobenius, mox_contrast
from anybind.objectives.transitions import Hop, modal_extrapolation, pseudo_embeddings, pseudo_inverse
from anybind.training.step import ByDataset, Objective, Step


@dataclass(frozen=True)
class Weights:
    """What each part of the loss counts; ``foreign``: what other data sets' rows count within L_CLIP."""

    mox: float = 1.0
    frobenius: float = 0.0
    clip: float = 1.0
    foreign: float = 1.0
    in_modal: float = 1.0
    cross_modal: float = 1.0


# BrokenBind writes no weights, so 1. CyCLIP, whose consistency terms it takes over, trains with a quarter of
# each, and contrasts the rows of one data set only.
PRESETS = {"paper": Weights(), "cyclip": Weights(foreign=0.0, in_modal=0.25, cross_modal=0.25)}
_FROM_PRESET = "preset"


@dataclass(frozen=True)
class Mox(TrainedMethod):
    """Heads trained on real and extrapolated rows.

    Args:
        preset: Weights for those that are not given: "paper" or "cyclip".
        mox, frobenius, clip, foreign, in_modal, cross_modal: A weight, >= 0, or "preset"; see ``Weights``.
        first_stage: Share of the epochs that train without MOX, in [0, 1].
        transition: "ridge", "rank" or "pinv": how pivots are inverted.
        transition_strength: The ridge in units of the mean squared singular value, or the rank.
        measured_on: "batch": transitions are those of each batch; "data-set": those of all rows, once an epoch.
        features: As in ``OnFeatures``; the vectors themselves by default, as published.
    """

    preset: str = "cyclip"
    mox: float | str = _FROM_PRESET
    frobenius: float | str = _FROM_PRESET
    clip: float | str = _FROM_PRESET
    foreign: float | str = _FROM_PRESET
    in_modal: float | str = _FROM_PRESET
    cross_modal: float | str = _FROM_PRESET
    first_stage: float = 0.5
    transition: str = "ridge"
    transition_strength: float = 0.1
    measured_on: str = "batch"
    features: str = "identity"

    label: ClassVar[str] = "mox"
    # A row that shows one space can still be completed.
    fewest: ClassVar[int] = 1

    def settled(self, setting: Setting) -> Mox:
        """With every weight a number."""
        weights: dict[str, Any] = asdict(PRESETS[self.preset])
        given = {name: getattr(self, name) for name in weights}
        return replace(self, **weights | {name: value for name, value in given.items() if value != _FROM_PRESET})

    def objective(self, setting: Setting) -> Objective:
        """The loss above, for the routes of the targets."""
        moments = setting.data.moments
        held = {dataset: moments.spaces_of(dataset) for dataset in moments.datasets}
        weights = Weights(**{name: float(getattr(self, name)) for name in asdict(Weights())})
        return MoxObjective(
            completions(held, wanted_routes(setting)), weights, self.first_stage, self.transition,
            self.transition_strength, self.measured_on == "batch",
        )  # fmt: skip

    def warm_up_epochs(self) -> int:
        """The first stage, unless there is no second one."""
        first = _first_stage_epochs(self.first_stage, self.epochs)
        return first if first < self.epochs and (self.mox or self.frobenius) else 0


def wanted_routes(setting: Setting) -> list[Route]:
    """A route for every target: the best one given, else the shortest.

    Without targets, for every two spaces that are joined but held together by no data set.
    """
    edges = setting.data.moments.edges()
    direct = {frozenset(edge[1:]) for edge in edges}
    spaces = sorted({space for edge in edges for space in edge[1:]})
    apart = [(a, b) for a, b in combinations(spaces, 2) if frozenset((a, b)) not in direct]
    routes = []
    for a, b in setting.targets or apart:
        given = setting.routes.get((a, b))
        route = tuple(given[0]) if given else shortest_routes(edges, b).get(a, ())
        if len(route) > 1:
            routes.append(route)
    return routes


@dataclass(frozen=True)
class Completion:
    """A space that a data set lacks.

    Attributes:
        dataset: The data set.
        way: From the data set's space nearest to the missing one, to the missing one.
        real: The data set's spaces on the route, which the pseudo-embeddings are contrasted with.
    """

    dataset: str
    way: Route
    real: tuple[str, ...]


def completions(held: Mapping[str, Sequence[str]], routes: Sequence[Route]) -> list[Completion]:
    """Both ends of every route, for each data set that lies on the route and lacks that end.

    Args:
        held: Data set -> its spaces.
        routes: Spaces from end to end; each two neighbours are in one data set.
    """
    found: dict[tuple[str, Route], tuple[str, ...]] = {}
    for route in routes:
        for way in (route, route[::-1]):
            for dataset in sorted(held):
                shown = [space for space in way if space in held[dataset]]
                if shown and way[-1] not in shown:
                    key = dataset, way[way.index(shown[-1]) :]
                    found[key] = tuple(sorted({*found.get(key, ()), *shown}))
    return [Completion(dataset, way, real) for (dataset, way), real in found.items()]


@dataclass(frozen=True)
class MoxObjective:
    """The loss above as a training objective.

    Args:
        completions: What to extrapolate.
        weights: Of the parts.
        first_stage: Share of the epochs that train without MOX, in [0, 1].
        transition: "pinv", "ridge" or "rank".
        strength: Ridge or rank; see ``transitions.pseudo_inverse``.
        per_batch: Measure transitions in every batch, as published; else once an epoch in all rows, and then
            no gradient reaches them at all.
    """

    completions: Sequence[Completion]
    weights: Weights = field(default_factory=Weights)
    first_stage: float = 0.5
    transition: str = "ridge"
    strength: float = 0.1
    per_batch: bool = True
    _maps: dict[Pair, Tensor] = field(default_factory=dict, repr=False)

    def begin_epoch(self, epoch: int, embed_all: Callable[[], tuple[ByDataset, ByDataset]]) -> None:
        """Measure the transitions of an epoch, unless batches do."""
        if self.per_batch or not self.weights.mox:
            return
        embedded, present = embed_all()
        for left, right in {hop for completion in self.completions for hop in pairwise(completion.way)}:
            if any(left in spaces and right in spaces for spaces in embedded.values()):
                rows, reached = _paired(embedded, present, left, right)
                self._maps[left, right] = pseudo_inverse(rows, self.transition, self.strength) @ reached

    def __call__(self, step: Step) -> dict[str, Tensor]:
        """The weighted parts; one of weight 0 is not computed."""
        weights = self.weights
        parts: dict[str, tuple[float, Callable[[Step], Tensor]]] = {
            "clip": (weights.clip, partial(_clip, foreign_weight=weights.foreign)),
            "in_modal": (weights.in_modal, partial(_over_pairs, loss=in_modal_consistency)),
            "cross_modal": (weights.cross_modal, partial(_over_pairs, loss=cross_modal_consistency)),
        }
        if weights.frobenius:
            _require_equal_batches(step)
        if step.epoch >= _first_stage_epochs(self.first_stage, step.epochs):
            parts["mox"] = (weights.mox, self._contrast)
            parts["frobenius"] = (weights.frobenius, self._frobenius)
        return {name: weight * part(step) for name, (weight, part) in parts.items() if weight}

    def _possible(self, step: Step) -> list[Completion]:
        """Those for which there are rows: a part that is held out can take all rows of a tiny data set."""
        held = {dataset: set(rows) for dataset, rows in step.embedded.items()}
        pairs = {hop for spaces in held.values() for hop in permutations(spaces, 2)}
        return [c for c in self.completions if {*c.real} <= held.get(c.dataset, set()) and {*pairwise(c.way)} <= pairs]

    def _contrast(self, step: Step) -> Tensor:
        return _total([self._contrast_of(completion, step) for completion in self._possible(step)])

    def _contrast_of(self, completion: Completion, step: Step) -> Tensor:
        rows, present = step.embedded[completion.dataset], step.present[completion.dataset]
        start, missing = completion.way[0], completion.way[-1]
        pseudo = self._carried(rows[start], completion.way, step)
        real = [(rows[s], _scale(step, s, missing), present[s] & present[start]) for s in completion.real]
        return mox_contrast(real, pseudo)

    def _carried(self, rows: Tensor, way: Route, step: Step) -> Tensor:
        if self.per_batch:
            return pseudo_embeddings(rows, _hops(step, way), self.transition, self.strength)
        return reduce(torch.matmul, [self._maps[hop] for hop in pairwise(way)], rows)

    def _frobenius(self, step: Step) -> Tensor:
        return _total([self._frobenius_of(completion, step) for completion in self._possible(step)])

    def _frobenius_of(self, completion: Completion, step: Step) -> Tensor:
        """Eq. 9 and 22: X-mod of the last hop against X-data, both from the pseudo-pivot before it."""
        rows = step.embedded[completion.dataset][completion.way[0]]
        *before, last = _hops(step, completion.way)
        pivot = pseudo_embeddings(rows, before, self.transition, self.strength)
        x_data = pseudo_embeddings(pivot, [last], self.transition, self.strength)
        return frobenius(modal_extrapolation(pivot, last, self.transition, self.strength), x_data)


def _first_stage_epochs(share: float, epochs: int) -> int:
    return math.ceil(share * epochs)


def _require_equal_batches(step: Step) -> None:
    """Refuse what the literal X-mod is not defined for, in the first step and not after half of the training."""
    counts = {
        f"{int(mask.sum())} rows of {space!r} in data set {dataset!r}": int(mask.sum())
        for dataset, masks in step.present.items()
        for space, mask in masks.items()
    }
    if len(set(counts.values())) > 1:
        raise UsageError(
            "the frobenius term needs batches of equal size without missing rows", where="option frobenius",
            got=", ".join(counts), hint="leave frobenius at 0, or lower batch_size below the smallest data set",
        )  # fmt: skip


def _hops(step: Step, way: Route) -> list[Hop]:
    """The batch's paired rows of each hop, from all data sets that hold both spaces."""
    return [_paired(step.embedded, step.present, left, right) for left, right in pairwise(way)]


def _paired(embedded: ByDataset, present: ByDataset, left: str, right: str) -> Hop:
    lefts, rights = [], []
    for dataset, rows in embedded.items():
        if left in rows and right in rows:
            both = present[dataset][left] & present[dataset][right]
            lefts.append(rows[left][both])
            rights.append(rows[right][both])
    return torch.cat(lefts), torch.cat(rights)


def _clip(step: Step, foreign_weight: float) -> Tensor:
    """Eq. 10 for every space of every data set; where a data set pairs it with several, their mean."""
    terms = []
    for dataset, rows in step.embedded.items():
        present = step.present[dataset]
        for query, partner in permutations(rows, 2):
            mask, scale = present[query] & present[partner], _scale(step, query, partner)
            foreign = _foreign(step, dataset, query)
            loss = foreign_negatives_info_nce(rows[query], rows[partner], scale, foreign, mask, weight=foreign_weight)
            terms.append(loss / (len(rows) - 1))
    return _total(terms)


def _foreign(step: Step, dataset: str, query: str) -> list[tuple[Tensor, Tensor]]:
    """The rows of all other data sets in spaces other than the query's, and the scale between them and it."""
    return [
        (rows[step.present[other][space]], _scale(step, query, space))
        for other, spaces in step.embedded.items()
        if other != dataset
        for space, rows in spaces.items()
        if space != query
    ]


def _over_pairs(step: Step, loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """The sum over every two spaces of every data set."""
    terms = []
    for dataset, rows in step.embedded.items():
        present = step.present[dataset]
        terms += [loss(rows[a], rows[b], present[a] & present[b]) for a, b in combinations(rows, 2)]
    return _total(terms)


def _scale(step: Step, a: str, b: str) -> Tensor:
    return (step.scales[a] * step.scales[b]).sqrt()


def _total(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum() if terms else torch.zeros(())
