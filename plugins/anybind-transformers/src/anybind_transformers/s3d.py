"""S3D with feature gating, as trained on HowTo100M: what VideoCLIP sees of each second of a video.

The network of Xie et al. 2018 (arXiv:1712.04851), trained by Miech et al. 2020 (arXiv:1912.06430), with the names of
the tensors in their file ``s3d_howto100m.pth``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import max_pool3d, pad

WIDTH, FEATURES = 64, 512
# Channels of the four branches of each block: 1x1x1; 1x1x1 then 3x3x3, twice; 1x1x1 behind a pool.
_BLOCKS = {
    "mixed_3b": (64, (96, 128), (16, 32), 32), "mixed_3c": (128, (128, 192), (32, 96), 64),
    "mixed_4b": (192, (96, 208), (16, 48), 64), "mixed_4c": (160, (112, 224), (24, 64), 64),
    "mixed_4d": (128, (128, 256), (24, 64), 64), "mixed_4e": (112, (144, 288), (32, 64), 64),
    "mixed_4f": (256, (160, 320), (32, 128), 128),
    "mixed_5b": (256, (160, 320), (32, 128), 128), "mixed_5c": (384, (192, 384), (48, 128), 128),
}  # fmt: skip
# The pools that stand before some of the blocks: their size and step in time; in space both are the same.
_POOLS = {"mixed_4b": ((3, 3, 3), (2, 2, 2)), "mixed_5b": ((2, 2, 2), (2, 2, 2))}
_IN_SPACE = ((1, 3, 3), (1, 2, 2))


class S3D(nn.Module):
    """Clips to features.

    Args:
        width: Channels of the first layer; the others keep their proportion to it. A multiple of 8, published: 64.
        features: Length of the output.
    """

    def __init__(self, width: int = WIDTH, features: int = FEATURES) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return channels * width // WIDTH

        self.conv1 = _Layer(24, width, (2, 4, 4), (1, 2, 2))
        self.conv_2b = _Layer(width, width)
        self.conv_2c = _Separable(width, scaled(192))
        self.gating = _Gate(scaled(192))
        channels = scaled(192)
        for name, (first, second, third, fourth) in _BLOCKS.items():
            pairs = [tuple(map(scaled, pair)) for pair in (second, third)]
            block = _Block(channels, scaled(first), pairs[0], pairs[1], scaled(fourth))
            self.add_module(name, block)
            channels = block.channels
        self.fc = nn.Linear(channels, features)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Embed clips.

        Args:
            clips: (n, 3, frames, height, width), values in 0 ... 1; the last three even. Trained on 30 to 32 frames
                of 200 to 256 pixels a side.

        Returns:
            (n, features).
        """
        seen = self.conv1(_folded(clips))[:, :, 1:, 1:, 1:]
        seen = self.conv_2c(self.conv_2b(_pooled(seen, *_IN_SPACE)))
        seen = _pooled(self.gating(seen), *_IN_SPACE)
        for name in _BLOCKS:
            if name in _POOLS:
                seen = _pooled(seen, *_POOLS[name])
            seen = self.get_submodule(name)(seen)
        found: torch.Tensor = self.fc(seen.mean((2, 3, 4)))
        return found


class _Layer(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self, into: int, out: int, size: tuple[int, int, int] = (1, 1, 1), padding: tuple[int, int, int] = (0, 0, 0)
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(into, out, size, padding=padding, bias=False)
        self.bn1 = nn.BatchNorm3d(out)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn1(self.conv1(seen)))


class _Separable(_Layer):
    """A layer over 3x3 pixels, and then one over 3 moments."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out, (1, 3, 3), (0, 1, 1))
        self.conv2 = nn.Conv3d(out, out, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn2 = nn.BatchNorm3d(out)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn2(self.conv2(super().forward(seen))))


class _Gate(nn.Module):
    """Each channel times what the means of all channels say of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        weights = torch.sigmoid(self.fc(seen.mean((2, 3, 4))))
        return seen * weights[:, :, None, None, None]


class _Block(nn.Module):
    """Four gated branches side by side."""

    def __init__(self, into: int, first: int, second: tuple[int, ...], third: tuple[int, ...], fourth: int) -> None:
        super().__init__()
        self.conv_b0 = _Layer(into, first)
        self.conv_b1_a, self.conv_b1_b = _Layer(into, second[0]), _Separable(*second)
        self.conv_b2_a, self.conv_b2_b = _Layer(into, third[0]), _Separable(*third)
        self.conv_b3_b = _Layer(into, fourth)
        self.gating_b0, self.gating_b1 = _Gate(first), _Gate(second[1])
        self.gating_b2, self.gating_b3 = _Gate(third[1]), _Gate(fourth)
        self.channels = first + second[1] + third[1] + fourth

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        around = max_pool3d(seen, 3, stride=1, padding=1)
        return torch.cat([
            self.gating_b0(self.conv_b0(seen)),
            self.gating_b1(self.conv_b1_b(self.conv_b1_a(seen))),
            self.gating_b2(self.conv_b2_b(self.conv_b2_a(seen))),
            self.gating_b3(self.conv_b3_b(around)),
        ], dim=1)  # fmt: skip


def _folded(clips: torch.Tensor) -> torch.Tensor:
    """(n, 3, t, h, w) -> (n, 24, t/2, h/2, w/2): neighbours in time and space become channels."""
    both = (0, 1)
    parts = [clips[:, :, time::2, row::2, column::2] for time in both for row in both for column in both]
    return torch.cat(parts, dim=1)


def _pooled(seen: torch.Tensor, size: tuple[int, int, int], step: tuple[int, int, int]) -> torch.Tensor:
    """The largest of each part, with zeros behind the end, as TensorFlow pads; nothing here is below 0."""
    time, row, column = (max(a - b, 0) for a, b in zip(size, step, strict=True))
    return max_pool3d(pad(seen, (0, column, 0, row, 0, time)), size, step, ceil_mode=True)
