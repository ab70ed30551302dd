"""Inertial recordings to ImageBind's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.clips import check_recordings
from anybind_imagebind.checkpoint import IMU_CHANNELS
from anybind_imagebind.encoder import TowerEncoder


class Recordings(TowerEncoder):
    """Recordings of 6 channels (acceleration, then rotation): the middle 5 s as 2000 readings.

    Readings are interpolated linearly to even times; a shorter recording keeps its first and last reading beyond its
    ends. Values are taken as they are: how they were prepared is not published.

    Args:
        spec: As for ``TowerEncoder``, and so with the other options.
        weights: Repository.
        revision: Commit.
        folder: Folder of the checkpoint.
        seconds: How much of the middle is read.
        batch_size: Recordings per batch.
        device: A torch device.
        dtype: Number format.
    """

    tower = "imu"

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        seconds: float = 5.0,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, batch_size=batch_size, device=device, dtype=dtype
        )
        self._seconds = seconds
        steps = self._stem.patches.in_features // IMU_CHANNELS
        self._readings = (self._stem.positions.shape[1] - 1) * steps

    def _check(self, samples: Sequence[Any]) -> None:
        check_recordings(self.spec.name, samples, channels=IMU_CHANNELS)

    def _clips(self, sample: anybind.ImuClip) -> torch.Tensor:
        return torch.from_numpy(middle_readings(sample, self._seconds, self._readings))[None]


def middle_readings(clip: anybind.ImuClip, seconds: float, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(channels, count) float32: the middle ``seconds`` of a recording, read ``count`` times."""
    length = clip.samples.shape[1]
    times = (np.arange(count) + 0.5) * (seconds / count) + (length / clip.rate - seconds) / 2
    places = times * clip.rate - 0.5
    known = np.arange(length)
    return np.stack([np.interp(places, known, channel) for channel in clip.samples]).astype(np.float32)
