"""``procrustes``: a rotation per hop between whitened spaces, composed along the best route.

Every space has whitened coordinates, shrunk. A hop's correlation there, ``T = U diag(rho) V'``, is replaced by
the rotation nearest to it, ``Q = U_r V_r'`` (Schönemann 1966; whitening first as in Artetxe, Labaka & Agirre 2018),
over its ``rank`` leading directions. So every kept direction counts alike, however weakly it is shared: right
where one space is another one turned, as with encoders of one family. A chain is the product of its rotations.
With a large shrinkage the whitening fades and this is the plain orthogonal Procrustes map.

Shrinkage and rank are chosen per hop by retrieval on held-out rows; a space takes the geometric mean of its
hops' shrinkages. Cost: an eigendecomposition (d^3) per space and fold, and a singular value decomposition per
hop, fold and shrinkage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from anybind.fit_data import FitData
from anybind.methods.canonical import (
    SHRINKAGES,
    Canonical,
    Hops,
    canonical_chain,
    held_out_scores,
    hops_of,
    matrix_product,
    shrinkage_per_space,
)
from anybind.methods.chain import Chain, Pair, Route, routes_of_pairs
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.hops import RANKS
from anybind.methods.whitening import Whitening


@dataclass(frozen=True, kw_only=True)
class Procrustes(ChainBinder):
    """Rotations between whitened spaces, chained.

    Args:
        shrinkage: Of a space's covariance, in units of its mean eigenvalue, or "auto" to choose it per hop.
        rank: Directions of a hop that are kept, at most, or "auto" to choose it per hop.
    """

    shrinkage: float | str = "auto"
    rank: int | str = "auto"

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """See ``ChainBinder.chained``."""
        wanted = {pair: several[0] for pair, several in routes_of_pairs(data.moments, targets, routes).items()}
        hops = hops_of(wanted.values())
        choices = {hop: self._choose(data, hop) for hop in hops}
        shrinkage = shrinkage_per_space({hop: strength for hop, (strength, _) in choices.items()})
        whitening = Whitening.of(data.groups(), shrinkage, hops)
        correlations = {(a, b): whitening.correlation((a, b), shrinkage[a], shrinkage[b]) for a, b in hops}
        rotations = Hops({hop: rotation(matrix, choices[hop][1]) for hop, matrix in correlations.items()})
        matrices = {pair: matrix_product(rotations.along(route)) for pair, route in wanted.items()}
        maps = {space: whitening.map(space, strength) for space, strength in shrinkage.items()}
        chosen = {f"shrinkage {a} to {b}": strength for (a, b), (strength, _) in choices.items()}
        chosen |= {f"rank {a} to {b}": rank for (a, b), (_, rank) in choices.items()}
        return canonical_chain(data, targets, maps, matrices, lambda _: torch.sqrt), chosen

    def _choose(self, data: FitData, hop: Pair) -> tuple[float, int]:
        """The hop's shrinkage and rank."""
        name = "{} to {}".format(*hop)
        shrinkage, rank = self.given(f"shrinkage {name}", self.shrinkage), self.given(f"rank {name}", self.rank)
        shrinkages = SHRINKAGES if shrinkage == "auto" else (float(shrinkage),)
        widest = min(data.dims[space] for space in hop)
        ranks = (widest, *(r for r in RANKS[::-1] if r < widest)) if rank == "auto" else (int(rank),)
        if len(shrinkages) == len(ranks) == 1:
            return shrinkages[0], ranks[0]
        scores = held_out_scores(data, hop, shrinkages, {rank: partial(_leading, rank=rank) for rank in ranks})
        return max(scores, key=lambda choice: scores[choice])


def rotation(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    """(k_a, k_b): the leading ``rank`` singular directions of a matrix, all with singular value 1."""
    left, right = Canonical.of(matrix).weighted(partial(_leading, rank=rank))
    return left @ right.T


def _leading(rho: torch.Tensor, rank: int) -> torch.Tensor:
    return (torch.arange(len(rho)) < rank).to(rho.dtype)
