"""``anybind evaluate``: measure a binder on a graph's test pairs."""

from __future__ import annotations

from pathlib import Path

import click

from anybind.cli.common import (
    PATH,
    command,
    first_seed,
    graph_argument,
    open_graph,
    open_store,
    seed_option,
    store_option,
)
from anybind.cli.output import Output
from anybind.cli.results import result_lines


@command("evaluate")
@graph_argument
@click.option("--binder", "binder_path", type=PATH, metavar="DIR", help="A saved binder [fit one now].")
@seed_option
@store_option
def evaluate(
    out: Output, graph_path: Path, binder_path: Path | None, seed: int | None, store_path: Path | None
) -> None:
    """Measure a binder on the entries under 'evaluate', with baselines, oracle and chance.

    Reads the vectors that 'anybind extract' stored.
    """
    graph = open_graph(graph_path)
    from anybind.binder import Binder
    from anybind.workflow import evaluate_graph, fit_graph

    store, chosen = open_store(graph, store_path), first_seed(graph, seed)
    if binder_path is None:
        binder = fit_graph(graph, store, seed=chosen)
    else:
        binder = Binder.from_pretrained(binder_path, registry=graph.registry)
    results = [entry.to_dict() for entry in evaluate_graph(graph, store, binder, seed=chosen)]
    fields = {"name": graph.name, "graph": graph_path, "binder": binder_path, "seed": chosen}
    out.result({**fields, "results": results}, result_lines(results))
