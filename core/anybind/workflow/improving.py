"""What would help a pair of spaces most: more pairs on a hop, true pairs, or a data set that somebody has.

Everything is calculated from the vectors at hand. What more pairs bring is read off what half of them lack: the step
from half of a hop's rows to all of them. Every doubling brings less than the one before, as if what is missing fell as
the root of the rows; so all that could ever come is 2.4 such steps. True pairs are taken to do as well as the weakest
hop does with as many: one of the two spaces is as hard to find there. Where only the pivot is noisy they do better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from math import log2
from typing import TYPE_CHECKING, Any

import torch

from anybind.bridge_plan import Edge
from anybind.errors import SelectionError
from anybind.fitting import fit_sources
from anybind.rows import Batch, RowSource, fold_of
from anybind.workflow.graph import no_route
from anybind.workflow.vectors import require_extracted, row_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybind.binder import Binder
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph

Pair = tuple[str, str]
MORE_PAIRS, TRUE_PAIRS = 200, 300
_K = 10
_PARTS = 1000  # rows are thinned by a hash into so many parts
_MOST_DATASETS = 5  # of the catalogue
_SHRINK = 2**-0.5  # from what one doubling of the rows brings to what the next one does


@dataclass(frozen=True)
class WhatIf:
    """One thing that could be done.

    Attributes:
        action: In words.
        spaces: The spaces that it would pair.
        pairs: How many pairs it adds.
        recall: R@10 to expect then, of 1; None where only pair counts are known.
        gain: What that is more than now.
        why: How it was calculated.
    """

    action: str
    spaces: Pair
    pairs: int | None
    recall: float | None
    gain: float | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "action": self.action, "spaces": list(self.spaces), "pairs": self.pairs, "recall": {str(_K): self.recall},
            "gain": self.gain, "why": self.why,
        }  # fmt: skip


def what_if(
    graph: Graph,
    store: EmbeddingStore,
    pair: Pair,
    *,
    gallery: int = 1000,
    more: int = MORE_PAIRS,
    true_pairs: int = TRUE_PAIRS,
    seed: int = 0,
    echo: Callable[[str], None] | None = None,
) -> list[WhatIf]:
    """What would raise the R@10 to expect of a pair, the best first; what only counts are known of last.

    Args:
        graph: The graph; its vectors are in the store.
        store: Where they lie.
        pair: Two spaces of it that a route joins.
        gallery: Items to choose from.
        more: Pairs to add to each hop.
        true_pairs: True pairs of the two to think of.
        seed: The seed the data sets are opened for.
        echo: Told each fit: there are one or two, and two more for each hop; three where more true pairs are thought of
            than the hop has.

    Raises:
        NoPathError: no route joins the two.
        DataError: the vectors have not been extracted.
        SelectionError: too few rows for a forecast.
    """
    trial = _Trial(graph, store, pair, gallery, seed, echo or (lambda _: None))
    hops = [_Hop(trial, hop) for hop in trial.hops]
    found = [hop.with_more(more, f"{more} more pairs of {' and '.join(hop.spaces)}") for hop in hops]
    if not trial.direct:
        found.append(_true_pairs(trial, hops, true_pairs, f"{true_pairs} true pairs of {' and '.join(pair)}"))
    found += _from_catalogue(trial, hops)
    return sorted(found, key=lambda each: -1.0 if each.gain is None else each.gain, reverse=True)


class _Trial:
    """Fits of a graph's data, whole and thinned, and the R@10 that each expects."""

    def __init__(
        self, graph: Graph, store: EmbeddingStore, pair: Pair, gallery: int, seed: int, echo: Callable[[str], None]
    ) -> None:
        self.graph, self.pair, self.gallery, self.seed, self._echo = graph, pair, gallery, seed, echo
        plan = graph.plan(*pair)
        if not plan.paths:
            raise no_route(plan, graph.path)
        datasets = graph.training(seed)
        require_extracted(graph, store, datasets)
        self.sources = {name: row_source(graph, store, name, dataset) for name, dataset in datasets.items()}
        self._method: str = graph.declaration.bind.method
        self._options: Mapping[str, Any] = graph.declaration.bind.options
        binder = self._fitted({}, pair)
        if binder.method_name == "auto":  # all trials by one method, the one that it has chosen
            self._method, self._options = _chosen(graph, binder)
            binder = self._fitted({}, pair)
        self.now = self._expected(binder, pair)
        path = binder.forecast(*pair, gallery=gallery).path
        self.direct = len(path) == 2
        self.hops = list(pairwise(path))

    def pairs_of(self, hop: Pair) -> dict[str, int]:
        """Data set -> its rows that hold both ends of a hop; those that have some."""
        held = {name: _paired(source, hop) for name, source in self.sources.items() if set(hop) <= set(source.dims)}
        return {name: count for name, count in held.items() if count}

    def recall(self, shares: Mapping[str, float], pair: Pair) -> float:
        """R@10 to expect of a pair, with a share of the rows of some data sets."""
        return self._expected(self._fitted(shares, pair), pair)

    def _fitted(self, shares: Mapping[str, float], pair: Pair) -> Binder:
        thinned = ", ".join(f"{share:.0%} of {name}" for name, share in shares.items())
        self._echo(f"fitting {self._method} to {thinned or 'all rows'}")
        sources = [
            replace(source, batches=partial(_thinned, source, shares[name])) if name in shares else source
            for name, source in self.sources.items()
        ]
        return fit_sources(sources, method=self._method, options=self._options, targets=[pair], seed=self.seed,
                           registry=self.graph.registry, forecast=True)  # fmt: skip

    def _expected(self, binder: Binder, pair: Pair) -> float:
        if binder.basis is None:
            raise SelectionError(
                "there are too few rows to tell what more of them would bring", where=" and ".join(pair),
                expected="20 or more pairs on each hop",
            )  # fmt: skip
        return binder.forecast(*pair, gallery=self.gallery, ks=(_K,)).recall[_K]


