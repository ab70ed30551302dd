"""A chain whose embeddings of several spaces can be fused: each counts by how reliable held-out rows say it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch

from anybind.errors import SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.chain import Pair, Route
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.held_out_reliability import evidence_weights, held_out_agreement, shared_out, signal_over_noise
from anybind.methods.hops import unit_rows
from anybind.methods.presence import Rows, checked_masks


@dataclass(frozen=True, kw_only=True)
class FusingChain(ChainBinder):
    """Base of chains that can fuse.

    A row's embeddings y_s, of unit length, are taken for ``g_s u`` plus isotropic noise, independent of each
    other, u being what the item is: ``sum_s g_s / (1 - g_s^2) y_s`` then points where u is to be expected.

    Attributes:
        reliability: Space -> g in (0, 1]; see ``anybind.methods.held_out_reliability``. Empty where no rows could be
            held out.
    """

    reliability: Mapping[str, float] | None = None

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        seed: int = 0,
    ) -> Self:
        """As ``ChainBinder.fit``; then again without each of three folds, to see how reliable each space is."""
        fitted = super().fit(data, targets=targets, routes=routes, seed=seed)
        if self.reliability is not None:
            return fitted
        again = partial(super(FusingChain, fitted.settled()).fit, targets=targets, routes=routes, seed=seed)
        reached = [space for space in data.dims if fitted._fitted().embeds(space)]
        found: dict[str, float] = {}
        with suppress(SelectionError):  # a fit with given options needs no held-out rows
            found = shared_out(held_out_agreement(data, again, FusingChain.embed, among=reached))
        return replace(fitted, reliability=found)

    def fuse(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """One vector for all that each row shows, (n, r) float32 of unit length; one space alone is ``embed``.

        Args:
            rows: Space -> (n, dim); row i of every space is the same item.
            present: Space -> (n,) bool, where rows are missing. A row that shows nothing is 0.

        Raises:
            UsageError: no space is given, ``present`` names one that is not, or the fit had no rows to hold out.
            ShapeError: the shapes do not fit.
            NoPathError: the binder was fitted without a route to a space.
        """
        masks = checked_masks(self._dims(rows), rows, present or {})
        spaces = list(masks)
        weights = evidence_weights(self._reliabilities(spaces), spaces)
        joint = [
            weight * self.embed(space, _without_missing(rows[space], masks[space])).to(torch.float64) * mask[:, None]
            for weight, (space, mask) in zip(weights, masks.items(), strict=True)
        ]
        return unit_rows(torch.stack(joint).sum(0)).to(torch.float32)

    def uncertainty(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """(n,) float32 in (0, 1]: ``1 / (1 + sum g^2 / (1 - g^2))`` over the spaces that a row shows.

        It depends on which spaces a row shows, not on their values. Args and errors as for ``fuse``.
        """
        masks = checked_masks(self._dims(rows), rows, present or {})
        reliability = self._reliabilities(list(masks), even_one=True)
        precision = torch.stack([signal_over_noise(reliability[s]) * mask.double() for s, mask in masks.items()])
        return (1 / (1 + precision.sum(0))).to(torch.float32)

    def config(self) -> dict[str, Any]:
        """Options and fitted choices."""
        return super().config() | {"reliability": dict(self.reliability or {})}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Self:
        """As ``ChainBinder.restore``; binders saved before spaces had reliabilities have none."""
        return replace(super().restore(config, tensors), reliability=dict(config.get("reliability", {})))

    def _dims(self, rows: Rows) -> dict[str, int]:
        return {space: self._fitted().dim(space) for space in rows}

    def _reliabilities(self, spaces: Sequence[str], *, even_one: bool = False) -> dict[str, float]:
        """Of some spaces; one alone needs none to be embedded."""
        known = self.reliability or {}
        if (len(spaces) > 1 or even_one) and any(space not in known for space in spaces):
            raise UsageError(
                "no held-out rows have told how reliable a space is", got=next(s for s in spaces if s not in known),
                expected=", ".join(known) or "a fit that sees rows",
                hint="fit with more paired rows, or with method pcca",
            )  # fmt: skip
        return {space: known.get(space, 1.0) for space in spaces}


def _without_missing(rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Missing rows may hold anything, NaN too."""
    return torch.where(mask[:, None], rows, torch.zeros_like(rows))
