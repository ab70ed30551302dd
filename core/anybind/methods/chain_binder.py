"""A binder method whose fitted state is one ``Chain``: everything but ``fit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median_low
from typing import Any, Self

import torch

from anybind.errors import UsageError
from anybind.fit_data import FitData
from anybind.methods.chain import Chain, Pair, Route
from anybind.methods.on_features import OnFeatures
from anybind.methods.similarity import InnerProduct
from anybind.moments import Moments
from anybind.steps import Steps

_STATE = ("chain", "chosen", "reliability")


@dataclass(frozen=True, kw_only=True)
class ChainBinder(OnFeatures):
    """Base of methods that leave a chain behind. Their other fields are their options.

    Attributes:
        chain: The fitted maps.
        chosen: What was chosen on held-out rows, or given, by name: "a to b", "ridge a to b", "whitening b".
    """

    chain: Chain | None = None
    chosen: Mapping[str, float] | None = None

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit every hop that some route needs; see ``BinderMethod.fit``. Deterministic: the seed is unused.

        Raises:
            SelectionError: an option is "auto" and too few paired rows can be held out.
            DataError: a space does not vary.
            NoPathError: no data set holds two spaces.
        """
        chain, chosen = self.chained(data, targets, routes or {})
        return replace(self, chain=chain, chosen=chosen)

    def settled(self) -> Self:
        """This method unfitted, with what it has chosen as given: a fit takes it and chooses nothing."""
        return replace(self, chain=None)

    def partial_fit(
        self,
        moments: Moments,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Sequence[Route]] | None = None,
        steps: int = 0,
    ) -> Self:
        """Fit to more data with the choices of this fit; see ``given``.

        Args:
            moments: Of everything, in the coordinates of this fit: those it was fitted to, merged with the new.
            targets, routes: As in ``fit``.
            steps: Unused, since the fit is in closed form.

        Raises:
            UsageError: this method is not fitted.
            SelectionError: the new data ask for a choice of a kind that was never made.
            DataError, NoPathError: as for ``fit``.
        """
        if self.chain is None:
            raise UsageError("there is no fit to go on from", hint="use fit first")
        return self.settled().fit(FitData(moments, {}, {}), targets=targets, routes=routes)

    def given(self, name: str, option: float | str) -> float | str:
        """What to take for a hop or a space: the option if it is a number, else what ``settled`` knows, else "auto".

        Args:
            name: As in ``chosen``. Where it is not there, the median of the choices of its kind is taken.
            option: The option.
        """
        if option != "auto" or self.chain is not None or not self.chosen:
            return option
        alike = [value for other, value in self.chosen.items() if _kind(other) == _kind(name)]
        return self.chosen[name] if name in self.chosen else median_low(alike) if alike else option

    def chained(
        self, data: FitData, targets: Sequence[Pair], routes: Mapping[Pair, Sequence[Route]]
    ) -> tuple[Chain, dict[str, float]]:
        """The fitted maps, and what was chosen, by name; the part of ``fit`` in which methods differ."""
        raise NotImplementedError

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Rows carried to the hub; see ``Chain.embed``."""
        return self._fitted().embed(space, vectors)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """Cosines where the two spaces are compared; see ``Chain.score``."""
        return self._fitted().score(space_a, a, space_b, b)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        return self._fitted().embedding_steps(space)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product; see ``Chain.as_inner_product``."""
        return self._fitted().as_inner_product(space_a, space_b)

    def config(self) -> dict[str, Any]:
        """Options and fitted choices."""
        return {**self._options(), "chosen": dict(self.chosen or {}), **self._fitted().config()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Means and maps."""
        return self._fitted().tensors()

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Self:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a map has the wrong shape.
            KeyError: a tensor or a field is missing; ``Binder.from_pretrained`` explains it.
        """
        options = {field.name: config[field.name] for field in fields(cls) if field.name not in _STATE}
        return cls(**options, chain=Chain.restore(config, tensors), chosen=dict(config["chosen"]))

    def _options(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _STATE}

    def _fitted(self) -> Chain:
        assert self.chain is not None, "fit first"  # noqa: S101 - users hold binders, which are always fitted
        return self.chain


def _kind(name: str) -> tuple[int, str]:
    """How a choice's name is built: "ridge a to b" is like "ridge b to c", and unlike "a to b"."""
    words = name.split()
    return len(words), words[0] if len(words) % 2 == 0 else ""
