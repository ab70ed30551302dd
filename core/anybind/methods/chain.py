"""State shared by the methods that carry rows from space to space by linear maps.

A fitted chain holds maps from spaces to *places*, where rows of two spaces are compared by cosine. A place is
a space (``ridge-chain``, ``mox-closed-form``, ``pivot``) or the meeting point of one pair (``cca-chain``,
``procrustes``). A pair that has several places scores the mean of its cosines; unless it is told otherwise it
meets at both its ends, so that neither direction is privileged. The joint space is one place, the hub.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from anybind.errors import ArtifactError, NoPathError
from anybind.methods.hops import cosine, shortest_routes, unit_rows
from anybind.methods.similarity import InnerProduct
from anybind.methods.space_map import pooled_means
from anybind.moments import Moments
from anybind.steps import Linear, Shift, Steps, UnitLength

Pair = tuple[str, str]
Route = tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """What a fit along routes leaves behind.

    Attributes:
        hub: The place that rows are embedded in.
        means: Space -> (d,) float64.
        maps: (space, place) -> (d, r) float64. A space needs no map to itself: its rows stay as they are.
        places: Pair of spaces, in order of name -> where they are compared; both ends if not given.
    """

    hub: str
    means: Mapping[str, torch.Tensor] = field(default_factory=dict)
    maps: Mapping[Pair, torch.Tensor] = field(default_factory=dict)
    places: Mapping[Pair, Sequence[str]] = field(default_factory=dict)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows of a space, centred and carried to the hub, unit length, float32."""
        return unit_rows(self._at(self.hub, space, vectors)).to(torch.float32)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        mean, matrix = self._mean(space), self._map(space, self.hub)
        return Shift(-mean), *(() if matrix is None else (Linear(matrix),)), UnitLength()

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32: mean of the cosines at the places where the two spaces are compared."""
        places = self._places(space_a, space_b)
        tables = [cosine(self._at(place, space_a, a), self._at(place, space_b, b)) for place in places]
        return torch.stack(tables).mean(0).to(torch.float32)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product: of unit rows at every place, side by side."""
        places = self._places(space_a, space_b)

        def side(space: str, rows: torch.Tensor) -> torch.Tensor:
            parts = [unit_rows(self._at(place, space, rows)) for place in places]
            return (torch.cat(parts, 1) / math.sqrt(len(parts))).to(torch.float32)

        return InnerProduct(partial(side, space_a), partial(side, space_b))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Means as ``<space>/mean`` and maps as ``<space>/to/<place>``."""
        means = {f"{space}/mean": mean for space, mean in self.means.items()}
        return means | {f"{a}/to/{b}": matrix for (a, b), matrix in self.maps.items()}

    def config(self) -> dict[str, Any]:
        """Names needed to find the tensors again."""
        places = [[*pair, *places] for pair, places in sorted(self.places.items())]
        return {
            "hub": self.hub, "spaces": sorted(self.means), "pairs": sorted(map(list, self.maps)), "places": places,
        }  # fmt: skip

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Chain:
        """Rebuild; raises ArtifactError when a map's shape does not fit its space or its place."""
        means = {space: tensors[f"{space}/mean"] for space in config["spaces"]}
        maps = {(a, b): tensors[f"{a}/to/{b}"] for a, b in config["pairs"]}
        width = {space: len(mean) for space, mean in means.items()}
        width |= {place: matrix.shape[-1] for (space, place), matrix in maps.items() if place not in means}
        width |= {place: matrix.shape[-1] for (space, place), matrix in maps.items() if space == place}
        for (space, place), matrix in maps.items():
            expected = (len(means[space]), width[place])
            if tuple(matrix.shape) != expected:
                raise ArtifactError(
                    "a map has the wrong shape", where=f"{space} to {place}", got=tuple(matrix.shape), expected=expected
                )
        return cls(config["hub"], means, maps, {(a, b): tuple(places) for a, b, *places in config["places"]})

    def _places(self, space_a: str, space_b: str) -> Sequence[str]:
        ends = tuple(sorted({space_a, space_b}))
        return self.places.get((ends[0], ends[-1]), ends)

    def _at(self, place: str, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows centred and carried to a place, float64."""
        rows = vectors.to(torch.float64) - self._mean(space)
        matrix = self._map(space, place)
        return rows if matrix is None else rows @ matrix

    def dim(self, space: str) -> int:
        """Length of a space's rows; NoPathError where the fit did not reach it."""
        return len(self._mean(space))

    def embeds(self, space: str) -> bool:
        """Whether rows of a space can be carried to the hub."""
        return space in self.means and (space == self.hub or (space, self.hub) in self.maps)

    def _mean(self, space: str) -> torch.Tensor:
        if space not in self.means:
            raise NoPathError("the binder was fitted without a route to a space", where=repr(space))
        return self.means[space]

    def _map(self, space: str, goal: str) -> torch.Tensor | None:
        """The map to a place; None for the place itself, where rows stay as they are."""
        if (space, goal) in self.maps:
            return self.maps[space, goal]
        if space == goal:
            return None
        raise NoPathError(
            "the binder was fitted without a route between two spaces", where=f"{space!r} to {goal!r}",
            hint="fit with this pair among the targets",
        )  # fmt: skip


def all_routes(moments: Moments, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]) -> dict[Pair, Route]:
    """A route for every ordered pair of connected spaces: the best one given for a target, else the shortest."""
    edges = moments.edges()
    chosen: dict[Pair, Route] = {}
    spaces = sorted({space for _, a, b in edges for space in (a, b)})
    for goal in spaces:
        for space, route in shortest_routes(edges, goal).items():
            if space != goal:
                chosen[space, goal] = route
    for a, b in targets:
        if routes.get((a, b)):
            best = tuple(routes[a, b][0])
            chosen[a, b], chosen[b, a] = best, best[::-1]
    return chosen


