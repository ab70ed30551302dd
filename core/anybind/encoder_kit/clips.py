"""Checks of samples that are measured over time or space: sound, video, depth, inertial recordings.

Each raises DataError, whose ``where`` names the place of the first sample that an encoder cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anybind.builtin.audio import AudioClip
from anybind.builtin.depth import DepthMap
from anybind.builtin.imu import ImuClip
from anybind.builtin.video import VideoClip
from anybind.encoder_kit.batches import wrong_sample


def check_sounds(encoder: str, samples: Sequence[Any], *, seconds: float = 0.0) -> None:
    """Every sample must be an AudioClip with finite frames, and last ``seconds`` at least."""

    def fault(clip: AudioClip) -> str | None:
        if (told := _array_fault(clip.samples, 1, "f")) is not None:
            return told
        if clip.rate < 1 or len(clip.samples) / clip.rate < seconds:
            return f"{len(clip.samples)} frames at {clip.rate} Hz"
        return None

    least = f", of at least {seconds:g} s" if seconds else ""
    _check(encoder, samples, AudioClip, fault, f"an AudioClip of finite (frames,) float32{least}")


def check_videos(encoder: str, samples: Sequence[Any]) -> None:
    """Every sample must be a VideoClip with frames, pixels and a rate."""

    def fault(clip: VideoClip) -> str | None:
        if (told := _array_fault(clip.frames, 4, "u")) is not None:
            return told
        if clip.frames.dtype != np.uint8 or clip.frames.shape[3] != 3 or not 0 < clip.rate < float("inf"):
            return f"{clip.frames.shape} {clip.frames.dtype} at {clip.rate} frames a second"
        return None

    _check(encoder, samples, VideoClip, fault, "a VideoClip of (frames, height, width, 3) uint8")


def check_depth_maps(encoder: str, samples: Sequence[Any]) -> None:
    """Every sample must be a DepthMap with pixels, finite and not below 0."""

    def fault(depth: DepthMap) -> str | None:
        if (told := _array_fault(depth.metres, 2, "f")) is not None:
            return told
        return "a depth below 0" if depth.metres.min() < 0 else None

    _check(encoder, samples, DepthMap, fault, "a DepthMap of finite (height, width) float32, at least 0")


def check_recordings(encoder: str, samples: Sequence[Any], *, channels: int) -> None:
    """Every sample must be an ImuClip with readings of so many channels."""

    def fault(clip: ImuClip) -> str | None:
        if (told := _array_fault(clip.samples, 2, "f")) is not None:
            return told
        if len(clip.samples) != channels or not 0 < clip.rate < float("inf"):
            return f"{clip.samples.shape} at {clip.rate} Hz"
        return None

    _check(encoder, samples, ImuClip, fault, f"an ImuClip of finite ({channels}, readings) float32")


def _check(
    encoder: str, samples: Sequence[Any], kind: type, fault: Callable[[Any], str | None], expected: str
) -> None:
    for row, sample in enumerate(samples):
        told = fault(sample) if isinstance(sample, kind) else type(sample).__name__
        if told is not None:
            raise wrong_sample(encoder, row, got=told, expected=expected)


def _array_fault(array: Any, dimensions: int, kind: str) -> str | None:
    """What is wrong with an array of measurements, or None."""
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    if array.ndim != dimensions or array.dtype.kind != kind or not array.size:
        return f"{array.shape} {array.dtype}"
    return None if kind != "f" or np.isfinite(array).all() else "NaN or Inf"
