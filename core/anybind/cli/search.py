"""``anybind search``: the items of one space that fit a query from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import PATH, command, first_seed, open_graph, open_store, seed_option, store_option
from anybind.cli.inputs import as_sources, is_text
from anybind.cli.output import Output
from anybind.cli.tables import shortened, table
from anybind.errors import UsageError

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.protocols import Dataset
    from anybind.workflow import Graph

_HEADER = ("rank", "id", "score", "preview")


@dataclass(frozen=True)
class Hit:
    """An item that was found: its id, its score (higher is likelier), and some text to recognise it by."""

    id: str
    score: float
    preview: str


@command("search")
@click.argument("artifact", type=PATH)
@click.argument("query")
@click.option(
    "-g", "--graph", "graph_path", type=PATH, required=True, metavar="G.yaml", help="Names the gallery."
)
@click.option("--from", "start", required=True, metavar="SPACE", help="The query's space or modality.")
@click.option("--to", "goal", required=True, metavar="SPACE", help="The space or modality to search in.")
@click.option("--gallery", "dataset", metavar="DATASET", help="The data set to search in [first evaluated].")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many items at most.")
@seed_option
@store_option
def search(
    out: Output,
    artifact: Path,
    query: str,
    graph_path: Path,
    start: str,
    goal: str,
    dataset: str | None,
    k: int,
    seed: int | None,
    store_path: Path | None,
) -> None:
    """Find the stored items of one space that fit QUERY, best first.

    QUERY is a text where --from is one, else the path of a file.

    \b
    anybind search runs/demo/artifact -g graph.yaml --from text_ja --to image 犬
    """
    graph = open_graph(graph_path)
    from anybind.binder import Binder
    from anybind.workflow import gallery

    binder = Binder.from_pretrained(artifact, registry=graph.registry)
    start, goal = binder.space_of(start), binder.space_of(goal)
    check_encoder(graph, binder, goal)
    chosen = first_seed(graph, seed)
    ids, vectors = gallery(graph, open_store(graph, store_path), goal, dataset=dataset, seed=chosen)
    raw = binder.encode_raw(as_sources([query], binder.spaces[start], graph.registry), space=start)
    scores = binder.score(start, raw, goal, vectors)[0]
    best = scores.topk(min(k, len(ids)))
    previews = _Previews(graph, _opened(graph, dataset, chosen), graph.spaces[goal].modality)
    found = [
        Hit(ids[position], score, previews.of(ids[position]))
        for score, position in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
    rows = [
        (str(rank), hit.id, f"{hit.score:.4g}", shortened(hit.preview)) for rank, hit in enumerate(found, 1)
    ]
    fields = {"query": query, "from": start, "to": goal, "gallery_size": len(ids)}
    out.result(
        {**fields, "hits": [asdict(hit) for hit in found]}, table(_HEADER, rows, right=("rank", "score"))
    )


class _Previews:
    """Some text for each row of a data set: the item itself, text that goes with it, or its file's name."""

    def __init__(self, graph: Graph, dataset: Dataset, modality: str) -> None:
        self._dataset = dataset
        self._rows = {identifier: row for row, identifier in enumerate(dataset.ids)}
        kinds = graph.declaration.kinds
        own_first = sorted(dataset.modalities, key=lambda name: name != modality)
        self._texts = [name for name in own_first if is_text(graph.registry.kinds_of(name, kinds))]

    def of(self, identifier: str) -> str:
        """The preview of the item with this id; empty when it has nothing readable."""
        row: Mapping[str, Any] = self._dataset[self._rows[identifier]]
        texts = (row[name] for name in self._texts if isinstance(row.get(name), str))
        paths = (source.name for source in row.values() if isinstance(source, Path))
        return next(texts, next(paths, ""))


def _opened(graph: Graph, dataset: str | None, seed: int) -> Dataset:
    """The data set whose vectors ``gallery`` gave."""
    if dataset is None:
        return graph.open(graph.declaration.evaluate[0].dataset, seed, "evaluate[0]")
    return graph.open(graph.declaration.datasets[dataset], seed, dataset)


def check_encoder(graph: Graph, binder: Binder, space: str) -> None:
    """The stored vectors must come from the encoder that the binder was fitted with."""
    ours = binder.spaces[space]
    theirs = graph.spaces.get(space)
    if theirs is None or (theirs.encoder, theirs.dim) != (ours.encoder, ours.dim):
        raise UsageError(
            "the graph sees this space with another encoder than the binder",
            where=f"space {space!r}",
            got="no such space" if theirs is None else f"{theirs.encoder}, {theirs.dim} dims",
            expected=f"{ours.encoder}, {ours.dim} dims",
            hint="give the graph the binder was fitted on",
        )
