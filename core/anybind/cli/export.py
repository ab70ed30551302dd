"""``anybind export``: a binder's parts in other people's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import (
    PATH,
    command,
    first_seed,
    load_registry,
    open_graph,
    open_store,
    seed_option,
    store_option,
)
from anybind.cli.output import Output
from anybind.cli.search import check_encoder
from anybind.errors import UsageError

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.workflow import Graph

FORMATS = ("onnx", "faiss", "sentence-transformers")


@dataclass(frozen=True)
class Items:
    """The items of an index, and what they are searched with: for faiss alone."""

    graph: Graph | None
    dataset: str | None
    query: str | None
    seed: int | None
    store: Path | None


@command("export")
@click.argument("artifact", type=PATH)
@click.option("--to", "target", required=True, type=click.Choice(FORMATS), help="The format.")
@click.option("--space", required=True, metavar="NAME", help="The space, or modality.")
@click.option("--out", "out_path", required=True, type=PATH, metavar="PATH", help="The file, or the model's folder.")
@click.option("-g", "--graph", "graph_path", type=PATH, metavar="G.yaml", help="faiss: names the items.")
@click.option("--gallery", "dataset", metavar="DATASET", help="faiss: the items' data set [first evaluated].")
@click.option("--query", metavar="SPACE", help="faiss: order items as scores do for queries of this space.")
@seed_option
@store_option
def export(
    out: Output, artifact: Path, target: str, space: str, out_path: Path, graph_path: Path | None,
    dataset: str | None, query: str | None, seed: int | None, store_path: Path | None,
) -> None:  # fmt: skip
    """Write a space of a binder in another format.

    \b
    onnx                   the map from the encoder's vectors to the joint space
    faiss                  an index of stored items, with their ids beside it
    sentence-transformers  a model folder: the encoder and the map, for spaces of text
    """
    if target != "faiss" and any(each is not None for each in (graph_path, dataset, query, seed, store_path)):
        raise UsageError("only an index has items", got=f"--to {target}", expected="--to faiss")
    graph = None if graph_path is None else open_graph(graph_path)
    from anybind.binder import Binder

    binder = Binder.from_pretrained(artifact, registry=graph.registry if graph else load_registry())
    name = binder.space_of(space)
    told = _exported(binder, target, name, out_path, Items(graph, dataset, query, seed, store_path))
    out.result({"binder": artifact, "to": target, "space": name, "out": out_path, **told},
               [f"{name} as {target}: {out_path}"])  # fmt: skip


def _exported(binder: Binder, target: str, space: str, path: Path, items: Items) -> Mapping[str, Any]:
    """Export; what else there is to tell."""
    if target == "faiss":
        return _index(binder, space, path, items)
    if target == "onnx":
        from anybind.integrations.onnx import export_onnx

        export_onnx(binder, space, path)
    else:
        from anybind.integrations.sentence_transformers import export_sentence_transformer

        export_sentence_transformer(binder, space, path)
    return {}


def _index(binder: Binder, space: str, path: Path, items: Items) -> Mapping[str, Any]:
    graph = items.graph
    if graph is None:
        raise UsageError("an index needs items", expected="-g G.yaml, a graph whose vectors are stored")
    from anybind.integrations.faiss import export_faiss
    from anybind.workflow import gallery

    check_encoder(graph, binder, space)
    query = None if items.query is None else binder.space_of(items.query)
    ids, vectors = gallery(graph, open_store(graph, items.store), space, dataset=items.dataset,
                           seed=first_seed(graph, items.seed))  # fmt: skip
    export_faiss(binder, space, vectors, ids, path, query=query)
    return {"items": len(ids), "query": query}
