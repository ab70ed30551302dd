"""Pictures, and pictures of heat, to ImageBind's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anybind.encoder_kit.pictures import CLIP_MEAN, CLIP_STD, centre_square, check_pictures, pixel_tensor
from anybind_imagebind.encoder import TowerEncoder

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

FRAMES = 2


class Pictures(TowerEncoder):
    """Pictures: shorter side to 224 (bicubic), the middle square, CLIP's mean and standard deviation.

    The tower reads 2 frames at a time; a picture is both of them.
    """

    tower = "vision"

    def _check(self, samples: Sequence[Any]) -> None:
        check_pictures(self.spec.name, samples)

    def _clips(self, sample: PillowImage) -> torch.Tensor:
        square = centre_square(sample.convert("RGB"), self._side)
        pixels = pixel_tensor([square], CLIP_MEAN, CLIP_STD)
        return pixels[:, :, None].expand(-1, -1, FRAMES, -1, -1)


class ThermalPictures(TowerEncoder):
    """Pictures of heat: grey, shorter side to 224 (bicubic), the middle square, values 0 ... 1 as they are.

    How these were prepared is not published; on LLVIP this comes close to the paper's number, and subtracting a mean
    does not (facebookresearch/ImageBind, pull request 73).
    """

    tower = "thermal"

    def _check(self, samples: Sequence[Any]) -> None:
        check_pictures(self.spec.name, samples)

    def _clips(self, sample: PillowImage) -> torch.Tensor:
        square = centre_square(sample.convert("L"), self._side)
        return torch.from_numpy(np.array(square, dtype=np.float32))[None, None] / 255
