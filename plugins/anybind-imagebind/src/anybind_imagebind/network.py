"""A tower of ImageBind: patches, a transformer, one token of its result, and a projection.

Written from the paper (Girdhar et al. 2023, arXiv:2305.05665) and the names and shapes of the published tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

_EPSILON = 1e-6


class PicturePatches(nn.Conv2d):
    """(n, channels, height, width) -> (n, patches, width of the tower)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels).flatten(2).transpose(1, 2)


class FramePatches(nn.Conv3d):
    """(n, channels, frames, height, width) -> (n, patches, width of the tower)."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return super().forward(frames).flatten(2).transpose(1, 2)


class StepPatches(nn.Linear):
    """(n, channels, readings) -> (n, patches, width of the tower); a patch is ``steps`` readings of each channel."""

    def __init__(self, in_features: int, out_features: int, *, steps: int) -> None:
        super().__init__(in_features, out_features, bias=False)
        self._steps = steps

    def forward(self, readings: torch.Tensor) -> torch.Tensor:
        pieces = readings.unfold(2, self._steps, self._steps)
        return super().forward(pieces.transpose(1, 2).flatten(2))


class PatchStem(nn.Module):
    """Patches behind a start token, with their positions added."""

    def __init__(self, patches: nn.Module, width: int, places: int, *, norm: bool) -> None:
        super().__init__()
        self.patches = patches
        # The published stems kept torch's own epsilon here, unlike everything after them.
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.start = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, places, width))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        patches = self.norm(self.patches(inputs))
        return torch.cat([self.start.expand(len(patches), -1, -1), patches], dim=1) + self.positions


class WordStem(nn.Module):
    """Vectors of tokens, with their positions added."""

    def __init__(self, vocabulary: int, width: int, places: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(1, places, width))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.words(ids) + self.positions[:, : ids.shape[1]]
        return vectors


class Attention(nn.Module):
    """Attention over all tokens, or with ``causal`` over those before; ``memory`` adds one learnt key and value."""

    def __init__(self, width: int, heads: int, *, memory: bool) -> None:
        super().__init__()
        self._heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.bias_k = nn.Parameter(torch.empty(1, 1, width)) if memory else None
        self.bias_v = nn.Parameter(torch.empty(1, 1, width)) if memory else None

    def forward(self, tokens: torch.Tensor, *, causal: bool) -> torch.Tensor:
        queries, keys, values = functional.linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=2)
        if self.bias_k is not None and self.bias_v is not None:
            keys = torch.cat([keys, self.bias_k.expand(len(keys), -1, -1)], dim=1)
            values = torch.cat([values, self.bias_v.expand(len(values), -1, -1)], dim=1)
        mixed = functional.scaled_dot_product_attention(
            self._split(queries), self._split(keys), self._split(values), is_causal=causal
        )
        merged: torch.Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return merged

    def _split(self, vectors: torch.Tensor) -> torch.Tensor:
        count, length, width = vectors.shape
        return vectors.view(count, length, self._heads, width // self._heads).transpose(1, 2)


class Block(nn.Module):
    """Attention and a layer of 4 times the width, each after a norm and added to what came in."""

    def __init__(self, width: int, heads: int, *, memory: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width, heads, memory=memory)
        self.norm_2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: torch.Tensor, *, causal: bool) -> torch.Tensor:
        tokens = tokens + self.attn(self.norm_1(tokens), causal=causal)
        inner = functional.gelu(self.mlp["fc1"](self.norm_2(tokens)))
        added: torch.Tensor = tokens + self.mlp["fc2"](inner)
        return added


class Tower(nn.Module):
    """One modality's network.

    Args:
        stem: Inputs to tokens.
        blocks: The transformer.
        width: Length of a token.
        dim: Length of the vectors.
        norm_first: Whether tokens are normalised before the first block.
    """

    def __init__(
        self, stem: nn.Module, blocks: Sequence[Block], *, width: int, dim: int, norm_first: bool
    ) -> None:
        super().__init__()
        self.stem = stem
        self.before = nn.LayerNorm(width, eps=_EPSILON) if norm_first else nn.Identity()
        self.blocks = nn.ModuleList(blocks)
        self.after = nn.LayerNorm(width, eps=_EPSILON)
        self.project = nn.Linear(width, dim, bias=False)

    def forward(self, inputs: torch.Tensor, ends: torch.Tensor | None = None) -> torch.Tensor:
        """Embed a batch.

        Args:
            inputs: What the stem takes.
            ends: (n,) the place of each row's last token, which is then the one that is read, and no token sees those
                after it; None to read the start token.

        Returns:
            (n, dim) float32 of length 1.
        """
        tokens = self.before(self.stem(inputs))
        for block in self.blocks:
            tokens = block(tokens, causal=ends is not None)
        read = tokens[:, 0] if ends is None else tokens[torch.arange(len(tokens), device=tokens.device), ends]
        return functional.normalize(self.project(self.after(read)).float(), dim=1)
