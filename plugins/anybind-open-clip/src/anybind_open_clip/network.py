"""The two towers of a CLIP as open_clip builds them, under the names its checkpoints have.

Sources: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.4,
and the names of the tensors in open_clip's checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from anybind_open_clip.config import ImageConfig, TextConfig, TowerConfig


class QuickGELU(nn.Module):
    """The approximation of GELU that OpenAI's models were trained with."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Attention and two linear layers, each after a norm and added to what comes in."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        width = config.width
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(OrderedDict(
            c_fc=nn.Linear(width, config.hidden),
            gelu=QuickGELU() if config.quick_gelu else nn.GELU(),
            c_proj=nn.Linear(config.hidden, width),
        ))  # fmt: skip

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(n, tokens, width) and a mask, true where a token (row) may not look (column) -> (n, tokens, width)."""
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        y: torch.Tensor = x + self.mlp(self.ln_2(x))
        return y


class Transformer(nn.Module):
    """The blocks, one after another."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(n, tokens, width) -> (n, tokens, width)."""
        for block in self.resblocks:
            x = block(x, mask)
        return x


class ImageTower(nn.Module):
    """A vision transformer; its vector is that of the class token."""

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        width, patch = config.width, config.patch_size
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((config.image_size // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(config)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.dim))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, image_size, image_size) -> (n, dim)."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positional_embedding
        x = self.transformer(self.ln_pre(x))
        y: torch.Tensor = self.ln_post(x[:, 0]) @ self.proj
        return y


class TextTower(nn.Module):
    """A causal transformer; its vector is that of the end of the text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context_length, config.width))
        self.transformer = Transformer(config)
        self.ln_final = nn.LayerNorm(config.width)
        self.text_projection = nn.Parameter(torch.empty(config.width, config.dim))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, tokens) ids, padded with anything below the last id, which ends a text -> (n, dim)."""
        length = tokens.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        x = self.token_embedding(tokens) + self.positional_embedding[:length]
        x = self.ln_final(self.transformer(x, mask))
        end = tokens.argmax(dim=1)  # the first one, where there are several
        y: torch.Tensor = x[torch.arange(len(x), device=x.device), end] @ self.text_projection
        return y
