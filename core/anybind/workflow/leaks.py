"""What the training data of a graph and one of its tests have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anybind.evaluation.leakage import find_leaks
from anybind.evaluation.leakage_report import Leakage
from anybind.rows import Batch
from anybind.workflow.vectors import row_source

if TYPE_CHECKING:
    import torch

    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph


def graph_leakage(
    graph: Graph,
    store: EmbeddingStore,
    entry: int,
    ids: Sequence[str],
    vectors: Mapping[str, torch.Tensor],
    *,
    seed: int,
    trained: int,
) -> Leakage:
    """Hold the test rows of an ``evaluate:`` entry against the training data; no raw sample is read.

    Ids and groups mean the same only within a collection; vectors are compared across all of them.

    Args:
        graph, store: The graph and where its vectors lie.
        entry: Which entry under ``evaluate:``.
        ids, vectors: Its rows, as ``true_pairs`` gives them.
        seed: The seed they were read for.
        trained: The seed the binder was fitted for.
    """
    test = graph.open(graph.declaration.evaluate[entry].dataset, seed, f"evaluate[{entry}]")
    groups: Sequence[str] | None = getattr(test, "groups", None)
    family = None if groups is None else dict(zip(test.ids, groups, strict=True))
    rows = Batch(tuple(ids), vectors, {}, None if family is None else tuple(family[item] for item in ids))
    training = graph.training(trained)
    sources = [
        row_source(graph, store, name, dataset, [space for space in graph.spaces_in(dataset) if space.name in vectors])
        for name, dataset in training.items()
    ]
    same = [name for name, dataset in training.items() if dataset.collection == test.collection]
    return find_leaks(sources, rows, same_ids=same, same_groups=same)