class _Hop:
    """How much a hop's rows bring."""

    def __init__(self, trial: _Trial, spaces: Pair) -> None:
        self.spaces, self._trial = spaces, trial
        self.pairs = trial.pairs_of(spaces)
        self._known: dict[float, float] = {}  # share of the rows -> R@10 of the hop's own ends

    @property
    def count(self) -> int:
        """Pairs of all data sets."""
        return sum(self.pairs.values())

    @cached_property
    def step(self) -> float:
        """What the second half of the rows brings to the pair that was asked about."""
        return self._trial.now - self._trial.recall(dict.fromkeys(self.pairs, 0.5), self._trial.pair)

    def with_more(self, more: int, action: str) -> WhatIf:
        """With so many more pairs."""
        gain = min(_further(self.step, 1 + more / self.count), 1 - self._trial.now)
        why = f"half of the {self.count:,} pairs there are expect {self.step:+.3f} less"
        return WhatIf(action, self.spaces, more, self._trial.now + gain, gain, why)

    def alone(self, count: int) -> float:
        """R@10 to expect of the hop's own ends with so many pairs, also with more than there are."""
        if count <= self.count:
            return self._own(count / self.count)
        every = self._own(1.0)
        return min(every + _further(every - self._own(0.5), count / self.count), 1.0)

    def _own(self, share: float) -> float:
        if share not in self._known:
            shares = dict.fromkeys(self.pairs, share) if share < 1 else {}
            self._known[share] = self._trial.recall(shares, self.spaces)
        return self._known[share]


def _further(step: float, times: float) -> float:
    """What so many times the rows bring, where the second half of them has brought a step."""
    steps: float = _SHRINK * (1 - _SHRINK ** log2(times)) / (1 - _SHRINK)
    return max(step, 0.0) * steps


