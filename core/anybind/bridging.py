"""From paired rows to routes: the bridging graph of what moments have seen together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anybind.bridge_plan import Edge, expected_quality
from anybind.errors import NoPathError, UsageError
from anybind.graph import BridgeGraph
from anybind.moments import Moments

Pair = tuple[str, str]
Routes = dict[Pair, tuple[tuple[str, ...], ...]]


def dataset_edge(name: str, a: str, b: str, pairs: int, dims: Mapping[str, int]) -> Edge:
    """The edge of a data set that holds ``pairs`` rows with both spaces; quality by counts and dims."""
    quality = expected_quality(pairs, dims[a], dims[b])
    return Edge(a, b, kind="dataset", name=name, pairs=pairs, quality=quality, evidence="pair counts")


def graph_of(moments: Moments) -> BridgeGraph:
    """The bridging graph of the data a binder is fitted on."""
    edges = [dataset_edge(d, a, b, moments.pairs(a, b, d), moments.dims) for d, a, b in moments.edges()]
    return BridgeGraph(moments.dims, edges)


def routes_for(moments: Moments, targets: Sequence[Pair], k: int = 3) -> Routes:
    """The k best pivot routes of every target pair.

    Raises:
        NoPathError: the data sets do not join a target's spaces.
        UnknownNameError: a target names a space no data set has.
        UsageError: a target is not a pair of two spaces.
    """
    graph = graph_of(moments)
    routes: Routes = {}
    for a, b in map(_pair, targets):
        plan = graph.plan(a, b, k=k)
        if not plan.paths:
            raise NoPathError(
                f"no chain of paired rows joins {a!r} and {b!r}", plan=plan, where=f"target {a} - {b}",
                got=plan.reason,
                hint="add a data set that pairs a space of one part with a space of the other",
            )  # fmt: skip
        routes[a, b] = tuple(path.spaces for path in plan.paths)
    return routes


def _pair(target: Any) -> Pair:
    if not isinstance(target, Sequence) or isinstance(target, str) or len(target) != 2:
        raise UsageError("a target is a pair of spaces", got=repr(target), expected='[("image", "audio")]')
    return target[0], target[1]


def all_targets(moments: Moments) -> tuple[Pair, ...]:
    """Every pair of spaces that some chain of data sets joins."""
    parts = graph_of(moments).connected_components()
    return tuple((a, b) for part in parts for i, a in enumerate(part) for b in part[i + 1 :])
