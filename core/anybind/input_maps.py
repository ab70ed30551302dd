"""How raw vectors become a method's input: unit length, kernel features, projection; each step if asked for.

Kernel features make a linear method nonlinear while it still works from second moments (Williams & Seeger
2001, the Nyström method): with landmarks l_1 ... l_m drawn from the data and K the m×m kernel matrix of
the landmarks, a row x becomes ``k(x, l) K^-1/2``, so that inner products of features are the kernel.
With every row a landmark this is exact kernel PCA. The kernel is Gaussian, ``exp(-gamma |x - l|^2)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.errors import ArtifactError

_ROWS_AT_ONCE = 4096
_SMALLEST_EIGENVALUE = 1e-8
# Rows whose variance is below this share of their mean square differ by the rounding of float32 only.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class KernelOptions:
    """What kernel features to make.

    Attributes:
        landmarks: At most this many rows per space stand for all.
        width: gamma in units of one over the median squared distance between landmarks, > 0.
    """

    landmarks: int = 1024
    width: float = 2.0


@dataclass(frozen=True)
class KernelMap:
    """Gaussian Nyström features.

    Attributes:
        landmarks: (m, d) float32.
        root: (m, p) float32, ``K^-1/2`` without the directions K does not have.
        gamma: One over a squared distance.
    """

    landmarks: torch.Tensor
    root: torch.Tensor
    gamma: float

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, p) float32."""
        parts = [self._features(vectors[i : i + _ROWS_AT_ONCE]) for i in range(0, len(vectors), _ROWS_AT_ONCE)]
        return torch.cat(parts) if parts else torch.zeros(0, self.root.shape[1])

    def _features(self, vectors: torch.Tensor) -> torch.Tensor:
        kernel = gaussian(vectors.to(torch.float64), self.landmarks.to(torch.float64), self.gamma)
        return (kernel @ self.root.to(torch.float64)).to(torch.float32)


@dataclass(frozen=True)
class InputMap:
    """Raw vectors of a space -> a method's input."""

    normalise: bool
    kernel: KernelMap | None = None
    projection: torch.Tensor | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, raw dim) -> (n, dim) float32."""
        vectors = vectors.to(torch.float32)
        if self.normalise:
            # in float64, since the squares of large and small numbers leave the range of float32
            length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True, dtype=torch.float64)
            vectors = (vectors / length.clamp(min=1e-300)).to(torch.float32)
        if self.kernel is not None:
            vectors = self.kernel(vectors)
        return vectors if self.projection is None else vectors @ self.projection

    def width(self, dim: int) -> int:
        """Length of what comes out for raw vectors of length ``dim``."""
        if self.projection is not None:
            return self.projection.shape[1]
        return dim if self.kernel is None else self.kernel.root.shape[1]

    def tensors(self) -> dict[str, torch.Tensor]:
        """What is needed to restore the map, by name."""
        named: dict[str, torch.Tensor] = {}
        if self.kernel is not None:
            gamma = torch.tensor([self.kernel.gamma], dtype=torch.float64)
            named |= {"landmarks": self.kernel.landmarks, "root": self.kernel.root, "gamma": gamma}
        if self.projection is not None:
            named["projection"] = self.projection
        return named

    @classmethod
    def restore(cls, normalise: bool, dim: int, tensors: Mapping[str, torch.Tensor], space: str) -> InputMap:
        """The map saved as ``tensors`` for vectors of length ``dim``; raises ArtifactError when they do not fit."""
        kernel_parts = [tensors.get(name) for name in ("landmarks", "root", "gamma")]
        projection, kernel, width = tensors.get("projection"), None, dim
        if any(part is not None for part in kernel_parts):
            landmarks, root, gamma = kernel_parts
            if landmarks is None or root is None or gamma is None or not _fits(landmarks, root, gamma, dim):
                raise ArtifactError("kernel features do not fit their space", where=f"space {space!r}")
            kernel, width = KernelMap(landmarks, root, float(gamma)), root.shape[1]
        if projection is not None and (projection.ndim != 2 or len(projection) != width):
            raise ArtifactError("an input projection does not fit its space", where=f"space {space!r}")
        return cls(normalise, kernel, projection)


def gaussian(a: torch.Tensor, b: torch.Tensor, gamma: float) -> torch.Tensor:
    """(n, m) float64 ``exp(-gamma |a_i - b_j|^2)`` of float64 rows."""
    return torch.exp(-gamma * squared_distances(a, b))


def squared_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(n, m) squared distances, never negative."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T).clamp(min=0)


def kernel_map(landmarks: torch.Tensor, width: float) -> KernelMap | None:
    """The features of some landmarks.

    Args:
        landmarks: (m, d) float32 rows; equal rows are fine.
        width: As in ``KernelOptions``.

    Returns:
        None when the landmarks do not differ: there is nothing a kernel could tell apart.
    """
    if len(landmarks) < 2:
        return None
    rows = landmarks.to(torch.float64)
    distances = squared_distances(rows, rows)
    # the mean squared distance is twice the variance
    if float(distances.mean()) / 2 <= _ROUNDING * float(rows.square().sum(1).mean()):
        return None
    apart = distances[distances > distances.max() * 1e-12]
    gamma = width / float(apart.median())
    values, vectors = torch.linalg.eigh(torch.exp(-gamma * distances))
    kept = values > values[-1] * _SMALLEST_EIGENVALUE
    root = vectors[:, kept] / values[kept].sqrt()
    return KernelMap(landmarks.to(torch.float32).contiguous(), root.flip(1).to(torch.float32).contiguous(), gamma)


def _fits(landmarks: torch.Tensor, root: torch.Tensor, gamma: torch.Tensor, dim: int) -> bool:
    shapes = landmarks.ndim == root.ndim == 2 and gamma.shape == (1,)
    return shapes and landmarks.shape[1] == dim and len(landmarks) == len(root) and bool(gamma > 0)
