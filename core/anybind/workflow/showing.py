"""The page of a run: its graph and numbers, what some test queries found, and a map of the joint space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from anybind.bridge_plan import BridgePlan
from anybind.errors import AnybindError
from anybind.report.figures.embedding_map import MOST_ITEMS, MapShown
from anybind.report.gallery import TOP, GalleryShown, choose_rows, language_of, queries_shown
from anybind.report.page import Page, write_page
from anybind.report.plane import joint_plane
from anybind.version import installed_version
from anybind.workflow.evaluating import true_pairs

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.protocols import Dataset
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph

_WIDELY_KNOWN = "en"
_MOST_QUERIES, _LEAST_QUERIES = 24, 4  # of a gallery
_MOST_LETTERS = 12_000_000  # of the previews on a page, sounds and pictures among them
_SAMPLES = 4  # previews that are measured to see how many fit

Preview = Callable[[int], str]


def write_run_page(
    path: Path,
    graph: Graph,
    store: EmbeddingStore,
    binder: Binder,
    results: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    matrix: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page of a run.

    Args:
        path: Where.
        graph, store, binder: What was run; the binder of the first seed.
        results: The summaries over all seeds.
        seeds: The seeds that were run; test rows of the first one are shown.
        matrix: Every pair of spaces, if it was measured.
    """
    seed = seeds[0]
    entries = graph.declaration.evaluate
    tests = [_Test(graph, store, index, seed) for index in range(len(entries))]
    shown = [each for test in tests for each in _galleries(test, binder, _MOST_LETTERS // max(1, 2 * len(tests)))]
    maps = [found for test in tests if (found := _map(test, binder)) is not None]
    datasets = [*graph.training(seed).values(), *(test.dataset for test in tests)]
    credits = dict.fromkeys(str(d.attribution) for d in datasets if getattr(d, "attribution", None))  # type: ignore[attr-defined]
    bridge = graph.bridge()
    page = Page(
        title=graph.name, bridge=bridge, plans=_plans(graph), results=results, matrix=matrix, galleries=shown,
        maps=maps, attributions=list(credits), facts=run_facts(str(graph.path), binder.method_name, seeds),
    )  # fmt: skip
    return write_page(path, page)


def run_facts(graph: str, method: str, seeds: Sequence[int]) -> dict[str, str]:
    """The foot of a run's page."""
    return {
        "Graph": graph, "Method": method, "Seeds": ", ".join(map(str, seeds)),
        "Items shown": f"seed {seeds[0]}, evenly spaced in the order of their ids", "anybind": installed_version(),
    }  # fmt: skip


def _plans(graph: Graph) -> list[BridgePlan]:
    bridge = graph.bridge()
    return [bridge.plan(a, b) for a, b in graph.targets]


class _Test:
    """The rows of one ``evaluate:`` entry that hold both spaces, with their vectors and how to show them."""

    def __init__(self, graph: Graph, store: EmbeddingStore, index: int, seed: int) -> None:
        use = graph.declaration.evaluate[index]
        self._graph = graph
        self.dataset: Dataset = graph.open(use.dataset, seed, f"evaluate[{index}]")
        self.pair = use.pair
        self.ids, self.vectors = true_pairs(graph, store, index, seed=seed)
        at = {item: row for row, item in enumerate(self.dataset.ids)}
        self._rows = [at[item] for item in self.ids]
        self.words: Preview = cache(_words(self.dataset, graph, self._rows))

    def modality(self, space: str) -> str:
        return self._graph.spaces[space].modality

    def is_text(self, space: str) -> bool:
        return "text" in self._graph.registry.kinds_of(self.modality(space), self._graph.declaration.kinds)

    def preview(self, space: str) -> Preview:
        """Row -> HTML, every row made once."""
        name = self.modality(space)
        modality = self._graph.registry.build_modality(name, self._graph.declaration.kinds)
        return cache(lambda row: str(modality.preview(modality.load(self.dataset[self._rows[row]][name]))))


def _galleries(test: _Test, binder: Binder, letters: int) -> Iterator[GalleryShown]:
    """Queries of the entry's second space among the first's test rows, then the other way round."""
    one, other = test.pair
    previews = {space: test.preview(space) for space in test.pair}
    for queries, items in ((other, one), (one, other)):
        rows = choose_rows(test.ids, _affordable(test.ids, previews[queries], previews[items], letters))
        scores = binder.score(queries, test.vectors[queries][rows], items, test.vectors[items])
        found = queries_shown(
            scores, rows, test.ids, query=previews[queries], item=previews[items], words=test.words,
            query_words=_nothing if test.is_text(queries) else test.words,
            lang=language_of(test.modality(queries)), item_lang=language_of(test.modality(items)),
        )  # fmt: skip
        yield GalleryShown(queries, items, tuple(found))


def _affordable(ids: Sequence[str], query: Preview, item: Preview, letters: int) -> int:
    """How many queries fit into so many letters, by the previews of a few."""
    rows = choose_rows(ids, _SAMPLES)
    each = fmean(len(query(row)) + (TOP + 1) * len(item(row)) for row in rows)
    return max(_LEAST_QUERIES, min(_MOST_QUERIES, int(letters // each)))


def _nothing(_: int) -> str:
    return ""


def _map(test: _Test, binder: Binder) -> MapShown | None:
    """The test rows in the joint space; None for a method whose spaces do not share one."""
    rows = choose_rows(test.ids, MOST_ITEMS)
    try:
        one, other = (binder.embed(space, test.vectors[space][rows]) for space in test.pair)
    except AnybindError:
        return None
    if one.shape != other.shape:
        return None
    a, b, kept = joint_plane(one, other)
    return MapShown(test.pair, a, b, [test.words(row) for row in rows], kept)


def _words(dataset: Dataset, graph: Graph, rows: Sequence[int]) -> Preview:
    """The item in words: its text in a language many read, else in any, else its id."""
    texts = [m for m in dataset.modalities if "text" in graph.registry.kinds_of(m, graph.declaration.kinds)]
    chosen = next((m for m in texts if language_of(m) == _WIDELY_KNOWN), next(iter(texts), None))

    def words(row: int) -> str:
        sample = dataset[rows[row]].get(chosen) if chosen else None
        return sample if isinstance(sample, str) else str(dataset.ids[rows[row]])

    return words
