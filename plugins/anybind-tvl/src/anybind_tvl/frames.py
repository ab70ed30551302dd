"""Frames of a DIGIT sensor as TVL's encoders take them.

A frame is filled up with black to a square, turned a quarter to the left and scaled to the network's size (bilinear).
Source: https://github.com/Max-Fu/tvl/blob/main/tvl_enc/tacvis.py (steps and figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torch.nn.functional import interpolate

import anybind
from anybind.encoder_kit.batches import wrong_sample
from anybind.encoder_kit.pictures import check_pictures, pixel_tensor, whole_square

MEAN = (0.29174602047139075, 0.2971325588927249, 0.2910404549605639)
STD = (0.18764469044810236, 0.19467651810273057, 0.21871583397361818)
# Of frames from which the picture of the untouched sensor has been taken away.
CHANGE_MEAN = (-0.00809318389762342, -0.01887447008747725, -0.018430588238856332)
CHANGE_STD = (0.04535400223885517, 0.044029170444552575, 0.05332520729596308)


def turned_square(frame: Image.Image) -> Image.Image:
    """The frame in the middle of a black square, turned a quarter to the left."""
    side = max(frame.size)
    square = Image.new("RGB", (side, side))
    square.paste(frame.convert("RGB"), ((side - frame.width) // 2, (side - frame.height) // 2))
    return square.transpose(Image.Transpose.ROTATE_90)


class Frames:
    """Frames to a tensor.

    Args:
        encoder: The encoder's name, for messages.
        size: Side of the network's input in pixels.
        background: File with a picture of the untouched sensor, taken away from every frame; None to take frames
            as they are.

    Raises:
        anybind.UsageError: the file cannot be read.
    """

    def __init__(self, encoder: str, size: int, background: str | None) -> None:
        self._encoder, self._size = encoder, size
        self._background = None if background is None else _opened(encoder, Path(background))

    def check(self, samples: Sequence[object]) -> None:
        """Every sample must be a picture, and as large as the background; raises DataError."""
        check_pictures(self._encoder, samples)
        if self._background is None:
            return
        for row, sample in enumerate(samples):
            if isinstance(sample, Image.Image) and sample.size != self._background.size:
                raise wrong_sample(
                    self._encoder, row, got=f"size {sample.size}",
                    expected=f"the size of the background, {self._background.size}",
                )  # fmt: skip

    def __call__(self, batch: Sequence[Image.Image]) -> torch.Tensor:
        """(len(batch), 3, size, size) float32."""
        squares = [turned_square(frame) for frame in batch]
        if self._background is None:
            scaled = [whole_square(square, self._size, filter="bilinear") for square in squares]
            return pixel_tensor(scaled, MEAN, STD)
        change = _values(squares) - _values([turned_square(self._background)])
        # In training, tensors were scaled without antialiasing: the default of that torchvision.
        scaled_change = interpolate(change, size=(self._size, self._size), mode="bilinear", align_corners=False)
        return (scaled_change - torch.tensor(CHANGE_MEAN)[:, None, None]) / torch.tensor(CHANGE_STD)[:, None, None]


def _values(squares: Sequence[Image.Image]) -> torch.Tensor:
    """Values in 0 ... 1, in rows of squares of one size."""
    return pixel_tensor(squares, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _opened(encoder: str, path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise anybind.UsageError(
            f"Encoder {encoder} cannot read its background.", where="option background", got=f"{path}: {error}",
            expected="a picture of the untouched sensor",
        ) from error  # fmt: skip
