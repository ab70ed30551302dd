"""The bridging graph: spaces joined by data sets, shared spaces and re-encodings, and plans through it.

An edge's cost is an estimated information loss, ``-log(q)`` nats with q in (0, 1] the share of the
information it is expected to keep, so that costs add along a path. Pure functions on names and numbers:
no torch, no files, and the same answer whatever the order in which spaces and edges are given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from anybind.bridge_plan import (
    TICKS_PER_NAT,
    BridgePlan,
    Edge,
    EdgeKind,
    Hop,
    MissingEdge,
    Pair,
    Path,
    draw,
    expected_quality,
    ordered_pair,
    pooled_quality,
)
from anybind.errors import UnknownNameError, UsageError
from anybind.options import closest_name
from anybind.routes import best_routes

__all__ = [
    "BridgeGraph",
    "BridgePlan",
    "Edge",
    "EdgeKind",
    "Hop",
    "MissingEdge",
    "Path",
    "expected_quality",
    "pooled_quality",
]

_MOST_TICKS = 750 * TICKS_PER_NAT  # -log of the smallest positive float is 744.4
_MOST_ADDED = 3  # missing edges on one path
_MOST_OFFERS = 3  # ways to make a path


class BridgeGraph:
    """Spaces joined by edges; finds the k best pivot routes between any two.

    Args:
        spaces: Names of all spaces, isolated ones included.
        edges: What joins them. Parallel edges are pooled (see ``pooled_quality``).

    Raises:
        UnknownNameError: an edge names a space that is not among ``spaces``.
        UsageError: one edge is given twice; it would count twice.
    """

    def __init__(self, spaces: Iterable[str], edges: Iterable[Edge]) -> None:
        self.spaces = tuple(sorted(set(spaces)))
        known = set(self.spaces)
        parallel: defaultdict[Pair, list[Edge]] = defaultdict(list)
        for edge in edges:
            for space in edge.spaces:
                if space not in known:
                    raise self._unknown(space, where=f"edge {edge.name}")
            parallel[edge.spaces].append(edge)
        self._hops = {pair: Hop.pool(*pair, parts) for pair, parts in sorted(parallel.items())}
        self._network = _Network(self.spaces, self._hops)

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All hops, parallel edges pooled, in order of their names."""
        return tuple(self._hops.values())

    def plan(self, start: str, goal: str, k: int = 3, candidates: Iterable[Edge] = ()) -> BridgePlan:
        """The k best simple paths from ``start`` to ``goal``, or why there is none.

        Args:
            start: A space.
            goal: Another space.
            k: How many routes at most, >= 1. A route is a sequence of spaces.
            candidates: Edges that could be had, such as those of the registry; they may name further
                spaces. Without a path, up to three ways to make one from them are given in ``missing``:
                those with the fewest added edges (at most three) first, then by cost; no edge is in two.

        Returns:
            Paths by cost, then length, then names.

        Raises:
            UnknownNameError: ``start`` or ``goal`` is not a space of this graph.
            UsageError: they are one space, or ``k`` is below 1.
        """
        for space in (start, goal):
            if space not in self.spaces:
                raise self._unknown(space, where=f"plan from {start!r} to {goal!r}")
        if start == goal:
            raise UsageError("a plan needs two different spaces", got=f"{start!r} twice")
        if not isinstance(k, int) or k < 1:
            raise UsageError("a plan needs at least one route", got=k, expected="k at least 1")
        paths = self._network.best_paths(start, goal, k)
        return BridgePlan(start, goal, paths) if paths else self._no_path(start, goal, list(candidates))

    def connected_components(self) -> tuple[tuple[str, ...], ...]:
        """The parts of the graph that hang together, each sorted, in order of their first names."""
        neighbours: defaultdict[str, list[str]] = defaultdict(list)
        for a, b in self._hops:
            neighbours[a].append(b)
            neighbours[b].append(a)
        parts: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for first in self.spaces:
            part, frontier = set(), [first]
            while frontier:
                space = frontier.pop()
                if space not in seen:
                    seen.add(space)
                    part.add(space)
                    frontier.extend(neighbours[space])
            if part:
                parts.append(tuple(sorted(part)))
        return tuple(parts)

    def mermaid(self, highlight: Iterable[Path] = ()) -> str:
        """The whole graph as a Mermaid flowchart, the hops of ``highlight`` standing out."""
        return draw(self.spaces, self.hops, {hop.spaces for path in highlight for hop in path.hops})

    def _unknown(self, space: str, where: str) -> UnknownNameError:
        similar = closest_name(space, self.spaces)
        return UnknownNameError(
            f"there is no space named {space!r} in the graph",
            where=where,
            expected=f"one of {_listed(self.spaces)}" if self.spaces else "a graph with spaces",
            hint=f"did you mean {similar!r}?" if similar else None,
        )

    def _no_path(self, start: str, goal: str, candidates: list[Edge]) -> BridgePlan:
        parts = self.connected_components()
        here, there = (next(part for part in parts if space in part) for space in (start, goal))
        reason = f"{_standing(start, here)} {_standing(goal, there)}"
        missing = tuple(self._missing(start, goal, candidates))
        if not missing:
            tried = f"None of {len(candidates)} candidate edges, nor up to {_MOST_ADDED} together, joins them"
            none = tried if candidates else "There are no candidate edges to add"
            reason += f" {none}; any edge between {_listed(here)} and {_listed(there)} would do."
        return BridgePlan(start, goal, (), reason, missing, (here, there))

    def _missing(self, start: str, goal: str, candidates: list[Edge]) -> Iterator[MissingEdge]:
        """Ways to make a path, fewest added edges first, then by cost; each uses edges of its own."""
        offers = self._offers(candidates)
        spaces = sorted({*self.spaces, *(space for pair in offers for space in pair)})
        for _ in range(_MOST_OFFERS):
            added = {pair: Hop.pool(*pair, edges[:1]) for pair, edges in offers.items() if edges}
            network = _Network(spaces, {**self._hops, **added}, avoided=added.keys())
            paths = network.best_paths(start, goal, 1)
            used = [hop.spaces for path in paths for hop in path.hops if hop.spaces in added]
            if not 0 < len(used) <= _MOST_ADDED:
                return
            yield MissingEdge(tuple(offers[pair].pop(0) for pair in used), paths[0])

    def _offers(self, candidates: Iterable[Edge]) -> dict[Pair, list[Edge]]:
        """The candidates between spaces not joined yet, by pair of spaces, best first, each once."""
        offers: defaultdict[Pair, dict[tuple[str, str], Edge]] = defaultdict(dict)
        for edge in sorted(candidates, key=lambda edge: (-edge.quality, edge.name, edge.kind, edge.evidence)):
            if edge.spaces not in self._hops:
                offers[edge.spaces].setdefault((edge.kind, edge.name), edge)
        return {pair: list(edges.values()) for pair, edges in offers.items()}


