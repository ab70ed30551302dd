"""``anybind plan``: the routes that join two spaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybind.cli.common import PATH, command, load_registry, open_graph
from anybind.cli.output import Output
from anybind.errors import UsageError

if TYPE_CHECKING:
    from anybind.bridge_plan import BridgePlan


@command("plan")
@click.argument("names", nargs=-1, metavar="[G.yaml] [A C]")
@click.option("-g", "--graph", "graph_path", type=PATH, metavar="G.yaml", help="The graph to plan in.")
@click.option("--catalogue", is_flag=True, help="Plan over all data sets that are known, installed or not.")
@click.option("-k", type=click.IntRange(min=1), default=3, show_default=True, help="How many routes at most.")
@click.option("--mermaid", is_flag=True, help="Print the Mermaid graph only.")
def plan(
    out: Output, names: tuple[str, ...], graph_path: Path | None, catalogue: bool, k: int, mermaid: bool
) -> int:
    """Show the routes that join A and C, with hops, data sets, pair counts and cost.

    In a graph file A and C are spaces, and without them every target is planned. With --catalogue they are
    modalities. Exit code 1 when there is no route: the reason and the cheapest missing edge are shown.

    \b
    anybind plan graph.yaml
    anybind plan graph.yaml image text_ja
    anybind plan audio touch --catalogue
    """
    graph_path, spaces = _sorted_out(names, graph_path, catalogue)
    if graph_path is None:
        from anybind.workflow import plan_catalogue

        plans: Sequence[BridgePlan] = [plan_catalogue(*spaces, registry=load_registry(), k=k)]
    else:
        graph = open_graph(graph_path)
        pairs = [spaces] if spaces else graph.targets
        plans = [graph.plan(a, b, k=k) for a, b in pairs]
    fields = [{**found.to_dict(), "mermaid": found.mermaid()} for found in plans]
    drawings = [found.mermaid() for found in plans]
    out.result({"graph": graph_path, "plans": fields}, drawings if mermaid else _lines(plans))
    return 0 if all(found.paths for found in plans) else 1


def _sorted_out(
    names: tuple[str, ...], graph_path: Path | None, catalogue: bool
) -> tuple[Path | None, tuple[str, ...]]:
    """Which of the positional arguments is the graph, and which are the two ends."""
    if names and graph_path is None and not catalogue and _is_graph(names[0]):
        graph_path, names = Path(names[0]), names[1:]
    if (graph_path is None) != catalogue:
        raise UsageError(
            "a plan is made in a graph file or over the catalogue",
            got="both" if catalogue else "neither",
            expected="one of them",
            hint="anybind plan graph.yaml, or anybind plan audio touch --catalogue",
        )
    if len(names) != 2 and (names or catalogue):
        raise UsageError("a plan joins two ends", got=" ".join(names) or "none", expected="two names")
    return graph_path, names


def _is_graph(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or Path(name).is_file()


def _lines(plans: Sequence[BridgePlan]) -> Iterator[str]:
    for found in plans:
        yield from [*found.describe(), "", "```mermaid", found.mermaid(), "```", ""]
