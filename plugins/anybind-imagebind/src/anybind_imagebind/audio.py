"""Sounds to ImageBind's vectors: log mel energies of clips of 2 s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import anybind
from anybind.encoder_kit.clips import check_sounds
from anybind.encoder_kit.sound import kaldi_fbank, resample
from anybind_imagebind.encoder import TowerEncoder, clip_starts

RATE = 16_000
CLIP_SECONDS = 2.0
MEL_BINS, MEL_FRAMES = 128, 204
# Mean and standard deviation of the energies that the network was trained on, AudioSet's.
MEAN, STD = -4.268, 9.138
SHORTEST = 0.025


class Sounds(TowerEncoder):
    """Sounds at 16 kHz: evenly spread clips of 2 s as 128 log mel energies of 204 frames; the mean of all clips.

    Args:
        spec: As for ``TowerEncoder``, and so with the other options.
        weights: Repository.
        revision: Commit.
        folder: Folder of the checkpoint.
        clips: How many clips.
        batch_size: Clips per batch.
        device: A torch device.
        dtype: Number format.
    """

    tower = "audio"

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        clips: int = 3,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, batch_size=batch_size, device=device, dtype=dtype
        )
        self._count = clips

    def _check(self, samples: Sequence[Any]) -> None:
        check_sounds(self.spec.name, samples, seconds=SHORTEST)

    def _clips(self, sample: anybind.AudioClip) -> torch.Tensor:
        sound = resample(sample.samples, sample.rate, RATE)
        starts = clip_starts(len(sound) / RATE, CLIP_SECONDS, self._count)
        return torch.stack([mel_picture(sound[int(s * RATE) : int((s + CLIP_SECONDS) * RATE)]) for s in starts])


def mel_picture(sound: torch.Tensor) -> torch.Tensor:
    """(frames,) at 16 kHz -> (1, 128, 204), cut or filled up with 0 before mean and deviation are taken out."""
    energies = kaldi_fbank(sound - sound.mean(), RATE, mel_bins=MEL_BINS)[:MEL_FRAMES]
    filled = torch.nn.functional.pad(energies, (0, 0, 0, MEL_FRAMES - len(energies)))
    return (filled.T[None] - MEAN) / STD
