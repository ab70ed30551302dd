"""Adding a graph's new data sets to a fitted binder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybind.errors import UsageError
from anybind.workflow.same_encoders import other_encoders
from anybind.workflow.vectors import dataset_info, require_extracted, row_source, space_info

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph


def extend_graph(graph: Graph, store: EmbeddingStore, binder: Binder, *, steps: int = 5) -> Binder:
    """A binder with the data sets of a graph that it has not seen, from their stored vectors.

    What the graph says about targets, method and options is not used: the binder keeps its own, and binds every pair
    that the new data join. The data sets are opened for the binder's seed.

    Args:
        graph: The graph. A data set that the binder was fitted on may stand in it too, and is passed over.
        store: Where the vectors lie.
        binder: One that was saved with its moments.
        steps: As in ``Binder.partial_fit``.

    Raises:
        UsageError: the binder cannot be extended, the graph has nothing new, calls another data set by the name of
            one that the binder knows, or another encoder.
        DataError: nothing of a data set has been extracted.
    """
    for space, made_by, wanted in other_encoders(graph, binder.spaces):
        raise UsageError("the binder was fitted on vectors of another encoder", where=f"{graph.path}: space {space!r}",
                         got=wanted, expected=made_by)  # fmt: skip
    opened = graph.training(binder.training.seed)
    infos = {name: dataset_info(graph, use) for name, use in graph.declaration.datasets.items()}
    for name, known in binder.training.datasets.items():
        if name in infos and (infos[name].use, infos[name].options) != (known.use, known.options):
            raise UsageError("the binder was fitted on another data set of this name", where=f"{graph.path}: {name}",
                             got=infos[name].options, expected=known.options, hint="call it otherwise")  # fmt: skip
    new = {name: dataset for name, dataset in opened.items() if name not in binder.training.datasets}
    if not new:
        raise UsageError("the binder has seen all data sets of this graph", where=graph.path, got=", ".join(infos))
    require_extracted(graph, store, new)
    sources = [row_source(graph, store, name, dataset) for name, dataset in new.items()]
    spaces = {name: space_info(graph, space) for name, space in graph.spaces.items()}
    return binder.partial_fit_sources(sources, steps=steps, spaces=spaces, datasets=infos)
