"""The towers for pictures of light and of heat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.pictures import check_pictures
from anybind_languagebind import repositories
from anybind_languagebind.loading import vision_network
from anybind_languagebind.pixels import centre_square, check_sides, normalised


class _PictureTower:
    """What both share: they read Pillow images in RGB."""

    def __init__(
        self, spec: anybind.EncoderSpec, model_type: str, antialias: bool, batch_size: int, **source: Any
    ) -> None:
        self.spec = spec
        self._network, self._settings = vision_network(spec, model_type, **source)
        self._antialias, self._batch_size = antialias, batch_size
        self._first = next(self._network.parameters())

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed pictures, in order.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is no picture, or a strip; ``where`` names its place.
        """
        check_pictures(self.spec.name, samples)
        for row, sample in enumerate(samples):
            check_sides(self.spec.name, row, sample.height, sample.width)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Any]) -> torch.Tensor:
        pixels = normalised(torch.cat([self._square(picture) for picture in batch]))
        rows: torch.Tensor = self._network(pixels[:, None].to(self._first))
        return rows

    def _square(self, picture: Any) -> torch.Tensor:
        values = torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32)) / 255
        return centre_square(values.permute(2, 0, 1)[None], self._settings.image_size, "bicubic", self._antialias)


class ImageTower(_PictureTower):
    """LanguageBind_Image: OpenCLIP's ViT-L/14, which LanguageBind left as it was.

    Args:
        spec: The encoder's spec.
        weights: Repository of the checkpoint.
        revision: Its commit.
        folder: A folder on disk in place of both.
        antialias: Whether to smooth before shrinking.
        batch_size: Pictures at once.
        device: Where torch runs it.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.IMAGE.weights,
        revision: str | None = repositories.IMAGE.revision, folder: str | None = None, antialias: bool = False,
        batch_size: int = 16, device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        super().__init__(
            spec, repositories.IMAGE.model_type, antialias, batch_size, weights=weights, revision=revision,
            folder=folder, device=device, dtype=dtype,
        )  # fmt: skip


class ThermalTower(_PictureTower):
    """LanguageBind_Thermal: pictures of heat, three equal channels; arguments and errors as those of ImageTower."""

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.THERMAL.weights,
        revision: str | None = repositories.THERMAL.revision, folder: str | None = None, antialias: bool = False,
        batch_size: int = 16, device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        super().__init__(
            spec, repositories.THERMAL.model_type, antialias, batch_size, weights=weights, revision=revision,
            folder=folder, device=device, dtype=dtype,
        )  # fmt: skip
