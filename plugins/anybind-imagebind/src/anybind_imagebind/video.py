"""Videos to ImageBind's vectors: clips of two frames, cut into squares, averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.clips import check_videos
from anybind.encoder_kit.pictures import CLIP_MEAN, CLIP_STD
from anybind_imagebind.encoder import TowerEncoder, clip_starts

CLIP_SECONDS = 2.0


class Videos(TowerEncoder):
    """Videos: of evenly spread clips of 2 s the first and last frame, cut into squares; the mean of all squares.

    Args:
        spec: As for ``TowerEncoder``, and so with the other options.
        weights: Repository.
        revision: Commit.
        folder: Folder of the checkpoint.
        clips: How many clips.
        crops: 3 squares of each frame along its longer side, or 1 in the middle.
        batch_size: Squares per batch.
        device: A torch device.
        dtype: Number format.
    """

    tower = "vision"

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        clips: int = 5,
        crops: int = 3,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, batch_size=batch_size, device=device, dtype=dtype
        )
        self._count = clips
        self._crops = crops

    def _check(self, samples: Sequence[Any]) -> None:
        check_videos(self.spec.name, samples)

    def _clips(self, sample: anybind.VideoClip) -> torch.Tensor:
        places = np.array(frame_pairs(len(sample.frames), sample.rate, self._count))
        frames = torch.from_numpy(sample.frames[places.ravel()]).permute(0, 3, 1, 2).to(torch.float32) / 255
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (CLIP_MEAN, CLIP_STD))
        scaled = (short_side(frames, self._side) - mean) / std
        cut = torch.stack(squares(scaled, self._side, self._crops))
        # (crops, clips * 2, 3, side, side) -> (crops * clips, 3, 2, side, side)
        return cut.view(-1, 2, *cut.shape[2:]).transpose(1, 2)


def frame_pairs(count: int, rate: float, clips: int) -> list[tuple[int, int]]:
    """First and last frame of each clip, of ``count`` frames."""
    pairs = []
    for start in clip_starts(count / rate, CLIP_SECONDS, clips):
        first = min(math.ceil(start * rate), count - 1)
        last = min(math.ceil((start + CLIP_SECONDS) * rate), count) - 1
        pairs.append((first, max(first, last)))
    return pairs


def short_side(frames: torch.Tensor, side: int) -> torch.Tensor:
    """(n, 3, height, width) with the shorter side scaled to ``side``, bilinear."""
    height, width = frames.shape[2:]
    short = min(height, width)
    size = (height * side // short, width * side // short)
    return torch.nn.functional.interpolate(frames, size=size, mode="bilinear", align_corners=False)


def squares(frames: torch.Tensor, side: int, crops: int) -> list[torch.Tensor]:
    """The middle square of (..., height, width), or with 3 ``crops`` also those at both ends of the longer side."""
    down, right = (length - side for length in frames.shape[-2:])
    middle = math.ceil(down / 2), math.ceil(right / 2)
    if crops == 1:
        places = [middle]
    elif down > right:
        places = [(0, middle[1]), middle, (down, middle[1])]
    else:
        places = [(middle[0], 0), middle, (middle[0], right)]
    return [frames[..., top : top + side, left : left + side] for top, left in places]
