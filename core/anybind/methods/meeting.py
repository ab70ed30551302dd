"""Where the two ends of a route meet, and the spaces each passes on its way: for ``pivot`` and ``relative``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anybind.methods.chain import Pair, Route, all_routes, hub_of
from anybind.moments import Moments


@dataclass(frozen=True)
class Meeting:
    """Where pairs meet, and how their ends get there.

    Attributes:
        hub: The space that rows are embedded in.
        places: Pair of spaces, in order of name -> the one or two spaces in the middle of its route.
        ways: (space, place) -> the spaces passed, both ends included; a place's way to itself is itself.
    """

    hub: str
    places: Mapping[Pair, Route]
    ways: Mapping[Pair, Route]

    @classmethod
    def of(cls, moments: Moments, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]) -> Meeting:
        """The meeting places of all targets (of all connected pairs if there are none), on the best route of each.

        The hub is the middle of the first target's route; of two middle spaces, the one nearer to its goal.

        Raises:
            NoPathError: no data set holds two spaces.
        """
        goal = hub_of(moments, targets)
        every = all_routes(moments, targets, routes)
        first = every.get(targets[0], (goal,)) if targets else (goal,)
        hub = first[len(first) // 2]
        pairs = [(min(pair), max(pair)) for pair in targets or every]
        wanted = {pair: every[pair] for pair in pairs if pair in every}
        ways: dict[Pair, Route] = {(hub, hub): (hub,)}
        for route in wanted.values():
            for place in middle(route):
                at = route.index(place)
                ways.setdefault((route[0], place), route[: at + 1])
                ways.setdefault((route[-1], place), route[at:][::-1])
        for (space, place), route in every.items():
            if place == hub:
                ways.setdefault((space, place), route)
        return cls(hub, {pair: middle(route) for pair, route in wanted.items()}, ways)

    def hops(self) -> list[Pair]:
        """The directed hops that some way takes, each once."""
        return sorted({hop for way in self.ways.values() for hop in pairwise(way)})


def middle(route: Route) -> Route:
    """The one or two spaces in the middle of a route."""
    return route[(len(route) - 1) // 2 : len(route) // 2 + 1]
