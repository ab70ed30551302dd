"""``ridge-chain``: ridge regression hop by hop along the best route, cosine at the end.

The baseline everything must beat: it assumes that the start and the goal are independent given the
pivot's *embedding*. Every hop's ridge is chosen by retrieval on held-out rows of that hop. Cost: one
eigendecomposition (d^3) per hop, direction and fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import torch

from anybind.fit_data import FitData
from anybind.methods.chain import Chain, Pair, Route, new_chain, wanted_routes
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.hops import Hop, fit_hop


@dataclass(frozen=True, kw_only=True)
class RidgeChain(ChainBinder):
    """Composed ridge regressions.

    Args:
        ridge: Ridge of every hop relative to the mean eigenvalue, or "auto" to choose per hop.
        features: As in ``OnFeatures``; the vectors themselves by default.
    """

    ridge: float | str = "auto"
    features: str = "identity"

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """See ``ChainBinder.chained``."""
        chosen_routes = wanted_routes(data.moments, targets, routes)
        needed = sorted({hop for route in chosen_routes.values() for hop in pairwise(route)})
        hops: dict[Pair, Hop] = {
            (a, b): fit_hop(data, a, b, strength=self.given(f"{a} to {b}", self.ridge)) for a, b in needed
        }
        maps = {
            pair: reduce(torch.matmul, [hops[hop].matrix for hop in pairwise(route)])
            for pair, route in chosen_routes.items()
        }
        strengths = {f"{a} to {b}": hop.strength for (a, b), hop in hops.items()}
        return new_chain(data.moments, targets, maps), strengths
