"""What every checkpoint needs done to sound and video before its own processor sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import anybind
from anybind.encoder_kit.sound import resample

Frames = NDArray[np.uint8]


def sound_at(clip: anybind.AudioClip, rate: int, seconds: float | None) -> NDArray[np.float32]:
    """(frames,) float32 at another rate, cut to the first seconds."""
    kept = clip.samples if seconds is None else clip.samples[: max(1, round(seconds * clip.rate))]
    sound: NDArray[np.float32] = resample(kept, clip.rate, rate).numpy()
    return sound if seconds is None else sound[: max(1, round(seconds * rate))]


def even_frames(frames: Frames, count: int) -> list[Frames]:
    """``count`` frames, each the middle one of an equal part of the video; a short video repeats frames."""
    places = ((np.arange(count) + 0.5) * len(frames) / count).astype(int)
    return [frames[place] for place in places]
