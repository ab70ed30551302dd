"""EfficientNet-Lite0 trained on ImageNet: pictures to 1280 numbers."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import anybind
from anybind.encoder_kit.batches import encode_in_batches, wrong_sample
from anybind.encoder_kit.devices import checked_device
from anybind_lite import weights


class EfficientNetLite0:
    """The last feature map of EfficientNet-Lite0, averaged over space.

    A picture is resized to a square (bicubic, not cropped) and its values mapped from 0 ... 255 to
    (value - 127) / 128. Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

    Args:
        spec: The encoder's spec, with ``dim`` 1280.
        image_size: Side of the square in pixels, 32 to 1024.
        batch_size: Pictures per batch, at least 1.
        device: A torch device.

    Raises:
        anybind.PluginError: the weights are missing or damaged.
        anybind.UsageError: the device does not exist.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        image_size: int = 128,
        batch_size: int = 16,
        device: str = "cpu",
    ) -> None:
        self.spec = spec
        self._size = image_size
        self._batch_size = batch_size
        self._device = checked_device(spec.name, device)
        self._model = _load(weights.EFFICIENTNET_LITE0.checked(), image_size).to(self._device)

    def encode(self, samples: Sequence[Image.Image]) -> torch.Tensor:
        """Embed pictures, in order.

        Args:
            samples: PIL images of any size; modes other than RGB are converted.

        Returns:
            (len(samples), 1280) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample is not a PIL image, or has no pixels.
        """
        for row, sample in enumerate(samples):
            if not isinstance(sample, Image.Image):
                raise wrong_sample(self.spec.name, row, got=type(sample).__name__, expected="a PIL image")
            if 0 in sample.size:
                raise wrong_sample(
                    self.spec.name, row, got=f"size {sample.size}", expected="a picture with pixels"
                )
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Image.Image]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([self._pixels(picture) for picture in batch]))
        # (n, h, w, 3) seen as (n, 3, h, w) is channels-last memory, in which these convolutions are fastest.
        values = (pixels.to(self._device, torch.float32) - 127) / 128
        # Without TF32, an accelerator gives the vectors of the CPU but for rounding.
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
            features: torch.Tensor = self._model.extract_features(values.permute(0, 3, 1, 2))
        return features.mean((2, 3))

    def _pixels(self, picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
        square = (self._size, self._size)
        rgb = picture.convert("RGB")
        return np.asarray(rgb if rgb.size == square else rgb.resize(square, Image.Resampling.BICUBIC))


def _load(path: Path, image_size: int) -> Any:
    """The network with its batch norms folded into the convolutions: same numbers, a third of the time."""
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.random.fork_rng(devices=[]):  # building draws random weights, which are then replaced
            model = EfficientNet.from_name("efficientnet-lite0", image_size=image_size)
        model.load_state_dict(state)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise anybind.PluginError(
            "The weights of EfficientNet-Lite0 do not fit its network.",
            where=path,
            got=str(error).split("\n", 1)[0],
            hint="pip install --force-reinstall --no-deps efficientnet-lite-pytorch==0.1.0",
        ) from error
    model.eval().requires_grad_(False)
    _fold(model, "_conv_stem", "_bn0")
    _fold(model, "_conv_head", "_bn1")
    for block in model._blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
        block._swish = nn.ReLU6(inplace=True)
    model._swish = nn.ReLU6(inplace=True)
    return model.to(memory_format=torch.channels_last)


def _fold(owner: Any, conv_name: str, norm_name: str) -> None:
    """Replace a convolution and its batch norm by one convolution, which also pads where padding is even."""
    conv: Any = fuse_conv_bn_eval(getattr(owner, conv_name), getattr(owner, norm_name))
    padding = conv.static_padding
    if isinstance(padding, nn.ZeroPad2d) and len(set(padding.padding)) == 1:
        conv.padding = (padding.padding[0], padding.padding[0])
        conv.static_padding = nn.Identity()
    setattr(owner, conv_name, conv)
    setattr(owner, norm_name, nn.Identity())
