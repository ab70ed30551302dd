"""``cca-chain``: canonical correlations hop by hop, composed along every best route.

Every space has whitened coordinates, shrunk; a hop is the correlation T of its two spaces there (CCA: Hotelling
1936; its chaining through a pivot is the statistical matching of D'Orazio, Di Zio & Scanu 2006)::

    K_AC = T_AB T_BC = U diag(rho) V'          compared: rho^(p/h) U' a  with  rho^(p/h) V' c,  by cosine

over h hops, since rho is then a product of h correlations.

That assumes A and C independent given B's *vector*, which attenuates every direction by how reliably B shows
it. With ``pivot_reliability: equal`` the pivot's reliability R_B is estimated as if the three spaces were
equally reliable, and divided out::

    K_AC = T_AB R_B^+ T_BC,    R_B = (|T_AB| + |T_BC|) / 2,    |T_AB| = (T_AB' T_AB)^1/2,   |T_BC| = (T_BC T_BC')^1/2

which is the harmonic mean of |T_AB| and |T_BC| between the rotations of the two hops, and so at most twice
either. Of the routes a target is given, those as short as the best count equally. p is chosen for all hops,
shrinkage per hop, by retrieval on held-out rows; a space takes the geometric mean of its hops'. Cost: an
eigendecomposition (d^3) per space and fold, and a singular value decomposition per hop, fold and shrinkage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import fmean

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
from anybind.methods.chain import Chain, Pair, Route, routes_of_pairs
from anybind.methods.fusing_chain import FusingChain
from anybind.methods.linalg import matrix_root
from anybind.methods.whitening import Whitening

# Directions in which the pivot is less reliable than this share of its best show nothing.
_CUTOFF = 1e-6
# In order of preference; held-out MRR of a few hundred rows is known to about the margin.
_POWERS = (1.0, 2.0, 0.5)
_CLEARLY_BETTER = 0.01


@dataclass(frozen=True, kw_only=True)
class CCAChain(FusingChain):
    """Shrunk canonical correlation analyses, chained; embeddings of several spaces can be fused (``FusingChain``).

    Args:
        shrinkage: Of a space's covariance, in units of its mean eigenvalue, or "auto" to choose it per hop.
        power: p of the weights, or "auto" to choose one for all hops.
        pivot_reliability: "none" or "equal"; see the module.
    """

    shrinkage: float | str = "auto"
    power: float | str = "auto"
    pivot_reliability: str = "none"

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """See ``ChainBinder.chained``."""
        wanted = routes_of_pairs(data.moments, targets, routes)
        hops = hops_of(route for several in wanted.values() for route in several)
        power, strengths = self._choose(data, hops)
        shrinkage = shrinkage_per_space(strengths)
        whitening = Whitening.of(data.groups(), shrinkage, hops)
        fitted = Hops({(a, b): whitening.correlation((a, b), shrinkage[a], shrinkage[b]) for a, b in hops})
        compose = matrix_product if self.pivot_reliability == "none" else reliable_product
        matrices = {
            pair: torch.stack([compose(fitted.along(route)) for route in several]).mean(0)
            for pair, several in wanted.items()
        }
        maps = {space: whitening.map(space, strength) for space, strength in shrinkage.items()}

        def weights_of(pair: Pair) -> Weights:
            return partial(torch.pow, exponent=power / (len(wanted[pair][0]) - 1))

        chain = canonical_chain(data, targets, maps, matrices, weights_of)
        chosen = {f"{a} to {b}": strength for (a, b), strength in strengths.items()} | {"power": power}
        return chain, chosen

    def _choose(self, data: FitData, hops: Sequence[Pair]) -> tuple[float, dict[Pair, float]]:
        """The power, and the shrinkage of every hop at it."""
        power = self.given("power", self.power)
        powers = list(_POWERS) if power == "auto" else [float(power)]
        known = {hop: self.given("{} to {}".format(*hop), self.shrinkage) for hop in hops}
        settled = {hop: float(strength) for hop, strength in known.items() if strength != "auto"}
        if len(powers) == 1 and len(settled) == len(hops):
            return powers[0], settled
        scores = {
            hop: held_out_scores(data, hop, [settled[hop]] if hop in settled else SHRINKAGES, _weightings(powers))
            for hop in hops
        }
        power = _clearly_best({
            p: fmean(max(v for (_, q), v in table.items() if q == p) for table in scores.values()) for p in powers
        })
        return power, {
            hop: max((choice for choice in table if choice[1] == power), key=table.__getitem__)[0]
            for hop, table in scores.items()
        }


def _weightings(powers: Sequence[float]) -> dict[float, Weights]:
    return {power: partial(torch.pow, exponent=power) for power in powers}


def _clearly_best(quality: Mapping[float, float]) -> float:
    """The first choice, or one that is better than those before it by more than chance would make it."""
    best = next(iter(quality))
    for choice, value in quality.items():
        if value > quality[best] + _CLEARLY_BETTER:
            best = choice
    return best


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
