"""Depth maps to ImageBind's vectors, as disparity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import anybind
from anybind.encoder_kit.clips import check_depth_maps
from anybind_imagebind.encoder import TowerEncoder

NEAREST, FARTHEST = 0.01, 50.0
LARGEST_DISPARITY = 75.0
# Mean and standard deviation of disparity / 75 over SUN RGB-D, as published with Omnivore by the same authors.
MEAN, STD = 0.0418, 0.0295


class DepthMaps(TowerEncoder):
    """Depth maps: disparity, shorter side to 224 (bilinear), the middle square, mean and deviation of SUN RGB-D.

    Disparity is ``baseline * focal / (depth_scale * metres)``; unknown depth counts as far away. The README says where
    these figures come from.

    Args:
        spec: As for ``TowerEncoder``, and so with the other options.
        weights: Repository.
        revision: Commit.
        folder: Folder of the checkpoint.
        baseline: Distance of the camera's eyes in metres.
        focal: Focal length in pixels.
        depth_scale: What metres are multiplied by.
        batch_size: Maps per batch.
        device: A torch device.
        dtype: Number format.
    """

    tower = "depth"

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        baseline: float = 0.075,
        focal: float = 518.857901,
        depth_scale: float = 8.0,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, batch_size=batch_size, device=device, dtype=dtype
        )
        self._unit = baseline * focal
        self._scale = depth_scale

    def _check(self, samples: Sequence[Any]) -> None:
        check_depth_maps(self.spec.name, samples)

    def _clips(self, sample: anybind.DepthMap) -> torch.Tensor:
        metres = torch.from_numpy(sample.metres).to(torch.float32)
        far = torch.where(metres > 0, metres * self._scale, FARTHEST).clamp(NEAREST, FARTHEST)
        disparity = (self._unit / far).clamp(max=LARGEST_DISPARITY) / LARGEST_DISPARITY
        return (middle_square(disparity[None, None], self._side) - MEAN) / STD


def middle_square(maps: torch.Tensor, side: int) -> torch.Tensor:
    """(n, 1, height, width) -> (n, 1, side, side), the shorter side scaled and the middle cut out."""
    height, width = maps.shape[2:]
    short = min(height, width)
    size = (height * side // short, width * side // short)
    scaled = torch.nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)
    top, left = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return scaled[:, :, top : top + side, left : left + side]
