"""The command ``python -m anybind_transformers.finetune``: LoRA on the tower of one space of a graph."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

import anybind
from anybind_transformers.tuning.settings import OBJECTIVES, Settings


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("graph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--space", required=True, help="The space whose tower gets an adapter.")
@click.option("--target", nargs=2, default=None, help="The two spaces to bind; the graph's first target if not given.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option("--objective", type=click.Choice(OBJECTIVES), default="all-pairs", show_default=True)
@click.option("--rank", default=8, show_default=True, help="Rank of the adapter's matrices.")
@click.option("--alpha", default=16.0, show_default=True, help="The adapter counts alpha / rank.")
@click.option("--modules", multiple=True, help="End of the names of the layers to adapt; may be given again.")
@click.option("--joint-dim", default=256, show_default=True, help="Length of the joint vectors.")
@click.option("--probe-epochs", default=25, show_default=True, help="Epochs of the heads on frozen vectors.")
@click.option("--epochs", default=25, show_default=True, help="Epochs of heads and adapter.")
@click.option("--batch-size", default=32, show_default=True, help="Rows of every data set in a step.")
@click.option("--probe-rate", default=1e-3, show_default=True, help="Learning rate while probing.")
@click.option("--rate", default=5e-4, show_default=True, help="Learning rate of heads and adapter.")
@click.option("--weight-decay", default=0.2, show_default=True)
@click.option("--temperature", default=0.07, show_default=True, help="Divides the cosines.")
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def main(graph: Path, out: Path, target: tuple[str, str] | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Tune the tower of one space of GRAPH with LoRA: heads on frozen vectors first, then heads and adapter.

    A killed run goes on where it was when it is started again with the same arguments.
    """
    try:
        report = _tuned(graph, out, target, quiet, given)
    except anybind.AnybindError as error:
        click.echo(f"error: {error}", err=True)
        if as_json:
            click.echo(json.dumps({"error": {**error.to_dict(), "exit_code": error.exit_code}}))
        sys.exit(error.exit_code)
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(_told(report))


def _tuned(
    graph: Path, out: Path, target: tuple[str, str] | None, quiet: bool, given: dict[str, Any]
) -> dict[str, Any]:
    from anybind_transformers.tuning.run import finetune

    opened = anybind.load_graph(graph)
    chosen = target or next(iter(opened.targets), None)
    if chosen is None:
        raise anybind.UsageError("the graph names no target", where=graph, hint="give one with --target A B")
    settings = Settings(target=(chosen[0], chosen[1]), **given)
    return finetune(opened, settings, out, (lambda line: None) if quiet else _progress)


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _told(report: dict[str, Any]) -> str:
    lines = [f"adapter of space {report['space']}: {report['adapter']}"]
    if report["before"] is not None:
        lines.append(f"held-out MRR: {report['before']:.3f} with heads alone, {report['after']:.3f} with the adapter")
        if report["after"] < report["before"]:
            lines.append("The adapter made held-out retrieval worse: try fewer epochs, a lower rate or a lower rank.")
    lines.append(f"use it in a graph: {report['space']}: {{use: ..., adapter: {report['adapter']}}}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
