"""``anybind report``: the page of a run, made again."""

from __future__ import annotations

from pathlib import Path

import click

from anybind.cli.common import PATH, command, load_registry
from anybind.cli.output import Output


@command("report")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option("--out", "out_path", type=PATH, metavar="FILE", help="Where the page goes [RUN/report.html].")
@click.option("--no-samples", is_flag=True, help="Numbers and graph alone: needs no data and no vectors.")
@click.option("--graph", "graph_path", type=PATH, metavar="G.yaml", help="Where the graph lies, if it was moved.")
@click.option("--store", "store_path", type=PATH, metavar="DIR", help="Where the vectors lie [RUN/../store].")
def report(
    out: Output,
    run_path: Path,
    out_path: Path | None,
    no_samples: bool,
    graph_path: Path | None,
    store_path: Path | None,
) -> None:
    """Make the page of a run again: one HTML file that needs no network and no script.

    RUN is the folder that 'anybind run' wrote metrics.json and artifact/ to.
    """
    from anybind.workflow import rebuild_page

    page = rebuild_page(
        run_path, out_path, samples=not no_samples, graph=graph_path, store=store_path, registry=load_registry()
    )
    out.result({"run": run_path, "page": page, "samples": not no_samples}, [f"page     {page}"])
