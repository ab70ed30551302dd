"""What a fitted latent model keeps of one space: enough to read z from its rows, and its rows from z."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from anybind.errors import ArtifactError, ShapeError
from anybind.methods.latent import LatentModel, posterior_map
from anybind.methods.principal import PrincipalAxes
from anybind.methods.space_map import SpaceMap


@dataclass(frozen=True)
class LatentSpace:
    """One space of a fitted model, in a method's input coordinates; 2 d (r + 1) + r^2 numbers.

    Attributes:
        encode: Rows (n, d) -> posterior mean of z given this space alone, (n, r).
        precision: (r, r) float64 ``W' Psi^-1 W``: what a row of this space adds to the precision of z.
        loading: (d, r) float32: what z adds to the mean row.
        variance: (d,) float32 variance of a row given z, dropped directions included.
    """

    encode: SpaceMap
    precision: torch.Tensor
    loading: torch.Tensor
    variance: torch.Tensor

    @classmethod
    def of(cls, model: LatentModel, space: str, axes: PrincipalAxes, mean: torch.Tensor) -> LatentSpace:
        """The space's part of a model that was fitted along its principal axes; ``mean`` is (d,) float64."""
        posterior, _ = posterior_map(model, space)
        back = axes.back
        variance = ((model.noise[space] @ back) * back).sum(0) + axes.dropped
        loading = (back.T @ model.loadings[space]).to(torch.float32)
        encode = SpaceMap(mean, axes.into @ posterior)
        return cls(encode, model.information(space)[1], loading, variance.to(torch.float32))

    @cached_property
    def reliability(self) -> torch.Tensor:
        """(r, r) covariance of the posterior mean given this space alone; the identity would be certainty."""
        identity = torch.eye(len(self.precision), dtype=self.precision.dtype)
        return identity.sub(torch.linalg.inv(identity + self.precision))

    def evidence(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, r) float64 ``W' Psi^-1 (x - mean)``, which adds up over spaces."""
        mean = self.encode(rows)
        return mean + mean @ self.precision

    def loading_along(self, into: torch.Tensor) -> torch.Tensor:
        """(p, r) float64 loading in other principal coordinates: those of ``rows @ into``, (d, p).

        Raises:
            ShapeError: the space had other dims.
        """
        if len(into) != len(self.loading):
            raise ShapeError("a space has other dims than in the fit", got=len(into), expected=len(self.loading))
        return into.T @ self.loading.to(torch.float64)

    def moved(self, shift: torch.Tensor) -> LatentSpace:
        """The same with its mean row where z has mean ``shift`` (r,)."""
        mean = self.encode.mean + self.loading.to(torch.float64) @ shift
        return replace(self, encode=replace(self.encode, mean=mean))

    def tensors(self, space: str) -> dict[str, torch.Tensor]:
        """The tensors by name, for saving."""
        own = {"precision": self.precision, "loading": self.loading, "variance": self.variance}
        return self.encode.tensors(space) | {f"{space}/{name}": tensor for name, tensor in own.items()}

    @classmethod
    def restore(cls, space: str, tensors: Mapping[str, torch.Tensor], rank: int) -> LatentSpace:
        """The space saved under this name.

        Raises:
            ArtifactError: a tensor has the wrong shape.
            KeyError: a tensor is missing.
        """
        encode = SpaceMap.restore(space, tensors, width=rank)
        dim = len(encode.mean)
        parts = []
        for name, shape in (("precision", (rank, rank)), ("loading", (dim, rank)), ("variance", (dim,))):
            tensor = tensors[f"{space}/{name}"]
            if tuple(tensor.shape) != shape:
                raise ArtifactError(
                    "a space's tensors have the wrong shape", where=f"space {space!r}, {name}",
                    got=tuple(tensor.shape), expected=shape,
                )  # fmt: skip
            parts.append(tensor)
        return cls(encode, *parts)
