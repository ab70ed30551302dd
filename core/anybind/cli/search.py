"""``anybind search``: the items of one or several spaces that fit a query from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import PATH, command, first_seed, open_graph, open_store, seed_option, store_option
from anybind.cli.inputs import as_sources, is_text
from anybind.cli.output import Output
from anybind.cli.tables import shortened, table
from anybind.errors import NoPathError, UsageError

if TYPE_CHECKING:
    import torch

    from anybind.binder import Binder
    from anybind.forecasting.same_item import SameItem
    from anybind.protocols import Dataset
    from anybind.workflow import Graph

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_UNCALIBRATED = "fit again with forecast=True, on 20 or more pairs on each hop"


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Attributes:
        id: Of the item.
        space: Where it was found.
        score: The method's; higher is likelier, comparable within the space.
        probability: Of being the same item as the query, comparable between spaces; None if that is not known.
        preview: Some text to recognise it by.
    """

    id: str
    space: str
    score: float
    probability: float | None
    preview: str


@dataclass(frozen=True)
class _Gallery:
    """What is searched of one space.

    Attributes:
        space, ids: The space, and its items.
        scores: (1, n) with the query.
        same_item: How to read the scores; None if that is not known.
        previews: Of the items.
    """

    space: str
    ids: Sequence[str]
    scores: torch.Tensor
    same_item: SameItem | None
    previews: _Previews


@command("search")
@click.argument("artifact", type=PATH)
@click.argument("query")
@click.option(
    "-g", "--graph", "graph_path", type=PATH, required=True, metavar="G.yaml", help="Names the gallery."
)
@click.option("--from", "start", required=True, metavar="SPACE", help="The query's space or modality.")
@click.option(
    "--to", "goals", required=True, multiple=True, metavar="SPACE",
    help="The space or modality to search in; several make one list, by probability.",
)  # fmt: skip
@click.option("--gallery", "dataset", metavar="DATASET", help="The data set to search in [first evaluated].")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many items at most.")
@click.option("--prior", type=_SHARE, help="Share of right items among all [1 / gallery].")
@click.option(
    "--false-match-rate", type=_SHARE, metavar="RATE",
    help="Leave out what a query that has no item here would find more often than this.",
)  # fmt: skip
@seed_option
@store_option
def search(
    out: Output,
    artifact: Path,
    query: str,
    graph_path: Path,
    start: str,
    goals: tuple[str, ...],
    dataset: str | None,
    k: int,
    prior: float | None,
    false_match_rate: float | None,
    seed: int | None,
    store_path: Path | None,
) -> None:
    """Find the stored items that fit QUERY, best first.

    QUERY is a text where --from is one, else the path of a file. With a forecast in the binder, every item has the
    probability of being the same as the query's.

    \b
    anybind search runs/demo/artifact -g graph.yaml --from text_ja --to image 犬
    anybind search runs/demo/artifact -g graph.yaml --from text_ja --to image --false-match-rate 0.1 犬
    """
    graph = open_graph(graph_path)
    from anybind.binder import Binder
    from anybind.workflow import gallery

    binder = Binder.from_pretrained(artifact, registry=graph.registry)
    start, spaces = binder.space_of(start), list(dict.fromkeys(map(binder.space_of, goals)))
    chosen, store = first_seed(graph, seed), open_store(graph, store_path)
    for space in spaces:
        check_encoder(graph, binder, space)
    raw = binder.encode_raw(as_sources([query], binder.spaces[start], graph.registry), space=start)
    calibrated = len(spaces) > 1 or prior is not None or false_match_rate is not None
    galleries = []
    for space in spaces:
        ids, vectors = gallery(graph, store, space, dataset=dataset, seed=chosen)
        scores, same_item = binder.score(start, raw, space, vectors), _same_item(binder, start, space, calibrated)
        previews = _Previews(graph, _opened(graph, dataset, chosen), graph.spaces[space].modality)
        galleries.append(_Gallery(space, ids, scores, same_item, previews))
    size = sum(len(each.ids) for each in galleries)
    hits = [hit for each in galleries for hit in _hits(each, k, prior, false_match_rate, size)]
    hits = sorted(hits, key=lambda hit: -(hit.probability or 0.0))[:k] if calibrated else hits
    fields = {"query": query, "from": start, "to": spaces, "gallery_size": size, "false_match_rate": false_match_rate}
    out.result({**fields, "hits": [asdict(hit) for hit in hits]}, _lines(hits))


def _same_item(binder: Binder, start: str, goal: str, required: bool) -> SameItem | None:
    """How to read scores of the two spaces; None where that is neither known nor required."""
    where = f"{start!r} and {goal!r}"
    try:
        if binder.basis is not None:
            return binder.basis.same_item(start, goal)
        problem = "this binder has no forecast, so its scores are no probabilities"
    except NoPathError as error:
        problem = error.what
    if required:
        raise UsageError(problem, where=where, hint=_UNCALIBRATED)
    return None


def _hits(each: _Gallery, k: int, prior: float | None, rate: float | None, size: int) -> list[Hit]:
    """The best k of a gallery, without those that come too easily."""
    best = each.scores[0].topk(min(k, len(each.ids))).indices.tolist()
    probabilities: list[float | None] = [None] * len(each.ids)
    if each.same_item is not None:
        at = prior or 1 / max(len(each.ids), 2)
        probabilities = list(each.same_item.probability(each.scores, at)[0].tolist())
        if rate is not None:
            passed = _passed(each.same_item, each.scores, rate, size)
            best = [row for row in best if passed[row]]
    return [
        Hit(each.ids[row], each.space, float(each.scores[0, row]), probabilities[row], each.previews.of(each.ids[row]))
        for row in best
    ]


def _passed(same_item: SameItem, scores: torch.Tensor, rate: float, size: int) -> list[bool]:
    """Which items of all that are searched a query without a right one would find at most so often."""
    from anybind.forecasting.same_item import rate_per_pair, rate_per_search

    least = rate_per_search(same_item.least_rate(scores.shape[1]), size)
    if rate < least:
        raise UsageError(
            "the binder's held-out pairs tell nothing of so rare false matches", where="--false-match-rate", got=rate,
            expected=f"{least:.2g} or more, to search {size} items",
            hint="ask for a higher rate, search fewer items, or fit on more pairs",
        )  # fmt: skip
    passed: list[bool] = same_item.matches(scores, rate_per_pair(rate, size))[0].tolist()
    return passed


def _lines(hits: Sequence[Hit]) -> list[str]:
    if not hits:
        return ["no match: nothing here scores higher than unrelated items may"]
    columns = {
        "rank": [str(rank) for rank in range(1, len(hits) + 1)],
        "id": [hit.id for hit in hits],
        "space": [hit.space for hit in hits],
        "probability": ["" if hit.probability is None else _probability(hit.probability) for hit in hits],
        "score": [f"{hit.score:.4g}" for hit in hits],
        "preview": [shortened(hit.preview) for hit in hits],
    }
    if len({hit.space for hit in hits}) == 1:
        del columns["space"]
    if not any(columns["probability"]):
        del columns["probability"]
    rows = list(zip(*columns.values(), strict=True))
    return table(list(columns), rows, right=("rank", "probability", "score"))


def _probability(p: float) -> str:
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"


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