def _true_pairs(trial: _Trial, hops: Sequence[_Hop], count: int, action: str) -> WhatIf:
    reached, weakest = min((hop.alone(count), hop.spaces) for hop in hops)
    recall = max(reached, trial.now)
    why = f"with {count:,} pairs {' and '.join(weakest)}, the weakest hop, expect R@{_K} {reached:.3f} of each other"
    return WhatIf(action, trial.pair, count, recall, recall - trial.now, why)


def _from_catalogue(trial: _Trial, hops: Sequence[_Hop]) -> Iterator[WhatIf]:
    """Data sets that are known and not used: more pairs of a hop, or a new way between the two."""
    used = {use.use for use in trial.graph.declaration.datasets.values()}
    known = [edge for edge in trial.graph.known_edges() if edge.pairs and edge.name not in used]
    on_a_hop = [(edge, hop) for edge in known for hop in hops if set(edge.spaces) == set(hop.spaces)]
    best = sorted(on_a_hop, key=lambda found: -(found[0].pairs or 0))[:_MOST_DATASETS]
    yield from (hop.with_more(edge.pairs or 0, f"the data set {edge.name}") for edge, hop in best)
    direct = [edge for edge in known if set(edge.spaces) == set(trial.pair)]
    for edge in sorted(direct, key=lambda each: -(each.pairs or 0))[: 0 if trial.direct else 1]:
        yield _true_pairs(trial, hops, edge.pairs or 0, f"the data set {edge.name}: true pairs")
    yield from _new_routes(trial, [edge for edge in known if edge not in direct])


def _new_routes(trial: _Trial, known: Sequence[Edge]) -> Iterator[WhatIf]:
    """What would join the two by another route, with nothing but pair counts to judge it by."""
    present = trial.graph.bridge()
    hops = {hop.spaces for hop in present.hops}
    now = {path.spaces for path in trial.graph.plan(*trial.pair).paths}
    for edge in sorted(known, key=lambda each: (-each.quality, each.name)):
        if edge.spaces in hops or not set(edge.spaces) <= set(present.spaces):
            continue
        plan = type(present)(present.spaces, [*(e for hop in present.hops for e in hop.edges), edge]).plan(*trial.pair)
        new = next((path for path in plan.paths if path.spaces not in now), None)
        if new is not None:
            hops.add(edge.spaces)
            why = f"by pair counts alone the route {' – '.join(new.spaces)} costs {new.cost:.2f}"
            yield WhatIf(f"the data set {edge.name}: another route", edge.spaces, edge.pairs, None, None, why)


def _chosen(graph: Graph, binder: Binder) -> tuple[str, Mapping[str, Any]]:
    """The method that ``auto`` has chosen, and the declared options that it has too."""
    chosen = str(binder.fitted["scoring"][0])
    known = graph.registry.binder(chosen).spec.options
    return chosen, {name: value for name, value in graph.declaration.bind.options.items() if name in known}


def _paired(source: RowSource, hop: Pair) -> int:
    """Rows that hold both ends."""
    found = 0
    for batch in source.batches():
        held = torch.ones(len(batch.ids), dtype=torch.bool)
        for space in hop:
            held &= batch.present.get(space, held)
        found += int(held.sum())
    return found


def _thinned(source: RowSource, share: float) -> Iterator[Batch]:
    """A share of the rows, near-duplicates together; the same ones in every pass."""
    for batch in source.batches():
        names = batch.groups or batch.ids
        kept = [i for i, name in enumerate(names) if fold_of(name, 0, _PARTS) < share * _PARTS]
        rows = torch.tensor(kept, dtype=torch.long)
        vectors, present = ({s: part[rows] for s, part in parts.items()} for parts in (batch.vectors, batch.present))
        groups = None if batch.groups is None else tuple(batch.groups[i] for i in kept)
        yield Batch(tuple(batch.ids[i] for i in kept), vectors, present, groups)
