"""A vision transformer under the names of timm's, whose vector is the mean over the patches.

Sources: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1, and the names and settings of timm's
``vit_*_patch16_224`` with ``global_pool="avg"``: the class token takes part but is not averaged, and the norm comes
after the mean, as ``fc_norm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

HEAD_WIDTH = 64  # of every published size: 3, 6 and 12 heads for 192, 384 and 768 numbers
_EPS = 1e-6


@dataclass(frozen=True)
class VitConfig:
    """Sizes of the network: a square picture of ``grid`` x ``grid`` patches of ``patch`` x ``patch`` pixels."""

    width: int
    hidden: int
    layers: int
    grid: int
    patch: int
    dim: int

    @property
    def image_size(self) -> int:
        """Side of the picture in pixels."""
        return self.grid * self.patch

    @classmethod
    def of(cls, tensors: Mapping[str, Any]) -> VitConfig:
        """The sizes that a checkpoint's tensors have.

        Raises:
            KeyError: a tensor that says one is missing.
            ValueError: they do not go together.
        """
        width, _, patch, _ = tensors["patch_embed.proj.weight"].shape
        patches = tensors["pos_embed"].shape[1] - 1
        grid = round(patches**0.5)
        if grid**2 != patches or width % HEAD_WIDTH:
            raise ValueError(f"{patches} patches of {width} numbers")
        layers = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
        hidden, dim = tensors["blocks.0.mlp.fc1.weight"].shape[0], tensors["head.weight"].shape[0]
        return cls(width=width, hidden=hidden, layers=layers, grid=grid, patch=patch, dim=dim)


class PatchEmbed(nn.Module):
    """Squares of the picture as vectors."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, kernel_size=config.patch, stride=config.patch)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) -> (n, patches, width of the network)."""
        y: torch.Tensor = self.proj(pixels).flatten(2).transpose(1, 2)
        return y


class Attention(nn.Module):
    """Every token looks at every other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, tokens, width) -> (n, tokens, width)."""
        n, tokens, width = x.shape
        query, key, value = self.qkv(x).view(n, tokens, 3, -1, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value)
        y: torch.Tensor = self.proj(seen.transpose(1, 2).reshape(n, tokens, width))
        return y


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., width) -> (..., width)."""
        y: torch.Tensor = self.fc2(gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """Attention and linear layers, each after a norm and added to what comes in."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=_EPS)
        self.attn = Attention(config.width)
        self.norm2 = nn.LayerNorm(config.width, eps=_EPS)
        self.mlp = Mlp(config.width, config.hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, tokens, width) -> (n, tokens, width)."""
        x = x + self.attn(self.norm1(x))
        y: torch.Tensor = x + self.mlp(self.norm2(x))
        return y


class Vit(nn.Module):
    """The whole network."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.empty(1, config.grid**2 + 1, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.fc_norm = nn.LayerNorm(config.width, eps=_EPS)
        self.head = nn.Linear(config.width, config.dim)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, image_size, image_size) -> (n, dim)."""
        patches = self.patch_embed(pixels)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        y: torch.Tensor = self.head(self.fc_norm(x[:, 1:].mean(dim=1)))
        return y
