"""Toy encoders without weights: a plain install can run a graph, a tutorial and the tests.

They are deterministic on every machine and good for nothing else; `Vectors`, which passes on vectors made
elsewhere, is the exception.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from anybind.encoder_kit.batches import check_texts
from anybind.encoder_kit.pictures import check_pictures
from anybind.errors import ShapeError, UsageError
from anybind.specs import EncoderSpec

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

TOY_DIM = 64
_GRAM_LENGTHS = (1, 2, 3)
_THUMBNAIL = (4, 4)
_BINS = 5


class ToyText:
    """Counts of character n-grams (1 to 3 characters, case folded), hashed with a sign: 64 dims, unit norm.

    Reference: Weinberger et al. (2009), Feature Hashing for Large Scale Multitask Learning, eq. 1.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = _with_dim(spec, TOY_DIM)

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """(n, 64) float32, rows of unit norm; raises DataError for what is no text."""
        check_texts(self.spec.name, samples)
        return _stacked([_hashed_grams(sample) for sample in samples], TOY_DIM)


class ToyImage:
    """A 4 × 4 thumbnail in RGB, a 5-bin histogram of each channel, and the aspect ratio: 64 dims.

    Thumbnail and histograms lie in [0, 1], the aspect ratio (width over the sum of both sides) too.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = _with_dim(spec, TOY_DIM)

    def encode(self, samples: Sequence[PillowImage]) -> torch.Tensor:
        """(n, 64) float32 in [0, 1]; raises DataError for what is no picture."""
        check_pictures(self.spec.name, samples)
        return _stacked([_colours(sample) for sample in samples], TOY_DIM)


class Vectors:
    """Passes one-dimensional arrays through unchanged: for vectors that were made elsewhere.

    Args:
        spec: ``spec.dim`` is what counts when no option is given.
        dim: Length of the vectors. An encoder that declares an option ``dim`` says that this option, where
            it is given, takes the place of ``spec.dim``; ``self.spec.dim`` holds what came of it.
    """

    def __init__(self, spec: EncoderSpec, dim: int | None = None) -> None:
        self.spec = spec if dim is None else EncoderSpec(**{**dict(spec), "dim": dim})

    def encode(self, samples: Sequence[NDArray[np.float32]]) -> torch.Tensor:
        """(n, dim) float32.

        Raises:
            ShapeError: a vector has another length.
        """
        for position, sample in enumerate(samples):
            if np.shape(sample) != (self.spec.dim,):
                raise ShapeError(
                    "a vector has another length than declared",
                    where=f"encoder '{self.spec.name}', sample {position} of {len(samples)}",
                    got=np.shape(sample),
                    expected=f"({self.spec.dim},)",
                    hint="set the encoder's option dim",
                )
        return _stacked(samples, self.spec.dim)


def _with_dim(spec: EncoderSpec, dim: int) -> EncoderSpec:
    if spec.dim != dim:
        raise UsageError("a toy encoder has a fixed dim", where=spec.name, got=spec.dim, expected=dim)
    return spec


def _stacked(rows: Sequence[NDArray[np.float32]], dim: int) -> torch.Tensor:
    if not len(rows):
        return torch.empty((0, dim), dtype=torch.float32)
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def _hashed_grams(text: str) -> NDArray[np.float32]:
    folded = f" {' '.join(text.casefold().split())} "
    counts = np.zeros(TOY_DIM, dtype=np.float32)
    for length in _GRAM_LENGTHS:
        for start in range(len(folded) - length + 1):
            code = zlib.crc32(folded[start : start + length].encode())
            counts[code % TOY_DIM] += 1.0 if code >> 31 else -1.0
    norm = np.linalg.norm(counts)
    result: NDArray[np.float32] = counts / norm if norm > 0 else counts
    return result


def _colours(image: Any) -> NDArray[np.float32]:
    small = np.asarray(image.resize(_THUMBNAIL, resample=4), dtype=np.float32) / 255  # 4 is PIL's BOX
    values = np.asarray(image)
    histograms = [
        np.histogram(values[..., channel], bins=_BINS, range=(0, 256))[0] / values[..., channel].size
        for channel in range(3)
    ]
    aspect = image.width / (image.width + image.height)
    result: NDArray[np.float32] = np.concatenate([small.ravel(), *histograms, [aspect]]).astype(np.float32)
    return result