def wanted_routes(
    moments: Moments, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
) -> dict[Pair, Route]:
    """The routes a fit must serve: both directions of every target, and from every space to the hub.

    Without targets these are all there are.
    """
    every = all_routes(moments, targets, routes)
    if not targets:
        return every
    asked = {*targets, *((b, a) for a, b in targets)}
    hub = hub_of(moments, targets)
    return {pair: route for pair, route in every.items() if pair in asked or pair[1] == hub}


def hub_of(moments: Moments, targets: Sequence[Pair]) -> str:
    """The joint space: the goal of the first target, or the first space by name; NoPathError without any edge."""
    edges = moments.edges()
    if not edges:
        raise NoPathError("no data set holds two spaces in one row", where=f"data sets {', '.join(moments.datasets)}")
    return targets[0][1] if targets else edges[0][1]


def routes_of_pairs(
    moments: Moments, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
) -> dict[Pair, tuple[Route, ...]]:
    """The wanted pairs of spaces, each once and in order of name, with their routes from the first to the second.

    A target has every route it was given that is no longer than its best; any other pair has one.
    """
    found: dict[Pair, tuple[Route, ...]] = {}
    for (a, b), best in wanted_routes(moments, targets, routes).items():
        given = routes.get((a, b), ()) if (a, b) in targets else ()
        several = tuple(tuple(route) for route in given if len(route) <= len(best)) or (best,)
        low, high = sorted((a, b))
        if (low, high) not in found or len(several) > 1:
            found[low, high] = several if a == low else tuple(route[::-1] for route in several)
    return found


def new_chain(
    moments: Moments,
    targets: Sequence[Pair],
    maps: Mapping[Pair, torch.Tensor],
    hub: str | None = None,
    places: Mapping[Pair, Sequence[str]] | None = None,
) -> Chain:
    """A chain over the spaces that its maps join; its hub is that of ``hub_of`` if none is given."""
    joined = {space for pair in maps for space in pair}
    means = {space: mean for space, mean in pooled_means(moments).items() if space in joined}
    return Chain(hub or hub_of(moments, targets), means, maps, places or {})
