"""Kernel features: they make a linear method nonlinear while it still works from second moments.

Two kernels of the distance |x - y|:

    gaussian    exp(-width |x - y|^2 / m)            m is the median squared distance between landmarks
    laplacian   exp(-width |x - y| / sqrt(m))

and two ways to features whose inner products are the kernel:

    nystroem    ``k(x, l) U V^-1/2`` with landmarks l and the leading eigenvectors U and eigenvalues V of the
                kernel between them (Williams & Seeger 2001); where every row is a landmark and every direction
                is kept, exactly the kernel. The landmarks are rows, and are saved.
    fourier     cosines and sines of random projections (Rahimi & Recht 2007), drawn from the kernel's
                spectrum: normal for the Gaussian, multivariate Cauchy for the Laplacian. Keeps no rows.

Cost for n rows of length d, m landmarks and p features: nystroem n·m·(d + p), and m^3 once; fourier n·p·d / 2.
Memory: m·(d + p) numbers, or p·d / 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from anybind.errors import ArtifactError

_ROWS_AT_ONCE = 4096
_SMALLEST_EIGENVALUE = 1e-8
# Rows whose variance is below this share of their mean square differ by the rounding of float32 only.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class FeatureOptions:
    """What features to make.

    Attributes:
        kind: "nystroem" or "fourier".
        kernel: "gaussian" or "laplacian".
        width: As in the module's formulas, > 0; larger is narrower.
        landmarks: Rows of a space that stand for all, at most; random features take the median from them.
        dims: Features of a space: at most so many nystroem, exactly so many (rounded up to even) fourier.
    """

    kind: str = "nystroem"
    kernel: str = "gaussian"
    width: float = 1.0
    landmarks: int = 1024
    dims: int = 384


@dataclass(frozen=True)
class NystroemMap:
    """Features from landmarks.

    Attributes:
        landmarks: (m, d) float32.
        root: (m, p) float32, ``U V^-1/2``.
        kernel: "gaussian" or "laplacian".
        gamma: What the squared distance (gaussian) or the distance (laplacian) is multiplied by.
        residual: (m,) float32, what the other landmarks leave unexplained of a landmark's kernel with itself:
            ``1 / (K^-1)_ii``. Needed while fitting only; None in a map that was loaded.
    """

    landmarks: torch.Tensor
    root: torch.Tensor
    kernel: str
    gamma: float
    residual: torch.Tensor | None = None

    @property
    def width(self) -> int:
        """Length of what comes out."""
        return self.root.shape[1]

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, p) float32."""
        landmarks, root = self.landmarks.to(torch.float64), self.root.to(torch.float64)
        return _chunked(vectors, self.width, lambda rows: kernel(rows, landmarks, self.kernel, self.gamma) @ root)

    def own_parts(self) -> torch.Tensor:
        """(m, p) what each landmark's features owe to its being a landmark itself.

        A row that no landmark equals has no such part. Held-out rows that are landmarks are therefore not
        like rows to come, unless it is taken off.
        """
        assert self.residual is not None  # noqa: S101 - asked for while fitting only
        return self.residual[:, None] * self.root

    def tensors(self) -> dict[str, torch.Tensor]:
        """By name; the name of gamma tells the kernel."""
        gamma = torch.tensor([self.gamma], dtype=torch.float64)
        return {"landmarks": self.landmarks, "root": self.root, _GAMMA[self.kernel]: gamma}


