"""The page of a run: its graph and numbers, and what some test queries found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.bridge_plan import BridgePlan
from anybind.report.gallery import QueryShown, choose_rows, language_of, queries_shown
from anybind.report.page import write_page
from anybind.version import installed_version
from anybind.workflow.evaluating import true_pairs

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.protocols import Dataset
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph

_WIDELY_KNOWN = "en"


def write_run_page(
    path: Path,
    graph: Graph,
    store: EmbeddingStore,
    binder: Binder,
    results: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
) -> Path:
    """Write the page of a run.

    Args:
        path: Where.
        graph, store, binder: What was run; the binder of the first seed.
        results: The summaries over all seeds.
        seeds: The seeds that were run; test rows of the first one are shown.
    """
    seed = seeds[0]
    entries = graph.declaration.evaluate
    gallery = _gallery(graph, store, binder, seed) if entries else []
    datasets = [*graph.training(seed).values(), *(graph.open(e.dataset, seed, "evaluate") for e in entries)]
    credits = dict.fromkeys(str(d.attribution) for d in datasets if getattr(d, "attribution", None))  # type: ignore[attr-defined]
    facts = {
        "Graph": str(graph.path), "Method": binder.method_name, "Seeds": ", ".join(map(str, seeds)),
        "Queries shown": f"seed {seed}, evenly spaced in the order of their ids", "anybind": installed_version(),
    }  # fmt: skip
    return write_page(path, title=graph.name, bridge=graph.bridge(), plans=_plans(graph), results=results,
                      gallery=gallery, attributions=list(credits), facts=facts)  # fmt: skip


def _plans(graph: Graph) -> list[BridgePlan]:
    bridge = graph.bridge()
    return [bridge.plan(a, b) for a, b in graph.targets]


def _gallery(graph: Graph, store: EmbeddingStore, binder: Binder, seed: int) -> list[QueryShown]:
    """Queries of the first entry's second space, searched among the first space's test rows."""
    use = graph.declaration.evaluate[0]
    dataset = graph.open(use.dataset, seed, "evaluate[0]")
    ids, vectors = true_pairs(graph, store, 0, seed=seed)
    items, queries = use.pair
    rows = choose_rows(ids)
    scores = binder.score(queries, vectors[queries][rows], items, vectors[items])
    at = {item: row for row, item in enumerate(dataset.ids)}
    source_rows = [at[item] for item in ids]
    return queries_shown(
        scores, rows, ids,
        query=_preview(graph, dataset, graph.spaces[queries].modality, source_rows),
        item=_preview(graph, dataset, graph.spaces[items].modality, source_rows),
        words=_words(dataset, graph, source_rows),
        lang=language_of(graph.spaces[queries].modality),
    )  # fmt: skip


def _preview(graph: Graph, dataset: Dataset, name: str, rows: Sequence[int]) -> Callable[[int], str]:
    modality = graph.registry.build_modality(name, graph.declaration.kinds)

    def preview(row: int) -> str:
        return str(modality.preview(modality.load(dataset[rows[row]][name])))

    return preview


def _words(dataset: Dataset, graph: Graph, rows: Sequence[int]) -> Callable[[int], str]:
    """The item in words: its text in a language many read, else in any, else its id."""
    texts = [m for m in dataset.modalities if "text" in graph.registry.kinds_of(m, graph.declaration.kinds)]
    chosen = next((m for m in texts if language_of(m) == _WIDELY_KNOWN), next(iter(texts), None))

    def words(row: int) -> str:
        sample = dataset[rows[row]].get(chosen) if chosen else None
        return sample if isinstance(sample, str) else str(dataset.ids[rows[row]])

    return words
