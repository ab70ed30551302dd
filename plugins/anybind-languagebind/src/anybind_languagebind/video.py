"""The tower for video: frames evenly over the clip, attention over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.clips import check_videos
from anybind_languagebind import repositories
from anybind_languagebind.loading import vision_network
from anybind_languagebind.pixels import centre_square, check_sides, normalised


class VideoTower:
    """LanguageBind_Video_FT.

    The published preprocessing cuts a random square and mirrors every second clip; here the middle square is cut and
    nothing is mirrored, so that a clip has one vector.

    Args:
        spec: The encoder's spec.
        weights: Repository of the checkpoint.
        revision: Its commit.
        folder: A folder on disk in place of both.
        batch_size: Clips at once.
        device: Where torch runs it.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.VIDEO.weights,
        revision: str | None = repositories.VIDEO.revision, folder: str | None = None, batch_size: int = 2,
        device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        self.spec = spec
        self._network, self._settings = vision_network(
            spec, repositories.VIDEO.model_type, weights=weights, revision=revision, folder=folder, device=device,
            dtype=dtype,
        )  # fmt: skip
        self._batch_size = batch_size
        self._first = next(self._network.parameters())

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed clips, in order.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is no clip, or has no frames; ``where`` names its place.
        """
        check_videos(self.spec.name, samples)
        for row, sample in enumerate(samples):
            check_sides(self.spec.name, row, *sample.frames.shape[1:3])
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Any]) -> torch.Tensor:
        pixels = torch.stack([self._pixels(clip.frames) for clip in batch])
        rows: torch.Tensor = self._network(pixels.to(self._first))
        return rows

    def _pixels(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        chosen = frames[even_places(len(frames), self._settings.num_frames)]
        values = torch.from_numpy(chosen).permute(0, 3, 1, 2).to(torch.float32) / 255
        return normalised(centre_square(values, self._settings.image_size, "bilinear"))


def even_places(length: int, count: int) -> NDArray[np.int64]:
    """``count`` places from the first to the last of ``length``, evenly; a shorter clip's frames are repeated.

    Args:
        length: Frames there are, at least 1.
        count: Frames that are wanted, at least 1.

    Returns:
        (count,) in 0 ... length - 1, rising.
    """
    return np.linspace(0, length - 1, count).astype(np.int64)
