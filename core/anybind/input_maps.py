"""How raw vectors become a method's input: unit length, kernel features, projection; each step if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.errors import ArtifactError, UsageError
from anybind.features import FeatureMap, NystroemMap, restored_features
from anybind.steps import Linear, Steps, UnitLength

# Of the regression that reads vectors from features, in units of the features' mean variance.
_READING_RIDGE = 1e-2
# Of a row of unit length that was not seen: an expected row that long is a mistake of the model.
_LEAST_VARIANCE = 1e-2


@dataclass(frozen=True)
class InputMap:
    """Raw vectors of a space -> a method's input."""

    normalise: bool
    features: FeatureMap | None = None
    projection: torch.Tensor | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, raw dim) -> (n, dim) float32."""
        vectors = self.scaled(vectors)
        if self.features is not None:
            vectors = self.features(vectors)
        return vectors if self.projection is None else vectors @ self.projection

    def scaled(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, dim) float32: the first step alone, rows of unit length where ``normalise`` is set."""
        vectors = vectors.to(torch.float32)
        if not self.normalise:
            return vectors
        # in float64, since the squares of large and small numbers leave the range of float32
        length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True, dtype=torch.float64)
        unit: torch.Tensor = vectors / length.clamp(min=1e-300)
        return unit.to(torch.float32)

    def embedding_steps(self) -> Steps:
        """The map, step by step."""
        unit = (UnitLength(),) if self.normalise else ()
        features = () if self.features is None else (self.features,)
        return (*unit, *features, *(() if self.projection is None else (Linear(self.projection),)))

    def width(self, dim: int) -> int:
        """Length of what comes out for raw vectors of length ``dim``."""
        if self.projection is not None:
            return self.projection.shape[1]
        return dim if self.features is None else self.features.width

    def inverse(self, mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What vectors a method's expected input stands for.

        Kernel features have no inverse. The best linear reading of their landmarks takes its place, and what
        that reading leaves unexplained is added to the variance.

        Args:
            mean: (n, dim) expected input.
            variance: (n, dim) its variance, dims taken as uncorrelated.

        Returns:
            (n, raw dim) float32 each, of vectors of unit length where ``normalise`` is set: a row's variances then
            sum to 1 - |mean|^2.

        Raises:
            UsageError: the map cannot be read backwards.
        """
        if self.features is None and self.projection is None:
            return self._of_known_length(mean, variance)
        if self.projection is not None or not isinstance(self.features, NystroemMap):
            raise UsageError(
                "vectors cannot be told from this binder's inputs", got="random features, or a projection",
                expected="the vectors themselves, or nystroem features", hint="fit with features: identity or nystroem",
            )  # fmt: skip
        reading, left, centre, middle = _reading(self.features)
        vectors = (mean.to(torch.float64) - centre) @ reading + middle
        return self._of_known_length(vectors, variance.to(torch.float64) @ reading**2 + left)

    def _of_known_length(self, mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance, float32; where rows are of unit length, each row's variance sums to 1 - |mean|^2.

        That is what it must be for the expected row of anything of unit length, and it tells items apart: the
        nearer an expected row is to the common mean, the less is known of it.
        """
        if self.normalise:
            left = (1 - mean.to(torch.float64).square().sum(1, keepdim=True)).clamp(min=_LEAST_VARIANCE)
            total = variance.to(torch.float64).sum(1, keepdim=True)
            variance = torch.where(total > 0, variance * (left / total.clamp(min=1e-300)), variance)
        return mean.to(torch.float32), variance.to(torch.float32)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What is needed to restore the map, by name."""
        named = {} if self.features is None else self.features.tensors()
        if self.projection is not None:
            named["projection"] = self.projection
        return named

    @classmethod
    def restore(cls, normalise: bool, dim: int, tensors: Mapping[str, torch.Tensor], space: str) -> InputMap:
        """The map saved as ``tensors`` for vectors of length ``dim``; raises ArtifactError when they do not fit."""
        projection = tensors.get("projection")
        features = restored_features(tensors, dim, space)
        width = dim if features is None else features.width
        if projection is not None and (projection.ndim != 2 or len(projection) != width):
            raise ArtifactError("an input projection does not fit its space", where=f"space {space!r}")
        return cls(normalise, features, projection)


def _reading(features: NystroemMap) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Regression of the landmarks on their features: (p, d), its variance left out of sample (d,), and both means."""
    landmarks = features.landmarks.to(torch.float64)
    seen = features(features.landmarks).to(torch.float64)
    centre, middle = seen.mean(0), landmarks.mean(0)
    rows, goals = seen - centre, landmarks - middle
    gram = rows.T @ rows
    gram.diagonal().add_(_READING_RIDGE * gram.diagonal().mean())
    inverse = torch.linalg.inv(gram)
    reading = inverse @ rows.T @ goals
    # what a row would leave, had it not been regressed on: its residual over one minus its leverage
    leverage = ((rows @ inverse) * rows).sum(1, keepdim=True) + 1 / len(rows)
    left = ((goals - rows @ reading) / (1 - leverage).clamp(min=1e-6)).square().mean(0)
    return reading, left, centre, middle
