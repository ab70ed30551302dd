"""``mox-closed-form``: BrokenBind's multi-extrapolation in its data-set-level closed form (arXiv:2602.06451).

Data set 1 holds (a, b), data set 2 holds (b, c). Equation 8 gives data set 1 pseudo-embeddings of the
hidden modality, ``c~1 = B1 (B2)^+ C2``: the least-squares map from pivot to target measured in data set 2,
applied to the pivots of data set 1. It needs no correspondence between the data sets and does not depend
on the order of rows. A chain is the product of its factors ``(F_p)^+ F_q`` (Eq. 21). Heads are then fitted
on the completed tuples: a regression of c~1 on A1, and the mirror image, a~2 on C2. At a pair's score both
heads count.

Taken over whole data sets from moments, centred per data set. The pseudo-inverse of the paper fails where
rows are about as many as dims, so ``transition`` is ridge by default; ``pinv`` is the literal reading and
``rank`` cuts small directions. Strengths are chosen by retrieval on held-out rows: a transition's by the
pairs it maps, a head's by its pseudo-embeddings. Cost: as ``ridge-chain``.
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
from anybind.methods.hops import fit_hop


@dataclass(frozen=True, kw_only=True)
class MoxClosedForm(ChainBinder):
    """Pseudo-embeddings through transition maps, and ridge heads onto them.

    Args:
        transition: "ridge", "rank" or "pinv": how the pivot-to-target maps are regularised.
        transition_strength: Ridge relative to the mean eigenvalue, or rank, or "auto".
        head_ridge: Ridge of the heads, or "auto".
        features: As in ``OnFeatures``; the vectors themselves by default.
    """

    transition: str = "ridge"
    transition_strength: float | str = "auto"
    head_ridge: float | str = "auto"
    features: str = "identity"

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """See ``ChainBinder.chained``."""
        transitions = _Transitions(self, data)
        maps, chosen = {}, {}
        for (a, c), route in wanted_routes(data.moments, targets, routes).items():
            pivot = route[1]
            ridge = self.given(f"head {a} to {c}", self.head_ridge)
            head = fit_hop(data, a, pivot, strength=ridge, target_map=transitions.along(route[1:]))
            maps[a, c] = head.matrix
            chosen[f"head {a} to {c}"] = head.strength
        chosen |= {f"transition {p} to {q}": s for (p, q), s in transitions.strengths.items()}
        return new_chain(data.moments, targets, maps), chosen


class _Transitions:
    """The maps (F_p)^+ F_q between neighbouring spaces, fitted when first needed."""

    def __init__(self, method: MoxClosedForm, data: FitData) -> None:
        self._method, self._data = method, data
        self._known: dict[Pair, torch.Tensor] = {}
        self.strengths: dict[Pair, float] = {}

    def along(self, route: Route) -> torch.Tensor | None:
        """The product of transitions along a route; None for a route of one space."""
        hops = list(pairwise(route))
        return reduce(torch.matmul, [self._transition(*hop) for hop in hops]) if hops else None

    def _transition(self, p: str, q: str) -> torch.Tensor:
        if (p, q) not in self._known:
            method = self._method
            strength = method.given(f"transition {p} to {q}", method.transition_strength)
            if strength == "auto" and method.transition == "ridge":  # the head between neighbours is the same map
                strength = method.given(f"head {p} to {q}", strength)
            hop = fit_hop(self._data, p, q, kind=method.transition, strength=strength)
            self._known[p, q], self.strengths[p, q] = hop.matrix, hop.strength
        return self._known[p, q]
