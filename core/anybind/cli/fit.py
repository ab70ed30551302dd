"""``anybind fit``: fit a binder on stored vectors and save it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import (
    PATH,
    command,
    first_seed,
    graph_argument,
    method_option,
    open_graph,
    open_store,
    seed_option,
    store_option,
)
from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.store import EmbeddingStore
    from anybind.workflow import Graph


@command("fit")
@graph_argument
@click.option("--out", "out_path", type=PATH, metavar="DIR", required=True, help="Folder for the binder.")
@seed_option
@method_option
@store_option
@click.option(
    "--checkpoints", type=PATH, metavar="DIR",
    help="Where a trained method keeps checkpoints and its log [<out>.training].",
)
@click.option("--keep-moments", is_flag=True, help="Save what --extend needs; it can tell of single rows.")
@click.option(
    "--extend", "extended", metavar="BINDER",
    help="Add the graph's new data sets to a saved binder (a folder or OWNER/NAME) that kept its moments.",
)
def fit(
    out: Output,
    graph_path: Path,
    out_path: Path,
    seed: int | None,
    method: str | None,
    store_path: Path | None,
    checkpoints: Path | None,
    keep_moments: bool,
    extended: str | None,
) -> None:
    """Fit a binder on the vectors that 'anybind extract' stored, and save it.

    A trained method that was killed goes on from its last epoch when the same command runs again. Several
    ranks share the work:

    \b
    torchrun --nproc-per-node 2 -m anybind fit graph.yaml --out my-binder
    """
    graph = open_graph(graph_path)
    if extended is not None:
        if seed is not None or method is not None or checkpoints is not None:
            raise click.UsageError("a binder that is extended keeps its seed and method")
        out.result(*_result(_extended(graph, open_store(graph, store_path), extended), out_path))
        return
    from anybind.distributed import Runtime
    from anybind.workflow import fit_graph, record_forecasts

    store, chosen = open_store(graph, store_path), first_seed(graph, seed)
    kept = checkpoints or out_path.with_name(f"{out_path.name}.training")
    with Runtime.from_env() as runtime:
        binder = fit_graph(
            graph, store, seed=chosen, method=method, runtime=runtime,
            checkpoints=kept, progress=out.epoch_progress, keep_moments=keep_moments,
        )  # fmt: skip
        if runtime.rank > 0:
            return
        fields, lines = _result(binder, out_path)
        if method is None:
            record_forecasts(graph, store, binder)
    out.result(fields, lines)


def _extended(graph: Graph, store: EmbeddingStore, source: str) -> Binder:
    from anybind.binder import Binder
    from anybind.workflow import extend_graph

    return extend_graph(graph, store, Binder.from_pretrained(source, registry=graph.registry))


def _result(binder: Binder, out_path: Path) -> tuple[dict[str, Any], list[str]]:
    """Save the binder, and tell of it."""
    folder, seed = binder.save_pretrained(out_path), binder.training.seed
    fields = {"binder": folder, "method": binder.method_name, "seed": seed, "spaces": binder.dims}
    spaces = ", ".join(f"{space} ({dim})" for space, dim in binder.dims.items())
    return fields, [f"{binder.method_name} over {spaces}, seed {seed}", f"binder   {folder}"]
