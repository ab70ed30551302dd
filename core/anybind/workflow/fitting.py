"""Fitting a graph's binder, its baselines and its oracle from stored vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anybind.artifact import GRAPH
from anybind.binder import Binder, fit_sources
from anybind.errors import NoPathError
from anybind.workflow.vectors import require_extracted, row_source, space_info

if TYPE_CHECKING:
    from anybind.distributed import Runtime
    from anybind.fit_data import RowSource
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph

Pair = tuple[str, str]


def fit_graph(
    graph: Graph,
    store: EmbeddingStore,
    *,
    seed: int = 0,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    runtime: Runtime | None = None,
) -> Binder:
    """Fit a binder on a graph's training data sets.

    Args:
        graph: The graph; its vectors are in the store.
        store: Where the vectors lie.
        seed: The seed the data sets are opened for; also seeds the fit.
        method: Another method than the declared one, with its default options.
        options: Options in place of the declared ones.
        runtime: The ranks that work together; every rank must see the whole store.

    Raises:
        NoPathError: the data sets do not join a target.
        DataError, SelectionError: as ``anybind.fit``.
    """
    datasets = graph.training(seed)
    require_extracted(graph, store, datasets)
    sources = [row_source(graph, store, name, dataset, runtime=runtime) for name, dataset in datasets.items()]
    declared = graph.declaration.bind
    judged = tuple(entry.pair for entry in graph.declaration.evaluate)
    targets = None if declared.targets == "all" else tuple(dict.fromkeys((*graph.targets, *judged)))
    chosen = method or declared.method
    own_options = declared.options if chosen == declared.method else {}
    try:
        return _fit(graph, sources, chosen, own_options if options is None else options, targets, seed, runtime)
    except NoPathError as error:
        raise _explained(error, graph, targets or ()) from error


def fit_oracle(graph: Graph, store: EmbeddingStore, entry: int, *, seed: int) -> Binder | None:
    """The declared method fitted on true pairs of an ``evaluate:`` entry; None if it names no oracle."""
    use = graph.declaration.evaluate[entry]
    if use.oracle is None:
        return None
    dataset = graph.open(use.oracle, seed, f"evaluate[{entry}].oracle")
    spaces = [graph.spaces[name] for name in use.pair]
    sources = [row_source(graph, store, "oracle", dataset, spaces)]
    declared = graph.declaration.bind
    return _fit(graph, sources, declared.method, declared.options, [use.pair], seed, None)


def _fit(
    graph: Graph,
    sources: Sequence[RowSource],
    method: str,
    options: Mapping[str, Any],
    targets: Sequence[Pair] | None,
    seed: int,
    runtime: Runtime | None,
) -> Binder:
    infos = {name: space_info(graph, space) for name, space in graph.spaces.items()}
    texts = {GRAPH: graph.declaration.text}
    return fit_sources(
        sources, method=method, options=options, targets=targets, seed=seed, registry=graph.registry,
        spaces=infos, texts=texts, runtime=runtime,
    )  # fmt: skip


def _explained(error: NoPathError, graph: Graph, targets: Sequence[Pair]) -> NoPathError:
    """The plan over the whole graph tells more than the one over paired rows alone."""
    for a, b in targets:
        plan = graph.plan(a, b)
        if not plan.paths:
            return NoPathError(error.what, plan=plan, where=graph.path, got=plan.reason,
                               hint="; ".join(edge.describe() for edge in plan.missing) or error.hint)  # fmt: skip
        if any(edge.kind == "shared-space" for path in plan.paths for hop in path.hops for edge in hop.edges):
            return NoPathError(
                error.what, plan=plan, where=f"{graph.path}: target {a} - {b}",
                got="a route through a space that two encoders share, without rows that pair them",
                expected="a route of data sets: binder methods fit on paired rows",
                hint="add a data set that pairs the two encoders' modalities",
            )  # fmt: skip
    return error