class _Network:
    """Spaces as numbers and hops as weights, ready for ``best_routes``.

    A path's weight packs (avoided hops, cost, length) into one whole number; numbering the spaces in
    order of their names makes the last tie-break the names.
    """

    def __init__(self, spaces: Sequence[str], hops: Mapping[Pair, Hop], avoided: Iterable[Pair] = ()) -> None:
        self._spaces = spaces
        self._hops = hops
        self._numbers = {space: number for number, space in enumerate(spaces)}
        self._neighbours: list[dict[int, int]] = [{} for _ in spaces]
        length_unit = len(spaces)  # a simple path has fewer hops than this
        avoided_unit = length_unit * _MOST_TICKS
        shunned = set(avoided)
        for (a, b), hop in hops.items():
            ticks = hop.ticks + (avoided_unit if (a, b) in shunned else 0)
            i, j = self._numbers[a], self._numbers[b]
            self._neighbours[i][j] = self._neighbours[j][i] = ticks * length_unit + 1

    def best_paths(self, start: str, goal: str, k: int) -> tuple[Path, ...]:
        """The k best simple paths; none when the two are not connected."""
        routes = best_routes(self._neighbours, self._numbers[start], self._numbers[goal], k)
        return tuple(self._path([self._spaces[number] for number in route]) for _, route in routes)

    def _path(self, spaces: list[str]) -> Path:
        hops = []
        for a, b in pairwise(spaces):
            hop = self._hops[ordered_pair(a, b)]
            hops.append(Hop(a, b, hop.edges, hop.cost, hop.why))
        return Path(tuple(spaces), tuple(hops), sum(hop.ticks for hop in hops) / TICKS_PER_NAT)


def _standing(space: str, part: tuple[str, ...]) -> str:
    if len(part) == 1:
        return f"{space!r} is isolated: nothing joins it to another space."
    return f"{space!r} is connected only to {_listed(tuple(other for other in part if other != space))}."


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
