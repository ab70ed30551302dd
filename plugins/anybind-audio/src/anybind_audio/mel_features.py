"""Statistics of mel energies: sound to 448 numbers, without weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.sound import kaldi_fbank
from anybind_audio.clips import RATE, at_16_khz, at_least, check_clips, segment_means

BANDS = 64
FRAME, HOP = 400, 160  # 25 and 10 ms at 16 kHz
BLOCK = 3000  # frames that are computed at once: 30 s


class MelFeatures:
    """The mean, spread, change and course of the log energies in 64 mel bands.

    Frames of 25 ms every 10 ms, as Kaldi makes them, at 16 kHz. The vector of a clip is, for each band: the mean
    over the frames, their standard deviation, the standard deviation of the step from frame to frame, and the mean
    of each quarter of the time: 7 x 64 numbers. A louder copy has larger means and the same of all else. A clip
    shorter than a frame gets silence on both sides.

    Args:
        spec: The encoder's spec, with ``dim`` 448.
    """

    def __init__(self, spec: anybind.EncoderSpec) -> None:
        self.spec = spec

    def encode(self, samples: Sequence[anybind.AudioClip]) -> torch.Tensor:
        """Describe clips, in order; each alone.

        Returns:
            (len(samples), 448) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample is no AudioClip of finite numbers, or its rate is beyond 1 ... 768 kHz.
        """
        check_clips(self.spec.name, samples)
        return encode_in_batches(samples, lambda one: _clip(one[0])[None], batch_size=1, dim=self.spec.dim)


def _clip(clip: anybind.AudioClip) -> torch.Tensor:
    frames = log_mel(at_least(at_16_khz(clip), FRAME))
    steps = frames.diff(dim=0) if len(frames) > 1 else torch.zeros_like(frames)
    spreads = [part.std(0, correction=0) for part in (frames, steps)]
    return torch.cat([frames.mean(0), *spreads, segment_means(frames)])


def log_mel(sound: torch.Tensor) -> torch.Tensor:
    """(frames,) sound at 16 kHz, at least 25 ms long -> (n, 64), one for each 10 ms."""
    count = (len(sound) - FRAME) // HOP + 1
    blocks = []
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count) - 1
        blocks.append(kaldi_fbank(sound[first * HOP : last * HOP + FRAME], RATE, mel_bins=BANDS))
    return torch.cat(blocks)
