"""State shared by the methods that compose maps along a route: ``ridge-chain`` and ``mox-closed-form``.

A fitted chain holds, for ordered pairs of spaces, the map that carries one into the other. A pair's score
is the mean of the cosines in both spaces, so that neither direction is privileged. The joint space is
that of a hub: the goal of the first target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from anybind.errors import ArtifactError, NoPathError
from anybind.methods.hops import cosine, shortest_routes, unit_rows
from anybind.methods.space_map import pooled_means
from anybind.moments import Moments

Pair = tuple[str, str]
Route = tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """Means per space (d,) float64, and composed maps (d_a, d_b) float64 per ordered pair of spaces."""

    hub: str
    means: Mapping[str, torch.Tensor] = field(default_factory=dict)
    maps: Mapping[Pair, torch.Tensor] = field(default_factory=dict)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows of a space, centred and carried to the hub, unit length, float32."""
        carried = self._carried(space, self._centred(space, vectors), self.hub)
        return unit_rows(carried).to(torch.float32)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32: mean of the cosine in b's space and the cosine in a's space."""
        rows_a, rows_b = self._centred(space_a, a), self._centred(space_b, b)
        forward = cosine(self._carried(space_a, rows_a, space_b), rows_b)
        backward = cosine(rows_a, self._carried(space_b, rows_b, space_a))
        return ((forward + backward) / 2).to(torch.float32)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Means as ``<space>/mean`` and maps as ``<a>/to/<b>``."""
        means = {f"{space}/mean": mean for space, mean in self.means.items()}
        return means | {f"{a}/to/{b}": matrix for (a, b), matrix in self.maps.items()}

    def config(self) -> dict[str, Any]:
        """Names needed to find the tensors again."""
        return {"hub": self.hub, "spaces": sorted(self.means), "pairs": sorted(map(list, self.maps))}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Chain:
        """Rebuild; raises ArtifactError when a map's shape does not fit its spaces' means."""
        means = {space: tensors[f"{space}/mean"] for space in config["spaces"]}
        maps = {(a, b): tensors[f"{a}/to/{b}"] for a, b in config["pairs"]}
        for (a, b), matrix in maps.items():
            expected = (len(means[a]), len(means[b]))
            if tuple(matrix.shape) != expected:
                raise ArtifactError(
                    "a map has the wrong shape", where=f"{a} to {b}", got=tuple(matrix.shape), expected=expected
                )
        return cls(config["hub"], means, maps)

    def _centred(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        if space not in self.means:
            raise NoPathError("the binder was fitted without a route to a space", where=repr(space))
        return vectors.to(torch.float64) - self.means[space]

    def _carried(self, space: str, rows: torch.Tensor, goal: str) -> torch.Tensor:
        if space == goal:
            return rows
        if (space, goal) not in self.maps:
            raise NoPathError(
                "the binder was fitted without a route between two spaces", where=f"{space!r} to {goal!r}",
                hint="fit with this pair among the targets",
            )  # fmt: skip
        return rows @ self.maps[space, goal]


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


def new_chain(moments: Moments, targets: Sequence[Pair], maps: Mapping[Pair, torch.Tensor]) -> Chain:
    """A chain over the spaces that its maps join."""
    joined = {space for pair in maps for space in pair}
    means = {space: mean for space, mean in pooled_means(moments).items() if space in joined}
    return Chain(hub_of(moments, targets), means, maps)
