"""``anybind run``: a graph from raw samples to a measured binder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from anybind.cli.common import PATH, command, graph_argument, load_registry, method_option, store_option
from anybind.cli.output import Output
from anybind.cli.results import left_out_lines, result_lines

if TYPE_CHECKING:
    from anybind.workflow import RunResult


def parse_seeds(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """``0,1,2`` as whole numbers of at least 0, each once."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter("expected whole numbers of at least 0 with commas between, e.g. 0,1,2")
    seeds = tuple(map(int, parts))
    if len(set(seeds)) != len(seeds):
        raise click.BadParameter("a seed is given twice")
    return seeds


@command("run")
@graph_argument
@click.option("--out", "out_path", type=PATH, metavar="DIR", help="Where results go [runs/<name>].")
@click.option("--seeds", callback=parse_seeds, metavar="0,1,2", help="The seeds [the graph's].")
@method_option
@store_option
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do about a sample that cannot be read.",
)
def run(
    out: Output,
    graph_path: Path,
    out_path: Path | None,
    seeds: tuple[int, ...] | None,
    method: str | None,
    store_path: Path | None,
    on_error: Literal["fail", "skip"],
) -> None:
    """Extract, fit and evaluate a graph.

    Writes the binder (artifact/), metrics.json and report.html. What was embedded before is not embedded
    again.
    """
    from anybind.workflow import run as run_graph

    result = run_graph(
        graph_path,
        out_path,
        store=store_path,
        seeds=seeds,
        method=method,
        on_error=on_error,
        registry=load_registry(),
        echo=out.note, progress=out.progress,
        epoch_progress=out.epoch_progress,
    )
    out.result(result.to_dict(), run_lines(result))


def run_lines(result: RunResult) -> Iterator[str]:
    """The numbers, and where everything lies."""
    yield from result_lines(result.to_dict()["results"])
    yield from left_out_lines(result.skipped)
    folder = Path(result.out)
    yield f"binder   {folder / 'artifact'}"
    yield f"numbers  {folder / 'metrics.json'}"
    yield f"page     {folder / 'report.html'}"
