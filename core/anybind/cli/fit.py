"""``anybind fit``: fit a binder on stored vectors and save it."""

from __future__ import annotations

from pathlib import Path

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
def fit(
    out: Output,
    graph_path: Path,
    out_path: Path,
    seed: int | None,
    method: str | None,
    store_path: Path | None,
    checkpoints: Path | None,
) -> None:
    """Fit a binder on the vectors that 'anybind extract' stored, and save it.

    A trained method that was killed goes on from its last epoch when the same command runs again. Several
    ranks share the work:

    \b
    torchrun --nproc-per-node 2 -m anybind fit graph.yaml --out my-binder
    """
    graph = open_graph(graph_path)
    from anybind.distributed import Runtime
    from anybind.workflow import fit_graph

    chosen = first_seed(graph, seed)
    kept = checkpoints or out_path.with_name(f"{out_path.name}.training")
    with Runtime.from_env() as runtime:
        binder = fit_graph(
            graph, open_store(graph, store_path), seed=chosen, method=method, runtime=runtime,
            checkpoints=kept, progress=out.epoch_progress,
        )  # fmt: skip
        if runtime.rank > 0:
            return
        folder = binder.save_pretrained(out_path)
    fields = {"binder": folder, "method": binder.method_name, "seed": chosen, "spaces": binder.dims}
    spaces = ", ".join(f"{space} ({dim})" for space, dim in binder.dims.items())
    out.result(fields, [f"{binder.method_name} over {spaces}, seed {chosen}", f"binder   {folder}"])
