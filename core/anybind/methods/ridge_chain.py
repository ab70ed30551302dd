"""``ridge-chain``: ridge regression hop by hop along the best route, cosine at the end.

The baseline everything must beat: it assumes that the start and the goal are independent given the
pivot's *embedding*. Every hop's ridge is chosen by retrieval on held-out rows of that hop. Cost: one
eigendecomposition (d^3) per hop, direction and fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any

import torch

from anybind.fit_data import FitData
from anybind.methods.chain import Chain, Pair, Route, new_chain, wanted_routes
from anybind.methods.hops import Hop, fit_hop


@dataclass(frozen=True)
class RidgeChain:
    """Composed ridge regressions.

    Args:
        ridge: Ridge of every hop relative to the mean eigenvalue, or "auto" to choose per hop.
    """

    ridge: float | str = "auto"
    chain: Chain | None = None
    chosen: Mapping[Pair, float] | None = None

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        seed: int = 0,
    ) -> RidgeChain:
        """Fit every hop that some route needs; see ``BinderMethod.fit``. Deterministic: the seed is unused.

        Raises:
            SelectionError: the ridge is "auto" and too few paired rows can be held out.
        """
        chosen_routes = wanted_routes(data.moments, targets, routes or {})
        needed = sorted({hop for route in chosen_routes.values() for hop in pairwise(route)})
        hops: dict[Pair, Hop] = {hop: fit_hop(data, *hop, strength=self.ridge) for hop in needed}
        maps = {
            pair: reduce(torch.matmul, [hops[hop].matrix for hop in pairwise(route)])
            for pair, route in chosen_routes.items()
        }
        strengths = {hop: fitted.strength for hop, fitted in hops.items()}
        return replace(self, chain=new_chain(data.moments, targets, maps), chosen=strengths)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows carried to the hub's space; see ``Chain.embed``."""
        return self._fitted().embed(space, vectors)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """Mean of the cosines in both spaces; see ``Chain.score``."""
        return self._fitted().score(space_a, a, space_b, b)

    def config(self) -> dict[str, Any]:
        """Fitted choices."""
        chosen = {f"{a} to {b}": strength for (a, b), strength in (self.chosen or {}).items()}
        return {"ridge": self.ridge, "chosen": chosen, **self._fitted().config()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Means and composed maps."""
        return self._fitted().tensors()

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> RidgeChain:
        """Rebuild from ``config`` and ``tensors``."""
        chosen = {(a, b): s for name, s in config["chosen"].items() for a, _, b in [name.partition(" to ")]}
        return cls(config["ridge"], Chain.restore(config, tensors), chosen)

    def _fitted(self) -> Chain:
        assert self.chain is not None, "fit first"  # noqa: S101 - users hold binders, which are always fitted
        return self.chain
