"""``anybind plan``: the routes that join two spaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anybind.cli.common import PATH, RUNS, command, load_registry, open_graph, store_option
from anybind.cli.output import Output
from anybind.cli.what_if import show_what_would_help
from anybind.errors import UsageError
from anybind.forecast_record import GALLERIES, read_forecasts

if TYPE_CHECKING:
    from anybind.bridge_plan import BridgePlan, Hop
    from anybind.bridge_plan import Path as Route
    from anybind.forecast_record import RecordedForecasts

_MOST_EDGES = 3  # shown of the data sets that are pooled on one hop; --json has all of them


@command("plan")
@click.argument("names", nargs=-1, metavar="[G.yaml] [A C]")
@click.option("-g", "--graph", "graph_path", type=PATH, metavar="G.yaml", help="The graph to plan in.")
@click.option("--catalogue", is_flag=True, help="Plan over all data sets that are known, installed or not.")
@click.option("-k", type=click.IntRange(min=1), default=3, show_default=True, help="How many routes at most.")
@click.option("--mermaid", is_flag=True, help="Print the Mermaid graph only.")
@click.option("--gallery", type=click.Choice([str(n) for n in GALLERIES]), default="1000", show_default=True,
              help="Items to choose from, of what to expect of a route.")  # fmt: skip
@click.option("--what-if", "ask", is_flag=True, help="Calculate what would help A and C most; fits several times.")
@click.option("--more", type=click.IntRange(min=1), default=200, show_default=True,
              help="Pairs to add to a hop, of --what-if.")  # fmt: skip
@store_option
def plan(
    out: Output,
    names: tuple[str, ...],
    graph_path: Path | None,
    catalogue: bool,
    k: int,
    mermaid: bool,
    gallery: str,
    ask: bool,
    more: int,
    store_path: Path | None,
) -> int:
    """Show the routes that join A and C, with hops, data sets, pair counts and cost.

    After a 'fit', 'run' or 'forecast' of the graph, cost follows from held-out retrieval instead of pair counts,
    and every route is shown with what to expect of it. --what-if calculates, from the vectors that 'anybind
    extract' stored, what would help: more pairs, true pairs, known data sets.

    In a graph file A and C are spaces, and without them every target is planned. With --catalogue they are
    modalities. Exit code 1 when there is no route: the reason and the cheapest missing edge are shown.

    \b
    anybind plan graph.yaml
    anybind plan graph.yaml image text_ja
    anybind plan audio touch --catalogue
    """
    graph_path, spaces = _sorted_out(names, graph_path, catalogue)
    recorded = None
    if ask:
        if graph_path is None:
            raise click.UsageError("--what-if needs vectors, so a graph file")
        graph = open_graph(graph_path)
        show_what_would_help(out, graph, [spaces] if spaces else graph.targets, store_path, int(gallery), more)
        return 0
    if graph_path is None:
        from anybind.workflow import plan_catalogue

        plans: Sequence[BridgePlan] = [plan_catalogue(*spaces, registry=load_registry(), k=k)]
    else:
        graph = open_graph(graph_path)
        pairs = [spaces] if spaces else graph.targets
        recorded = read_forecasts(store_path or RUNS / "store", graph.name, graph.state)
        plans = [graph.plan(a, b, k=k, recorded=recorded) for a, b in pairs]
    expected = [[_expected(path, recorded, int(gallery)) for path in found.paths] for found in plans]
    fields = [
        {**found.to_dict(), "expected": each, "mermaid": found.mermaid()}
        for found, each in zip(plans, expected, strict=True)
    ]
    drawings = [found.mermaid() for found in plans]
    out.result({"graph": graph_path, "plans": fields}, drawings if mermaid else _lines(plans, expected))
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


def _expected(path: Route, recorded: RecordedForecasts | None, gallery: int) -> Mapping[str, Any] | None:
    """What an earlier fit expects of a route, and its weakest hop; None where it says nothing."""
    forecast = recorded.of_path(path.spaces, gallery) if recorded is not None else None
    if forecast is None:
        return None
    weakest = max(path.hops, key=lambda hop: hop.cost)
    return {"forecast": forecast, "weakest_hop": [weakest.a, weakest.b] if len(path.hops) > 1 else None}


def _lines(plans: Sequence[BridgePlan], expected: Sequence[Sequence[Mapping[str, Any] | None]]) -> Iterator[str]:
    for found, each in zip(plans, expected, strict=True):
        if found.paths:
            yield from _routes(found, each)
        else:
            yield from found.describe()
        yield from ["", "```mermaid", found.mermaid(), "```", ""]


def _routes(found: BridgePlan, expected: Sequence[Mapping[str, Any] | None]) -> Iterator[str]:
    count = len(found.paths)
    yield f"{found.start} → {found.goal}: {count} route{'' if count == 1 else 's'}, best first"
    for number, (path, told) in enumerate(zip(found.paths, expected, strict=True), 1):
        yield f"{number}. {path.describe()[0]}"
        if told is not None:
            yield from (f"   {line}" for line in _outlook(told))
        for hop in path.hops:
            yield from (f"   {line}" for line in _hop(hop))


def _outlook(told: Mapping[str, Any]) -> Iterator[str]:
    forecast = told["forecast"]
    low, high = forecast["mrr_interval"]
    yield (
        f"to expect among {forecast['gallery']:,} items: R@10 {forecast['recall']['10']:.3f}, "
        f"MRR {forecast['mrr']:.3f} (90 %: {low:.3f} – {high:.3f}; chance {forecast['chance']:.3f})"
    )
    if told["weakest_hop"]:
        yield f"weakest hop: {' – '.join(told['weakest_hop'])}"


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
