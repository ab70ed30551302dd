"""The tower for depth: a map in metres as a grey picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.clips import check_depth_maps
from anybind_languagebind import repositories
from anybind_languagebind.loading import vision_network
from anybind_languagebind.pixels import centre_square, check_sides, normalised

NEAREST = 0.01
"""Metres: what is nearer, or unknown, counts as this far."""


class DepthTower:
    """LanguageBind_Depth.

    Args:
        spec: The encoder's spec.
        weights: Repository of the checkpoint.
        revision: Its commit.
        folder: A folder on disk in place of both.
        antialias: Whether to smooth before shrinking.
        batch_size: Maps at once.
        device: Where torch runs it.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.DEPTH.weights,
        revision: str | None = repositories.DEPTH.revision, folder: str | None = None, antialias: bool = False,
        batch_size: int = 16, device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        self.spec = spec
        self._network, self._settings = vision_network(
            spec, repositories.DEPTH.model_type, weights=weights, revision=revision, folder=folder, device=device,
            dtype=dtype,
        )  # fmt: skip
        self._antialias, self._batch_size = antialias, batch_size
        self._first = next(self._network.parameters())

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed depth maps, in order.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is no depth map; ``where`` names its place.
        """
        check_depth_maps(self.spec.name, samples)
        for row, sample in enumerate(samples):
            check_sides(self.spec.name, row, *sample.metres.shape)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Any]) -> torch.Tensor:
        size = self._settings.image_size
        greys = [torch.from_numpy(grey(sample.metres, self._settings.max_depth)) for sample in batch]
        squares = [centre_square(values[None, None], size, "bicubic", self._antialias) for values in greys]
        pixels = normalised(torch.cat(squares).expand(-1, 3, -1, -1))
        rows: torch.Tensor = self._network(pixels[:, None].to(self._first))
        return rows


def grey(metres: np.ndarray[Any, Any], farthest: float) -> np.ndarray[Any, Any]:
    """Metres as shares of ``farthest``, or of the map's own farthest point where that is 0; at most 1."""
    clipped = metres.astype(np.float32).clip(min=NEAREST)
    if farthest:
        return np.asarray(clipped.clip(max=farthest) / np.float32(farthest))
    return np.asarray(clipped / clipped.max())
