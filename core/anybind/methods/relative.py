"""``relative``: a row is described by the stored rows it resembles, and so carried to the pivot.

The training rows of a hop are a memory of pairs. A row x of A is compared with the memory's rows of A by
cosine in whitened coordinates, and its similarities, made sparse and powered, weigh the memory's rows of B::

    x -> sum_i s_i b_i / |sum_i s_i b_i|,      s_i = max(0, cos(x, a_i))^power, the largest few only

Similarities to anchors are the relative representation of Moschella et al. (2023, arXiv:2209.15430) and of ASIF
(Norelli et al. 2023, arXiv:2210.01738: sparse and powered); taking them through a memory to a shared modality is
C-MCR's step (Wang et al. 2023, arXiv:2305.14381). Nothing linear is assumed: it is a local average. As in
``pivot``, the two ends of a route meet in its middle space, each carried there hop by hop; two middle spaces
count equally. The joint space is the pivot of the first target.

The anchors are training rows (whitened): **they are saved with the binder**. They are drawn from the rows kept
for choosing options, so a data set has no more than those. Whitening (one for all spaces), and neighbours and
power of every hop, are chosen by retrieval on held-out rows. Cost: embedding n rows takes n * anchors * dims per hop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise, product
from typing import Any

import torch

from anybind.errors import ArtifactError, NoPathError
from anybind.fit_data import FitData
from anybind.methods.chain import Pair, Route
from anybind.methods.hops import cosine, unit_rows
from anybind.methods.meeting import Meeting
from anybind.methods.memory import Memory, stored_rows
from anybind.methods.on_features import OnFeatures
from anybind.methods.selection import Score, held_out_mrr, selection_folds
from anybind.methods.similarity import InnerProduct
from anybind.methods.space_map import SpaceMap, pooled_means
from anybind.methods.whitening import Whitening
from anybind.steps import Steps, UnitLength

WHITENINGS = (0.3, 1.0, 3.0, 10.0, 100.0)
NEIGHBOURS = (10, 30, 100, 1000)
POWERS = (1.0, 2.0, 4.0, 8.0)
_OPTIONS = ("anchors", "neighbours", "power", "whitening")
_SELECTION_FOLDS = 3

Lookup = tuple[int, float]


@dataclass(frozen=True, kw_only=True)
class Relative(OnFeatures):
    """Similarities to stored pairs, carried to the pivot.

    Args:
        anchors: Stored rows of a hop, at most.
        neighbours: Stored rows that count for a row, at most, or "auto" to choose it per hop.
        power: Of the similarities, or "auto" to choose it per hop.
        whitening: Shrinkage of every space's covariance before it is whitened, in units of its mean eigenvalue,
            or "auto" to choose one for all.
        features: As in ``OnFeatures``; the vectors themselves by default.
    """

    anchors: int = 2000
    neighbours: int | str = "auto"
    power: float | str = "auto"
    whitening: float | str = "auto"
    features: str = "identity"
    meeting: Meeting | None = None
    spaces: Mapping[str, SpaceMap] = field(default_factory=dict)
    memories: Mapping[Pair, Memory] = field(default_factory=dict)
    chosen: Mapping[str, float] | None = None

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        seed: int = 0,
    ) -> Relative:
        """Store the pairs of every hop that some route needs; see ``BinderMethod.fit``. The seed draws anchors.

        Raises:
            SelectionError: an option is "auto" and too few paired rows can be held out, or no rows were kept.
            DataError: a space does not vary.
            NoPathError: no data set holds two spaces.
        """
        meeting = Meeting.of(data.moments, targets, routes or {})
        hops = meeting.hops()
        whitening, choices = self._choose(data, hops, seed)
        held = {space for hop in hops for space in hop}
        white = Whitening.of(data.groups(), held)
        maps = {space: white.map(space, whitening) for space in held}
        memories = {
            hop: Memory(*_stored(data, hop, maps, self.anchors, seed), neighbours, power)
            for hop, (neighbours, power) in choices.items()
        }
        means = pooled_means(data.moments)
        spaces = {space: SpaceMap(means[space], matrix) for space, matrix in maps.items()}
        chosen = {"whitening": whitening}
        for (a, b), (neighbours, power) in choices.items():
            chosen |= {f"neighbours {a} to {b}": neighbours, f"power {a} to {b}": power}
        return replace(self, meeting=meeting, spaces=spaces, memories=memories, chosen=chosen)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows carried to the hub's whitened coordinates, unit length: (n, dim) -> (n, r) float32.

        Raises:
            NoPathError: no chain of paired rows leads from the space to the hub.
        """
        return self._carried(space, vectors, self._meeting().hub)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32: mean of the cosines in the spaces where the two meet.

        Raises:
            NoPathError: the binder was fitted without a route between the two.
        """
        places = self._places(space_a, space_b)
        tables = [cosine(self._carried(space_a, a, place), self._carried(space_b, b, place)) for place in places]
        return torch.stack(tables).mean(0)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        way = self._way(space, self._meeting().hub)
        return *self.spaces[space].embedding_steps(), UnitLength(), *(self.memories[hop] for hop in pairwise(way))

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product: of unit rows at every place, side by side; errors as it."""
        places = self._places(space_a, space_b)

        def side(space: str, rows: torch.Tensor) -> torch.Tensor:
            parts = [unit_rows(self._carried(space, rows, place)) for place in places]
            return torch.cat(parts, 1) / math.sqrt(len(parts))

        return InnerProduct(partial(side, space_a), partial(side, space_b))

    def config(self) -> dict[str, Any]:
        """Options and fitted choices."""
        meeting = self._meeting()
        return {
            **{name: getattr(self, name) for name in _OPTIONS}, **self.feature_config(),
            "chosen": dict(self.chosen or {}), "hub": meeting.hub, "spaces": sorted(self.spaces),
            "places": [[list(pair), list(places)] for pair, places in sorted(meeting.places.items())],
            "ways": [list(way) for _, way in sorted(meeting.ways.items())],
            "memories": [[*hop, memory.neighbours, memory.power] for hop, memory in sorted(self.memories.items())],
        }  # fmt: skip

    def tensors(self) -> dict[str, torch.Tensor]:
        """Per space its whitening map, and per hop its anchors in both spaces, ``<a>~<b>/<a>`` and ``<a>~<b>/<b>``."""
        result: dict[str, torch.Tensor] = {}
        for space, linear in self.spaces.items():
            result |= linear.tensors(space)
        for (a, b), memory in self.memories.items():
            result |= {_anchors(a, b): memory.near, _anchors(b, a): memory.far}
        return result

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Relative:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a tensor has the wrong shape.
            KeyError: a tensor or a field is missing; ``Binder.from_pretrained`` explains it.
        """
        spaces = {space: SpaceMap.restore(space, tensors) for space in config["spaces"]}
        memories = {}
        for a, b, neighbours, power in config["memories"]:
            near, far = tensors[_anchors(a, b)], tensors[_anchors(b, a)]
            expected = [(len(near), spaces[space].matrix.shape[1]) for space in (a, b)]
            if [tuple(near.shape), tuple(far.shape)] != expected:
                got = [tuple(near.shape), tuple(far.shape)]
                raise ArtifactError("anchors have the wrong shape", where=f"{a} to {b}", got=got, expected=expected)
            memories[a, b] = Memory(near, far, neighbours, power)
        places = {(a, b): tuple(middle) for (a, b), middle in config["places"]}
        meeting = Meeting(config["hub"], places, {(way[0], way[-1]): tuple(way) for way in config["ways"]})
        options = {name: config[name] for name in _OPTIONS} | cls.saved_features(config)
        return cls(**options, meeting=meeting, spaces=spaces, memories=memories, chosen=dict(config["chosen"]))

    def _choose(self, data: FitData, hops: Sequence[Pair], seed: int) -> tuple[float, dict[Pair, tuple[int, float]]]:
        """One whitening, and neighbours and power per hop: what retrieves best, averaged over hops."""
        whitenings = WHITENINGS if self.whitening == "auto" else (float(self.whitening),)
        neighbours = NEIGHBOURS if self.neighbours == "auto" else (int(self.neighbours),)
        powers = POWERS if self.power == "auto" else (float(self.power),)
        lookups = list(product(neighbours, powers))
        if len(whitenings) == len(lookups) == 1:
            return whitenings[0], dict.fromkeys(hops, lookups[0])
        tables = {hop: _held_out_scores(data, hop, whitenings, lookups, self.anchors, seed) for hop in hops}
        best = max(whitenings, key=lambda w: sum(max(table[w, each] for each in lookups) for table in tables.values()))
        return best, {hop: max(lookups, key=lambda each: table[best, each]) for hop, table in tables.items()}

    def _places(self, space_a: str, space_b: str) -> Route:
        own = (space_a,) if space_a == space_b else ()
        places = self._meeting().places.get((min(space_a, space_b), max(space_a, space_b)), own)
        if not places:
            raise _no_route(space_a, space_b)
        return places

    def _way(self, space: str, place: str) -> Route:
        own = (space,) if space == place and space in self.spaces else ()
        way = self._meeting().ways.get((space, place), own)
        if not way:
            raise _no_route(space, place)
        return way

    def _carried(self, space: str, vectors: torch.Tensor, place: str) -> torch.Tensor:
        way = self._way(space, place)
        rows = unit_rows(self.spaces[space](vectors)).to(torch.float32)
        for hop in pairwise(way):
            rows = self.memories[hop](rows)
        return rows

    def _meeting(self) -> Meeting:
        assert self.meeting is not None, "fit first"  # noqa: S101 - users hold binders, which are always fitted
        return self.meeting


def _held_out_scores(
    data: FitData, hop: Pair, whitenings: Sequence[float], lookups: Sequence[Lookup], anchors: int, seed: int
) -> dict[tuple[float, Lookup], float]:
    """How well held-out rows of a hop find each other in the space carried to, for every choice."""
    edges = [edge for edge in data.moments.edges() if set(hop) == set(edge[1:])]
    folds = selection_folds(data, edges, limit=_SELECTION_FOLDS)
    whole = Whitening.of(data.groups(), hop)
    totals = dict.fromkeys(product(whitenings, lookups), 0.0)
    for fold in folds:
        white, means = Whitening.of(data.groups(without_fold=fold), hop, within=whole), data.means(without_fold=fold)
        for whitening in whitenings:
            maps = {space: white.map(space, whitening) for space in hop}
            near, far = _stored(data, hop, maps, anchors, seed, fold)
            for lookup in lookups:
                score = _score(Memory(near, far, *lookup), hop[0], maps)
                totals[whitening, lookup] += held_out_mrr(score, data, edges, fold, means) / len(folds)
    return totals


def _score(memory: Memory, source: str, maps: Mapping[str, torch.Tensor]) -> Score:
    """Cosines of centred rows in the space carried to."""

    def score(a: str, rows_a: torch.Tensor, b: str, rows_b: torch.Tensor) -> torch.Tensor:
        sides = [
            (memory(rows) if space == source else rows)
            for space, rows in ((a, _whitened(rows_a, maps[a])), (b, _whitened(rows_b, maps[b])))
        ]
        return cosine(*sides)

    return score


def _stored(
    data: FitData, hop: Pair, maps: Mapping[str, torch.Tensor], count: int, seed: int, without_fold: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The anchors of a hop in both spaces, whitened."""
    near, far = stored_rows(data, hop, count, seed, without_fold)
    return _whitened(near, maps[hop[0]]), _whitened(far, maps[hop[1]])


def _whitened(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return unit_rows(rows.to(torch.float64) @ matrix).to(torch.float32)


def _anchors(own: str, other: str) -> str:
    """The name of the tensor that holds a hop's anchors in one of its spaces."""
    return f"{'~'.join(sorted((own, other)))}/{own}"


def _no_route(space: str, goal: str) -> NoPathError:
    return NoPathError(
        "the binder was fitted without a route between two spaces", where=f"{space!r} to {goal!r}",
        hint="fit with this pair among the targets",
    )  # fmt: skip
