"""``cca-chain``: canonical correlations hop by hop, composed along every best route.

Every space has whitened coordinates, shrunk; a hop is the correlation T of its two spaces there (CCA: Hotelling
1936; its chaining through a pivot is the statistical matching of D'Orazio, Di Zio & Scanu 2006)::

    K_AC = T_AB T_BC = U diag(rho) V'          compared: rho^p U' a  with  rho^p V' c,  by cosine

That assumes A and C independent given B's *vector*, which attenuates every direction by how reliably B shows
it. With ``pivot_reliability: equal`` the pivot's reliability R_B is estimated as if the three spaces were
equally reliable, and divided out::

    K_AC = T_AB R_B^+ T_BC,    R_B = (|T_AB| + |T_BC|) / 2,    |T_AB| = (T_AB' T_AB)^1/2,   |T_BC| = (T_BC T_BC')^1/2

which is the harmonic mean of |T_AB| and |T_BC| between the rotations of the two hops, and so at most twice
either. Of the routes a target is given, those as short as the best count equally. Shrinkage is
chosen per hop by retrieval on held-out rows; a space takes the geometric mean of its hops'. Cost: an
eigendecomposition (d^3) per space and fold, and a singular value decomposition per hop, fold and shrinkage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch

from anybind.fit_data import FitData
from anybind.methods.canonical import (
    SHRINKAGES,
    Hops,
    Weights,
    canonical_chain,
    held_out_scores,
    hops_of,
    matrix_product,
    shrinkage_per_space,
)
from anybind.methods.chain import Pair, Route, routes_of_pairs
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.linalg import matrix_root
from anybind.methods.whitening import Whitening

# Directions in which the pivot is less reliable than this share of its best show nothing.
_CUTOFF = 1e-6


@dataclass(frozen=True, kw_only=True)
class CCAChain(ChainBinder):
    """Shrunk canonical correlation analyses, chained.

    Args:
        shrinkage: Of a space's covariance, in units of its mean eigenvalue, or "auto" to choose it per hop.
        power: p of the weights rho^p.
        pivot_reliability: "none" or "equal"; see the module.
    """

    shrinkage: float | str = "auto"
    power: float = 0.5
    pivot_reliability: str = "none"

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        seed: int = 0,
    ) -> CCAChain:
        """Fit every hop that some route needs; see ``BinderMethod.fit``. Deterministic: the seed is unused.

        Raises:
            SelectionError: an option is "auto" and too few paired rows can be held out.
            DataError: a space does not vary.
            NoPathError: no data set holds two spaces.
        """
        wanted = routes_of_pairs(data.moments, targets, routes or {})
        hops = hops_of(route for several in wanted.values() for route in several)
        weights = partial(torch.pow, exponent=self.power)
        strengths = {hop: self._shrinkage(data, hop, weights) for hop in hops}
        shrinkage = shrinkage_per_space(strengths)
        whitening = Whitening.of(data.groups(), shrinkage, hops)
        fitted = Hops({(a, b): whitening.correlation((a, b), shrinkage[a], shrinkage[b]) for a, b in hops})
        compose = matrix_product if self.pivot_reliability == "none" else reliable_product
        matrices = {
            pair: torch.stack([compose(fitted.along(route)) for route in several]).mean(0)
            for pair, several in wanted.items()
        }
        maps = {space: whitening.map(space, strength) for space, strength in shrinkage.items()}
        chain = canonical_chain(data, targets, maps, matrices, weights)
        return replace(self, chain=chain, chosen={f"{a} to {b}": strength for (a, b), strength in strengths.items()})

    def settled(self) -> CCAChain:
        """This method unfitted, with the shrinkages it has chosen given: a fit takes them and chooses nothing."""
        return replace(self, chain=None)

    def _given(self, hop: Pair) -> float | None:
        if self.shrinkage != "auto":
            return float(self.shrinkage)
        return None if self.chain is not None else (self.chosen or {}).get("{} to {}".format(*hop))

    def _shrinkage(self, data: FitData, hop: Pair, weights: Weights) -> float:
        given = self._given(hop)
        if given is not None:
            return given
        scores = held_out_scores(data, hop, SHRINKAGES, {self.power: weights})
        return max(scores, key=lambda choice: scores[choice])[0]


def reliable_product(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """The product of a route's correlations with every pivot's reliability divided out; see the module.

    Args:
        matrices: (k_i, k_i+1) correlations of the hops, in order.
    """
    result = matrices[0]
    for before, after in pairwise(matrices):
        reliability = (matrix_root(before.T @ before) + matrix_root(after @ after.T)) / 2
        result = result @ torch.linalg.pinv(reliability, rtol=_CUTOFF, hermitian=True) @ after
    return result
