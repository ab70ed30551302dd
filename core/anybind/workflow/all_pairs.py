"""The matrix of all pairs of a graph's binder, measured on every true pair that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anybind.evaluation.matrix import MatrixRow, Pair, PairedRows, evaluation_matrix, paired_rows
from anybind.extract import read_space
from anybind.fit_context import FitContext
from anybind.workflow.evaluating import require_same_encoders
from anybind.workflow.fitting import fit_oracle
from anybind.workflow.vectors import dataset_info, space_key

if TYPE_CHECKING:
    from pathlib import Path

    from anybind.binder import Binder
    from anybind.declaration import DatasetUse
    from anybind.progress import EpochCallback
    from anybind.protocols import Dataset
    from anybind.store import EmbeddingStore
    from anybind.workflow.evaluating import EntryResult
    from anybind.workflow.graph import Graph


def graph_matrix(
    graph: Graph,
    store: EmbeddingStore,
    binder: Binder,
    *,
    seed: int = 0,
    gallery: int | None = None,
    judged: Sequence[EntryResult] = (),
    checkpoints: Path | None = None,
    progress: EpochCallback | None = None,
) -> tuple[MatrixRow, ...]:
    """Judge a binder on every pair of its spaces, for one seed.

    True pairs come from the data sets under ``evaluate:``, and from those under ``datasets:`` that the binder was
    not fitted on; as far as their vectors are stored. Rows that were trained on are left out, and so are rows of a
    group that was. The rows of a pair are those of one data set: of an entry that names the pair, else of the one
    with the most. An oracle's true pairs are never tested on.

    Args:
        graph: The graph.
        store: Where the vectors lie.
        binder: Fitted on the graph's data sets, or on those of an earlier state of it.
        seed: The seed the data sets under ``evaluate:`` are opened for.
        gallery: As of ``anybind.evaluation.evaluation_matrix``.
        judged: What ``evaluate_graph`` found of the same binder and seed; saves fitting its oracles again.
        checkpoints, progress: As of ``fit_graph``, for the oracles.

    Raises:
        EvaluationError: the binder was fitted on vectors of another encoder.
        DataError: an oracle's true pairs have not been extracted.
    """
    require_same_encoders(graph, binder)
    tests = untrained_pairs(graph, store, binder, seed)
    shares = {pair: share for pair, rows in tests.items() if (share := _known_share(judged, pair, rows)) is not None}
    context, oracles = FitContext(checkpoints=checkpoints, progress=progress), {}
    for index, entry in enumerate(graph.declaration.evaluate):
        pair = _named(tests, entry.pair)
        if pair is None or tests[pair].dataset != _label(index) or pair in shares:
            continue
        oracle = fit_oracle(graph, store, index, seed=seed, method=binder.method_name, context=context)
        if oracle is not None:
            oracles[pair] = oracle
    rows = evaluation_matrix(binder, tests, oracles=oracles, gallery=gallery)
    return tuple(
        replace(row, share_of_oracle=shares[pair]) if (pair := _named(shares, row.pair)) else row for row in rows
    )


def untrained_pairs(graph: Graph, store: EmbeddingStore, binder: Binder, seed: int) -> dict[Pair, PairedRows]:
    """For every pair of the binder's spaces that has some, the true pairs that it was not fitted on."""
    found: dict[Pair, PairedRows] = {}
    named: set[Pair] = set()
    for source in _sources(graph, binder, seed):
        for pair, rows in _pairs_of(graph, store, source, list(binder.spaces)).items():
            asked = frozenset(pair) == source.asked
            better = pair not in found or len(rows) > len(found[pair])
            if pair not in named and (asked or better):
                found[pair] = rows
            named |= {pair} if asked else set()
    return found


class _Seen:
    """Items that must not be tested on, and the groups of near-duplicates they belong to."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._items = {(dataset.collection, item) for dataset in datasets for item in dataset.ids}
        self._groups = {
            (dataset.collection, group) for dataset in datasets for group in getattr(dataset, "groups", None) or ()
        }

    def fresh(self, dataset: Dataset) -> list[bool]:
        """For every row, whether it may be tested on."""
        groups = getattr(dataset, "groups", None) or [None] * len(dataset)
        return [
            (dataset.collection, item) not in self._items and (dataset.collection, group) not in self._groups
            for item, group in zip(dataset.ids, groups, strict=True)
        ]


@dataclass(frozen=True)
class _Source:
    """A data set to test on: its label, the pair it is declared for, if any, and what of it must not be tested."""

    label: str
    dataset: Dataset
    asked: frozenset[str]
    seen: _Seen


def _sources(graph: Graph, binder: Binder, seed: int) -> Iterator[_Source]:
    unseen = _unseen_datasets(graph, binder)
    trained = [data for name, data in graph.training(binder.training.seed).items() if name not in unseen]
    for index, entry in enumerate(graph.declaration.evaluate):
        label = _label(index)
        oracle = [] if entry.oracle is None else [graph.open(entry.oracle, seed, f"{label}.oracle")]
        dataset = graph.open(entry.dataset, seed, label)
        yield _Source(label, dataset, frozenset(entry.pair), _Seen([*trained, *oracle]))
    for name, use in unseen.items():
        yield _Source(name, graph.open(use, seed, name), frozenset(), _Seen(trained))


def _unseen_datasets(graph: Graph, binder: Binder) -> Mapping[str, DatasetUse]:
    """The declared data sets that the binder was not fitted on.

    Where it was fitted on others than the declared ones, none: nobody can tell which of their items it has seen.
    """
    declared = graph.declaration.datasets
    for name, info in binder.training.datasets.items():
        known = None if name not in declared else dataset_info(graph, declared[name])
        if known is None or (known.use, known.options) != (info.use, info.options):
            return {}
    return {name: use for name, use in declared.items() if name not in binder.training.datasets}


def _pairs_of(
    graph: Graph, store: EmbeddingStore, source: _Source, spaces: Sequence[str]
) -> dict[Pair, PairedRows]:
    dataset, fresh = source.dataset, source.seen.fresh(source.dataset)
    held = [graph.spaces[name] for name in spaces if name in graph.spaces]
    held = [space for space in held if space.modality in dataset.modalities]
    vectors: dict[str, Any] = {}
    present: dict[str, Any] = {}
    for space in held:
        rows, there = read_space(dataset, space_key(graph, space, dataset.collection), store)
        vectors[space.name], present[space.name] = rows, [a and b for a, b in zip(there.tolist(), fresh, strict=True)]
    return paired_rows(
        vectors, present=present, ids=list(dataset.ids), dataset=source.label, left_out=fresh.count(False)
    )


def _known_share(judged: Sequence[EntryResult], pair: Pair, rows: PairedRows) -> float | None:
    """The share of the oracle that was found before, if it was on the same rows."""
    tested = tuple(rows.ids or ())
    same = (entry for entry in judged if {*entry.pair} == {*pair} and entry.result.ids == tested)
    return next((entry.share_of_oracle for entry in same), None)


def _named(known: Mapping[Pair, Any], pair: Pair) -> Pair | None:
    """The pair as the keys name it: in this order, or the other."""
    return next((key for key in (pair, pair[::-1]) if key in known), None)


def _label(entry: int) -> str:
    return f"evaluate[{entry}]"
