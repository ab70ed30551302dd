"""Pictures to what a tower takes: scaled on tensors, as the published preprocessing does, cut and normalised."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

from anybind.encoder_kit.batches import wrong_sample
from anybind.encoder_kit.pictures import CLIP_MEAN, CLIP_STD

Filter = Literal["bilinear", "bicubic"]

# A strip of one pixel by a million would be scaled to a strip of 224 by 224 million.
_LONGEST = 100


def check_sides(encoder: str, row: int, height: int, width: int) -> None:
    """Raise DataError for a picture without pixels, or one that is a strip; ``where`` names the sample."""
    if not (0 < height <= _LONGEST * width and width <= _LONGEST * height):
        raise wrong_sample(
            encoder, row, got=f"{width} x {height} pixels",
            expected=f"a picture whose longer side is at most {_LONGEST} times the shorter",
        )  # fmt: skip


def centre_square(values: torch.Tensor, size: int, filter: Filter, antialias: bool = False) -> torch.Tensor:
    """Scale the shorter side to ``size`` and cut the middle square out.

    Args:
        values: (n, channels, height, width) float32.
        size: Side of the square in pixels.
        filter: How values between pixels are found.
        antialias: Whether to smooth before shrinking.

    Returns:
        (n, channels, size, size) float32.
    """
    height, width = values.shape[2:]
    short = min(height, width)
    new = (int(size * height / short), int(size * width / short))
    scaled = functional.interpolate(values, size=new, mode=filter, align_corners=False, antialias=antialias)
    top, left = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return scaled[:, :, top : top + size, left : left + size]


def normalised(values: torch.Tensor) -> torch.Tensor:
    """(n, 3, height, width) in 0 ... 1 -> the same with CLIP's mean taken off and its deviation divided out."""
    return (values - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
