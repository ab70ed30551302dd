"""Diagnosing a graph from its stored vectors, before anything is fitted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from anybind.diagnosis import Diagnosis, diagnose_sources
from anybind.workflow.vectors import require_extracted, row_source, space_info

if TYPE_CHECKING:
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph


def diagnose_graph(
    graph: Graph,
    store: EmbeddingStore,
    *,
    seed: int = 0,
    rows: int = 5000,
    progress: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Look at the stored vectors of a graph's training data sets; test pairs are left alone.

    Args:
        graph: The graph.
        store: Where its vectors lie.
        seed: The seed the data sets are opened for.
        rows: As for ``anybind.diagnosis.diagnose``.
        progress: Told in words what is being looked at.

    Raises:
        DataError: a space has not been extracted.
        DamagedShardError: a shard does not match its sum.
    """
    datasets = graph.training(seed)
    require_extracted(graph, store, datasets)
    sources = [row_source(graph, store, name, dataset) for name, dataset in datasets.items()]
    held = {space for source in sources for space in source.dims}
    shared = [[space for space in together if space in held] for together in encoder_spaces(graph)]
    return diagnose_sources(sources, shared=shared, rows=rows, progress=progress)


def encoder_spaces(graph: Graph) -> list[list[str]]:
    """Spaces whose vectors can be compared as they are: one encoder, or towers trained together; two or more each."""
    together: defaultdict[object, list[str]] = defaultdict(list)
    for name, space in graph.spaces.items():
        tower = graph.registry.encoder(space.encoder).spec.shared_space
        info = space_info(graph, space)
        own = (info.encoder, info.weights, info.revision, str(sorted(info.options.items())))
        together[(tower if tower is not None else own, space.dim)].append(name)
    return [names for names in together.values() if len(names) > 1]
