"""Pictures through the image tower of an open_clip checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import normalize as unit_length

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind.encoder_kit.pictures import (
    CLIP_MEAN,
    CLIP_STD,
    Filter,
    centre_square,
    check_pictures,
    pixel_tensor,
    whole_square,
)  # fmt: skip
from anybind_open_clip.checkpoint import check_dim, load_tower, open_clip_folder, read_config
from anybind_open_clip.config import image_config
from anybind_open_clip.network import ImageTower

if TYPE_CHECKING:
    from PIL.Image import Image

_SQUARES = {"shortest": centre_square, "squash": whole_square}
# The filter "random" is one for training.
_FILTERS: Mapping[str, Filter] = {"bicubic": "bicubic", "random": "bicubic", "bilinear": "bilinear"}


class ImageEncoder:
    """The image tower: a picture is scaled and cut to a square as the checkpoint says, and embedded.

    Args:
        spec: The encoder's spec.
        weights: Repository on the Hub; the spec's where nothing else is given.
        revision: Commit of that repository; the spec's where the repository is the spec's.
        folder: A checkpoint on disk, in place of the repository.
        architecture: open_clip's name of the architecture, for a checkpoint without ``open_clip_config.json``.
        normalize: Scale every vector to length 1.
        batch_size: Pictures per batch, at least 1.
        device: A torch device.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint is missing or damaged, or has another tower or another length.
        anybind.UsageError: no checkpoint is named, or an option does not hold here.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        architecture: str | None = None,
        normalize: bool = True,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.spec = spec
        self._normalize, self._batch_size = normalize, batch_size
        self._device, self._dtype = checked_device(spec.name, device), checked_dtype(spec.name, dtype)
        path = open_clip_folder(spec, weights=weights, revision=revision, folder=folder)
        model, preprocess, where = read_config(path, architecture)
        config = image_config(spec.name, model, where)
        check_dim(spec, config.dim, where)
        self._square, self._pixels = _preparation(spec.name, preprocess, config.image_size, where)
        with torch.device("meta"):  # no random weights are drawn only to be replaced
            network = ImageTower(config)
        self._network = load_tower(spec.name, network, path, image=True).to(self._device, self._dtype)

    def encode(self, samples: Sequence[Image]) -> torch.Tensor:
        """Embed pictures, in order.

        Args:
            samples: PIL images of any size; modes other than RGB are converted.

        Returns:
            (len(samples), dim) float32 tensor on the CPU; rows of length 1 unless ``normalize`` is off.

        Raises:
            anybind.DataError: a sample is not a PIL image, or has no pixels.
        """
        check_pictures(self.spec.name, samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Image]) -> torch.Tensor:
        pixels = self._pixels([self._square(picture) for picture in batch])
        vectors: torch.Tensor = self._network(pixels.to(self._device, self._dtype)).float()
        return unit_length(vectors, dim=1) if self._normalize else vectors


def _preparation(encoder: str, config: Mapping[str, Any], size: int, where: object) -> tuple[Any, Any]:
    """Picture -> square, and squares -> tensor, as ``preprocess_cfg`` asks."""
    mode, interpolation = config.get("resize_mode") or "shortest", config.get("interpolation") or "bicubic"
    if mode not in _SQUARES or interpolation not in _FILTERS:
        raise anybind.PluginError(
            f"Encoder {encoder} cannot prepare pictures as the checkpoint asks.", where=where,
            got=f"resize_mode {mode!r}, interpolation {interpolation!r}",
            expected=f"resize_mode {' or '.join(_SQUARES)}, interpolation {' or '.join(_FILTERS)}",
        )  # fmt: skip
    mean, std = config.get("mean") or CLIP_MEAN, config.get("std") or CLIP_STD
    for name, values in (("mean", mean), ("std", std)):
        if not _three_numbers(values) or (name == "std" and min(values) <= 0):
            raise anybind.PluginError(
                f"Encoder {encoder} cannot prepare pictures as the checkpoint asks.", where=where,
                got=f"{name} {values!r}", expected="three numbers, and a std above 0",
            )  # fmt: skip
    square = partial(_SQUARES[mode], size=size, filter=_FILTERS[interpolation])
    return square, partial(pixel_tensor, mean=mean, std=std)


def _three_numbers(values: object) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == 3
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    )