@dataclass(frozen=True)
class FourierMap:
    """Random features. ``frequencies``: (d, p / 2) float32."""

    frequencies: torch.Tensor

    @property
    def width(self) -> int:
        """Length of what comes out."""
        return 2 * self.frequencies.shape[1]

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, p) float32."""
        frequencies = self.frequencies.to(torch.float64)

        def features(rows: torch.Tensor) -> torch.Tensor:
            angles = rows @ frequencies
            scale = math.sqrt(frequencies.shape[1])
            return torch.cat([angles.cos(), angles.sin()], 1) / scale

        return _chunked(vectors, self.width, features)

    def tensors(self) -> dict[str, torch.Tensor]:
        """By name."""
        return {"frequencies": self.frequencies}


FeatureMap = NystroemMap | FourierMap
_GAMMA = {"gaussian": "gamma", "laplacian": "rate"}


def feature_map(landmarks: torch.Tensor, options: FeatureOptions, seed: int) -> FeatureMap | None:
    """The features of a space.

    Args:
        landmarks: (m, d) float32 rows of the space; equal rows are fine. Random features take the median
            distance from them.
        options: Which features.
        seed: Seeds random features.

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
    median = float(distances[distances > distances.max() * 1e-12].median())
    gamma = options.width / (median if options.kernel == "gaussian" else math.sqrt(median))
    if options.kind == "fourier":
        return FourierMap(_frequencies(landmarks.shape[1], options, gamma, seed))
    values, vectors = torch.linalg.eigh(kernel(rows, rows, options.kernel, gamma))
    kept = values > values[-1] * _SMALLEST_EIGENVALUE
    residual = 1 / (vectors[:, kept] ** 2 @ (1 / values[kept])).clamp(min=1e-300)
    kept[: -options.dims] = False
    root = (vectors[:, kept] / values[kept].sqrt()).flip(1).to(torch.float32).contiguous()
    return NystroemMap(
        landmarks.to(torch.float32).contiguous(), root, options.kernel, gamma, residual.to(torch.float32)
    )


def restored_features(tensors: Mapping[str, torch.Tensor], dim: int, space: str) -> FeatureMap | None:
    """The features saved among ``tensors`` for vectors of length ``dim``, None if there are none.

    Raises:
        ArtifactError: they do not fit each other or the space.
    """
    if "frequencies" in tensors:
        frequencies = tensors["frequencies"]
        if frequencies.ndim != 2 or len(frequencies) != dim:
            raise ArtifactError("kernel features do not fit their space", where=f"space {space!r}")
        return FourierMap(frequencies)
    gammas = {name: tensors[key] for name, key in _GAMMA.items() if key in tensors}
    landmarks, root = tensors.get("landmarks"), tensors.get("root")
    if landmarks is None and root is None and not gammas:
        return None
    name, gamma = next(iter(gammas.items()), ("", torch.zeros(0)))
    if landmarks is None or root is None or len(gammas) != 1 or not _fits(landmarks, root, gamma, dim):
        raise ArtifactError("kernel features do not fit their space", where=f"space {space!r}")
    return NystroemMap(landmarks, root, name, float(gamma))


def kernel(a: torch.Tensor, b: torch.Tensor, name: str, gamma: float) -> torch.Tensor:
    """(n, m) float64 kernel of float64 rows."""
    distances = squared_distances(a, b)
    return torch.exp(-gamma * (distances if name == "gaussian" else distances.sqrt()))


def squared_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(n, m) squared distances, never negative."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T).clamp(min=0)


def _frequencies(dim: int, options: FeatureOptions, gamma: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(dim, (options.dims + 1) // 2, generator=generator, dtype=torch.float64)
    if options.kernel == "gaussian":
        return (normal * math.sqrt(2 * gamma)).to(torch.float32)
    # the spectrum of exp(-gamma |x|) is a multivariate Cauchy: normal over the size of another normal
    length = torch.randn(normal.shape[1], generator=generator, dtype=torch.float64).abs().clamp(min=1e-6)
    return (normal / length * gamma).to(torch.float32)


def _chunked(
    vectors: torch.Tensor, width: int, features: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    starts = range(0, len(vectors), _ROWS_AT_ONCE)
    parts = [features(vectors[i : i + _ROWS_AT_ONCE].to(torch.float64)).to(torch.float32) for i in starts]
    return torch.cat(parts) if parts else torch.zeros(0, width)


def _fits(landmarks: torch.Tensor, root: torch.Tensor, gamma: torch.Tensor, dim: int) -> bool:
    shapes = landmarks.ndim == root.ndim == 2 and gamma.shape == (1,)
    return shapes and landmarks.shape[1] == dim and len(landmarks) == len(root) and bool(gamma > 0)
