"""Chains of whitened correlations: what ``cca-chain`` and ``procrustes`` share.

A hop is the correlation of two spaces in whitened coordinates (``anybind.methods.whitening``), or a rotation
made of it; a pair's matrix K is composed of the hops of its routes. With ``K = U diag(rho) V'`` the two spaces
are compared by cosine in the directions U and V, weighted by a function of rho.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, product
from math import prod
from typing import TypeVar

import torch

from anybind.fit_data import FitData
from anybind.methods.chain import Chain, Pair, Route, hub_of, new_chain
from anybind.methods.hops import cosine
from anybind.methods.selection import Score, held_out_mrr, selection_folds
from anybind.methods.whitening import Whitening

SHRINKAGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_SELECTION_FOLDS = 3
# Correlations below this share of the largest are rounding.
_CUTOFF = 1e-8

Knob = TypeVar("Knob")
Weights = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Canonical:
    """Singular vectors (k_a, r) and (k_b, r) of a pair's matrix and their correlations ``rho`` (r,), descending."""

    left: torch.Tensor
    rho: torch.Tensor
    right: torch.Tensor

    @classmethod
    def of(cls, matrix: torch.Tensor) -> Canonical:
        """The directions of a (k_a, k_b) matrix, without those that are rounding."""
        left, rho, right = torch.linalg.svd(matrix, full_matrices=False)
        kept = rho >= rho[0] * _CUTOFF
        return cls(left[:, kept], rho[kept], right.T[:, kept])

    def weighted(self, weights: Weights) -> tuple[torch.Tensor, torch.Tensor]:
        """Both sides' directions, scaled by ``weights(rho)``."""
        scale = weights(self.rho)
        return self.left * scale, self.right * scale


def held_out_scores(
    data: FitData, hop: Pair, shrinkages: Sequence[float], weightings: Mapping[Knob, Weights]
) -> dict[tuple[float, Knob], float]:
    """How well held-out rows of a hop find each other, for every shrinkage and every weighting of directions.

    Raises:
        SelectionError: too few paired rows can be held out.
    """
    edges = [edge for edge in data.moments.edges() if edge[1:] == hop]
    folds = selection_folds(data, edges, limit=_SELECTION_FOLDS)
    whole = Whitening.of(data.groups(), hop, [hop])
    totals = dict.fromkeys(product(shrinkages, weightings), 0.0)
    for fold in folds:
        whitening = Whitening.of(data.groups(without_fold=fold), hop, [hop], whole)
        means = data.means(without_fold=fold)
        for shrinkage in shrinkages:
            canonical = Canonical.of(whitening.correlation(hop, shrinkage, shrinkage))
            left = whitening.map(hop[0], shrinkage) @ canonical.left
            right = whitening.map(hop[1], shrinkage) @ canonical.right
            for knob, weights in weightings.items():
                scale = weights(canonical.rho)
                score = _score(left * scale, right * scale)
                totals[shrinkage, knob] += held_out_mrr(score, data, edges, fold, means) / len(folds)
    return totals


def _score(map_a: torch.Tensor, map_b: torch.Tensor) -> Score:
    return lambda a, rows_a, b, rows_b: cosine(rows_a.to(torch.float64) @ map_a, rows_b.to(torch.float64) @ map_b)


def hops_of(routes: Iterable[Route]) -> list[Pair]:
    """The hops that some route takes, each once and in order of name."""
    return sorted({(min(hop), max(hop)) for route in routes for hop in pairwise(route)})


class Hops:
    """The matrix of every hop in either direction."""

    def __init__(self, matrices: Mapping[Pair, torch.Tensor]) -> None:
        self._matrices = matrices

    def along(self, route: Route) -> list[torch.Tensor]:
        """The matrices of a route's hops, in order."""
        return [self._matrices[h] if h in self._matrices else self._matrices[h[::-1]].T for h in pairwise(route)]


def matrix_product(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """The product of a route's matrices."""
    return reduce(torch.matmul, matrices)


def canonical_chain(
    data: FitData,
    targets: Sequence[Pair],
    maps: Mapping[str, torch.Tensor],
    matrices: Mapping[Pair, torch.Tensor],
    weights_of: Callable[[Pair], Weights],
) -> Chain:
    """The chain in which every pair is compared in its own canonical directions.

    It embeds into those of the first target: its ends as they are scored, other spaces carried to its goal.

    Args:
        data: Gives the means.
        targets: The first one gives the hub; the first pair of spaces that rows have together if there is none.
        maps: Space -> (d, k) map to whitened coordinates.
        matrices: Pair, in order of name -> (k_a, k_b) matrix.
        weights_of: Pair -> what scales its directions by their correlations.
    """
    carried, places = {}, {}
    sides = {pair: Canonical.of(matrix).weighted(weights_of(pair)) for pair, matrix in matrices.items()}
    for (a, b), (left, right) in sides.items():
        place = _place(a, b)
        places[a, b] = (place,)
        carried[a, place], carried[b, place] = maps[a] @ left, maps[b] @ right
    goal = hub_of(data.moments, targets)
    start = targets[0][0] if targets else data.moments.edges()[0][2]
    hub, low = _place(start, goal), min(start, goal)
    directions = sides[low, max(start, goal)][0 if goal == low else 1]
    for a, b in matrices:
        if goal in (a, b) and start not in (a, b):
            space, matrix = (a, matrices[a, b]) if b == goal else (b, matrices[a, b].T)
            carried[space, hub] = maps[space] @ matrix @ directions
    return new_chain(data.moments, targets, carried, hub, places)


def _place(a: str, b: str) -> str:
    """The name of where a pair meets; no space has a name with ~."""
    return "~".join(sorted((a, b)))


def shrinkage_per_space(strengths: Mapping[Pair, float]) -> dict[str, float]:
    """Every space's shrinkage: the geometric mean of those of its hops."""
    spaces = {space for hop in strengths for space in hop}
    own = {space: [s for hop, s in strengths.items() if space in hop] for space in sorted(spaces)}
    return {space: prod(values) ** (1 / len(values)) for space, values in own.items()}
