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
from anybind.cli.results import matrix_lines, result_lines


@command("evaluate")
@graph_argument
@click.option("--binder", "binder_path", type=PATH, metavar="DIR", help="A saved binder [fit one now].")
@seed_option
@store_option
@click.option("--all-pairs", "every", is_flag=True, help="Every pair of spaces: measured, or else forecast.")
@click.option(
    "--gallery", type=click.IntRange(min=2), metavar="N",
    help="With --all-pairs: items in the gallery of the pairs that are only forecast [as many as are measured].",
)
def evaluate(
    out: Output, graph_path: Path, binder_path: Path | None, seed: int | None, store_path: Path | None,
    every: bool, gallery: int | None,
) -> None:  # fmt: skip
    """Measure a binder on the entries under 'evaluate', with baselines, oracle and chance.

    Reads the vectors that 'anybind extract' stored. --all-pairs shows every pair of spaces, direct or by way of
    pivots, on the true pairs that the binder was not fitted on; where there are none, what to expect.
    """
    if gallery is not None and not every:
        raise click.UsageError("--gallery goes with --all-pairs")
    graph = open_graph(graph_path)
    from anybind.binder import Binder
    from anybind.workflow import evaluate_graph, fit_graph, graph_matrix

    store, chosen = open_store(graph, store_path), first_seed(graph, seed)
    if binder_path is None:
        binder = fit_graph(graph, store, seed=chosen)
    else:
        binder = Binder.from_pretrained(binder_path, registry=graph.registry)
    fields = {"name": graph.name, "graph": graph_path, "binder": binder_path, "seed": chosen}
    if every:
        rows = [row.to_dict() for row in graph_matrix(graph, store, binder, seed=chosen, gallery=gallery)]
        out.result({**fields, "matrix": rows}, matrix_lines(rows))
        return
    results = [entry.to_dict() for entry in evaluate_graph(graph, store, binder, seed=chosen)]
    out.result({**fields, "results": results}, result_lines(results))
