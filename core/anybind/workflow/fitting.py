"""Fitting a graph's binder, its baselines and its oracle from stored vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anybind.artifact import GRAPH
from anybind.distributed import Runtime
from anybind.errors import NoPathError
from anybind.fit_context import FitContext
from anybind.fitting import fit_sources
from anybind.workflow.graph import no_route
from anybind.workflow.vectors import dataset_info, require_extracted, row_source, space_info

if TYPE_CHECKING:
    from pathlib import Path

    from anybind.binder import Binder
    from anybind.fit_data import RowSource
    from anybind.progress import EpochCallback
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
    checkpoints: Path | None = None,
    progress: EpochCallback | None = None,
    keep_moments: bool = False,
    forecast: bool | None = None,
) -> Binder:
    """Fit a binder on a graph's training data sets.

    Args:
        graph: The graph; its vectors are in the store.
        store: Where the vectors lie.
        seed: The seed the data sets are opened for; also seeds the fit.
        method: Another method than the declared one, with its default options.
        options: Options in place of the declared ones.
        runtime: The ranks that work together; every rank must see the whole store.
        checkpoints: Folder in which a trained method keeps its checkpoints; see ``anybind.fit``.
        progress: Told after every epoch of a trained method.
        keep_moments, forecast: As in ``anybind.fit``.

    Raises:
        NoPathError: the data sets do not join a target.
        DataError, SelectionError: as ``anybind.fit``.
    """
    datasets = graph.training(seed)
    require_extracted(graph, store, datasets)
    sources = [row_source(graph, store, name, dataset, runtime=runtime) for name, dataset in datasets.items()]
    judged = tuple(entry.pair for entry in graph.declaration.evaluate)
    everything = graph.declaration.bind.targets == "all"
    targets = None if everything else tuple(dict.fromkeys((*graph.targets, *judged)))
    chosen = method or graph.declaration.bind.method
    context = FitContext(runtime or Runtime(), checkpoints, progress)
    try:
        _require_held(graph, sources, targets or ())
        return _fit(graph, sources, chosen, options, targets, seed, context, keep_moments, forecast)
    except NoPathError as error:
        raise _explained(error, graph) from error


def fit_oracle(
    graph: Graph,
    store: EmbeddingStore,
    entry: int,
    *,
    seed: int,
    method: str,
    context: FitContext | None = None,
) -> Binder | None:
    """A method fitted on true pairs of an ``evaluate:`` entry; None if it names no oracle.

    Raises:
        DataError: the true pairs have not been extracted.
        NoPathError: none of them holds both spaces.
    """
    use = graph.declaration.evaluate[entry]
    if use.oracle is None:
        return None
    label = f"evaluate[{entry}].oracle"
    dataset = graph.open(use.oracle, seed, label)
    spaces = [graph.spaces[name] for name in use.pair]
    require_extracted(graph, store, {label: dataset}, spaces)
    source = row_source(graph, store, label, dataset, spaces)
    try:
        return _fit(graph, [source], method, None, [use.pair], seed, context, forecast=False)
    except NoPathError as error:
        error.where, error.hint = f"{graph.path}: {label}", "name a data set whose rows hold both spaces"
        raise


def _fit(
    graph: Graph,
    sources: Sequence[RowSource],
    method: str,
    options: Mapping[str, Any] | None,
    targets: Sequence[Pair] | None,
    seed: int,
    context: FitContext | None,
    keep_moments: bool = False,
    forecast: bool | None = None,
) -> Binder:
    """Fit a method; without options it has the declared ones if it is the declared method, else its defaults."""
    declared = graph.declaration.bind
    if options is None and method == declared.method:
        options = declared.options
    infos = {name: space_info(graph, space) for name, space in graph.spaces.items()}
    datasets = {name: dataset_info(graph, use) for name, use in graph.declaration.datasets.items()}
    texts = {GRAPH: graph.declaration.text}
    return fit_sources(
        sources, method=method, options=options, targets=targets, seed=seed, registry=graph.registry,
        spaces=infos, datasets=datasets, texts=texts, context=context, keep_moments=keep_moments,
        forecast=forecast,
    )  # fmt: skip


def _require_held(graph: Graph, sources: Sequence[RowSource], targets: Sequence[Pair]) -> None:
    """A space that no data set holds has a right name, but nothing leads to it."""
    held = {space for source in sources for space in source.dims}
    for a, b in targets:
        lacking = [space for space in (a, b) if space not in held]
        if lacking:
            raise NoPathError(f"no data set holds the space {lacking[0]!r}", plan=graph.plan(a, b),
                              hint="add a data set that pairs it with another space")  # fmt: skip


def _explained(error: NoPathError, graph: Graph) -> NoPathError:
    """The plan over the whole graph tells more than the one over paired rows alone."""
    if error.plan is None:
        return error
    plan = graph.plan(error.plan.start, error.plan.goal)
    if not plan.paths:
        return no_route(plan, graph.path)
    where = f"{graph.path}: target {plan.start} - {plan.goal}"
    if any(edge.kind == "shared-space" for path in plan.paths for hop in path.hops for edge in hop.edges):
        return NoPathError(
            error.what, plan=plan, where=where,
            got="a route through a space that two encoders share, without rows that pair them",
            expected="a route of data sets: binder methods fit on paired rows",
            hint="add a data set that pairs the two encoders' modalities",
        )  # fmt: skip
    return error
