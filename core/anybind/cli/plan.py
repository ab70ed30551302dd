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
    from anybind.bridge_plan import BridgePlan, Hop

_MOST_EDGES = 3  # shown of the data sets that are pooled on one hop; --json has all of them


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
        if found.paths:
            yield from _routes(found)
        else:
            yield from found.describe()
        yield from ["", "```mermaid", found.mermaid(), "```", ""]


def _routes(found: BridgePlan) -> Iterator[str]:
    count = len(found.paths)
    yield f"{found.start} → {found.goal}: {count} route{'' if count == 1 else 's'}, best first"
    for number, path in enumerate(found.paths, 1):
        yield f"{number}. {path.describe()[0]}"
        for hop in path.hops:
            yield from (f"   {line}" for line in _hop(hop))


def _hop(hop: Hop) -> Iterator[str]:
    """The hop in one line where one edge makes it; else the edges that count most below it."""
    head = f"{hop.a} – {hop.b}"
    if len(hop.edges) == 1:
        yield f"{head}: {hop.why}, cost {hop.cost:.3f}"
        return
    pairs = "" if hop.pairs is None else f", {hop.pairs:,} pairs"
    yield f"{head}: {len(hop.edges)} edges pooled{pairs}, cost {hop.cost:.3f}"
    ordered = sorted(hop.edges, key=lambda edge: (-edge.quality, edge.name))
    yield from (f"   {edge.describe()}" for edge in ordered[:_MOST_EDGES])
    if len(ordered) > _MOST_EDGES:
        yield f"   and {len(ordered) - _MOST_EDGES} more that keep less"
