"""Pictures to tensors with Pillow and torch alone: resize, crop, normalise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from anybind.encoder_kit.batches import wrong_sample

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

# Mean and standard deviation of red, green and blue, of values in 0 ... 1.
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Filter = Literal["bicubic", "bilinear"]


def check_pictures(encoder: str, samples: Sequence[Any]) -> None:
    """Every sample must be a Pillow image with pixels; raises DataError, ``where`` names its place."""
    from PIL.Image import Image

    for row, sample in enumerate(samples):
        if not isinstance(sample, Image):
            raise wrong_sample(encoder, row, got=type(sample).__name__, expected="a PIL image")
        if 0 in sample.size:
            raise wrong_sample(encoder, row, got=f"size {sample.size}", expected="a picture with pixels")


def centre_square(picture: PillowImage, size: int, *, filter: Filter = "bicubic") -> PillowImage:
    """Scale the shorter side to ``size`` and cut the middle square out, as torchvision's Resize and CenterCrop do."""
    from PIL import Image

    width, height = picture.size
    short = min(width, height)
    new = (max(size, int(size * width / short)), max(size, int(size * height / short)))
    scaled = picture if new == picture.size else picture.resize(new, Image.Resampling[filter.upper()])
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return scaled.crop((left, top, left + size, top + size))


def whole_square(picture: PillowImage, size: int, *, filter: Filter = "bicubic") -> PillowImage:
    """Scale the whole picture to a square, whatever its sides."""
    from PIL import Image

    return picture if picture.size == (size, size) else picture.resize((size, size), Image.Resampling[filter.upper()])


def pixel_tensor(
    pictures: Sequence[PillowImage], mean: Sequence[float], std: Sequence[float]
) -> torch.Tensor:
    """Pictures of one size as a network takes them.

    Args:
        pictures: n images of one size; converted to RGB.
        mean: Mean of each channel, of values in 0 ... 1.
        std: Standard deviation of each channel, > 0.

    Returns:
        (n, 3, height, width) float32.
    """
    stacked = np.stack([np.asarray(picture.convert("RGB"), dtype=np.uint8) for picture in pictures])
    values = torch.from_numpy(stacked).permute(0, 3, 1, 2).to(torch.float32) / 255
    return (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
