"""Clips in, 16 kHz sound out; and frames in, statistics of a fixed length out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.batches import wrong_sample
from anybind.encoder_kit.clips import check_sounds
from anybind.encoder_kit.sound import resample

RATE = 16_000
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
HIGHEST_LEVEL = 1e9  # full scale is 1; squares of much more leave float32
SEGMENTS = 4


def check_clips(encoder: str, samples: Sequence[Any]) -> None:
    """Every sample must be a finite, non-empty AudioClip of a sensible rate and level.

    Raises:
        anybind.DataError: one is not; ``where`` names its place.
    """
    check_sounds(encoder, samples)
    for row, clip in enumerate(samples):
        if not LOWEST_RATE <= clip.rate <= HIGHEST_RATE:
            expected = f"{LOWEST_RATE} to {HIGHEST_RATE} Hz"
            raise wrong_sample(encoder, row, got=f"{clip.rate} Hz", expected=expected)
        level = float(np.abs(clip.samples).max())
        if level > HIGHEST_LEVEL:
            raise wrong_sample(encoder, row, got=f"a level of {level:.3g}", expected="full scale -1 to 1")


def at_16_khz(clip: anybind.AudioClip) -> torch.Tensor:
    """The clip's sound at 16 kHz: (frames,) float32."""
    return resample(clip.samples, clip.rate, RATE)


def at_least(sound: torch.Tensor, frames: int) -> torch.Tensor:
    """``sound`` with silence before and after, as much as ``frames`` needs; half of it on each side."""
    lacking = max(0, frames - len(sound))
    return torch.nn.functional.pad(sound, (lacking // 2, lacking - lacking // 2))


def segment_means(frames: torch.Tensor) -> torch.Tensor:
    """The mean of each quarter of the time: (n, d) with n >= 1 -> (4 * d,).

    Quarters hold whole frames; with fewer than four frames a frame stands in more than one quarter.
    """
    starts = [part * len(frames) // SEGMENTS for part in range(SEGMENTS)]
    ends = [(part + 1) * len(frames) // SEGMENTS for part in range(SEGMENTS)]
    pieces = [frames[start : max(end, start + 1)].mean(0) for start, end in zip(starts, ends, strict=True)]
    return torch.cat(pieces)
