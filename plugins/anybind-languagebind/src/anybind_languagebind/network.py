"""The networks of LanguageBind, with the tensor names of the published checkpoints.

Reference: Zhu et al. (2024), LanguageBind, arXiv:2310.01852. Each tower is a CLIP ViT-L/14; that of video lets each
place of the picture also see itself in the other frames, before every layer's attention over the picture.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from anybind_languagebind.settings import LayerSettings, TextSettings, VisionSettings


class Attention(nn.Module):
    """Self-attention with several heads."""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.heads = settings.num_attention_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, causal: bool = False) -> torch.Tensor:
        """(n, length, width) -> the same shape."""
        n, length, width = x.shape
        query, key, value = (
            proj(x).view(n, length, self.heads, -1).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        out: torch.Tensor = self.out_proj(mixed.transpose(1, 2).reshape(n, length, width))
        return out


class Feedforward(nn.Module):
    """Two linear maps and what stands between them."""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        self.fc1 = nn.Linear(settings.hidden_size, settings.intermediate_size)
        self.fc2 = nn.Linear(settings.intermediate_size, settings.hidden_size)
        self.quick = settings.hidden_act == "quick_gelu"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., width) -> the same shape."""
        inner = self.fc1(x)
        active = inner * torch.sigmoid(1.702 * inner) if self.quick else functional.gelu(inner)
        out: torch.Tensor = self.fc2(active)
        return out


class Layer(nn.Module):
    """Attention and a feed-forward net, each added to what comes in; over time too, where there are frames."""

    def __init__(self, settings: LayerSettings, frames: int | None = None) -> None:
        super().__init__()
        width, eps = settings.hidden_size, settings.layer_norm_eps
        self.self_attn = Attention(settings)
        self.layer_norm1 = nn.LayerNorm(width, eps=eps)
        self.mlp = Feedforward(settings)
        self.layer_norm2 = nn.LayerNorm(width, eps=eps)
        self.frames = frames
        if frames is not None:
            self.temporal_embedding = nn.Parameter(torch.empty(1, frames, width))
            self.temporal_attn = Attention(settings)
            self.temporal_layer_norm1 = nn.LayerNorm(width, eps=eps)

    def forward(self, x: torch.Tensor, causal: bool = False) -> torch.Tensor:
        """(n, length, width) -> the same shape; the frames of a video are neighbours in n."""
        if self.frames is not None:
            x = self._over_time(x, self.frames)
        x = x + self.self_attn(self.layer_norm1(x), causal)
        out: torch.Tensor = x + self.mlp(self.layer_norm2(x))
        return out

    def _over_time(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        n, length, width = x.shape
        places = x.view(-1, frames, length, width).transpose(1, 2).reshape(-1, frames, width)  # (videos * length, ...)
        if frames > 1:
            places = places + self.temporal_embedding
        places = places + self.temporal_attn(self.temporal_layer_norm1(places))
        out: torch.Tensor = places.view(-1, length, frames, width).transpose(1, 2).reshape(n, length, width)
        return out


class Encoder(nn.Module):
    """Layers one after the other."""

    def __init__(self, settings: LayerSettings, frames: int | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(settings, frames) for _ in range(settings.num_hidden_layers))

    def forward(self, x: torch.Tensor, causal: bool = False) -> torch.Tensor:
        """(n, length, width) -> the same shape."""
        for layer in self.layers:
            x = layer(x, causal)
        return x


class PatchEmbeddings(nn.Module):
    """A picture as patches, with a token for the whole before them."""

    def __init__(self, settings: VisionSettings) -> None:
        super().__init__()
        width, patch = settings.hidden_size, settings.patch_size
        height, length = settings.input_size
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(settings.num_channels, width, patch, stride=patch, bias=False)
        self.position_embedding = _table((height // patch) * (length // patch) + 1, width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, length) -> (n, 1 + patches, width)."""
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(len(pixels), 1, -1)
        out: torch.Tensor = torch.cat([whole, patches], dim=1) + self.position_embedding.weight
        return out


class VisionModel(nn.Module):
    """Patches through layers; what the token for the whole has become, averaged over the frames."""

    def __init__(self, settings: VisionSettings) -> None:
        super().__init__()
        width, eps = settings.hidden_size, settings.layer_norm_eps
        self.embeddings = PatchEmbeddings(settings)
        self.pre_layrnorm = nn.LayerNorm(width, eps=eps)  # spelt so in CLIP's checkpoints
        self.encoder = Encoder(settings, settings.num_frames if settings.add_time_attn else None)
        self.post_layernorm = nn.LayerNorm(width, eps=eps)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, frames, channels, height, length) -> (n, width)."""
        n, frames = pixels.shape[:2]
        hidden = self.encoder(self.pre_layrnorm(self.embeddings(pixels.flatten(0, 1))))
        pooled: torch.Tensor = self.post_layernorm(hidden[:, 0]).view(n, frames, -1).mean(1)
        return pooled


class VisionNetwork(nn.Module):
    """The vision tower and its projection into the common space."""

    def __init__(self, settings: VisionSettings) -> None:
        super().__init__()
        self.vision_model = VisionModel(settings)
        self.visual_projection = nn.Linear(settings.hidden_size, settings.projection_dim, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, frames, channels, height, length) -> (n, dim), of length 1."""
        return functional.normalize(self.visual_projection(self.vision_model(pixels)).float(), dim=1)


class TokenEmbeddings(nn.Module):
    """Tokens and their places."""

    def __init__(self, settings: TextSettings) -> None:
        super().__init__()
        self.token_embedding = _table(settings.vocab_size, settings.hidden_size)
        self.position_embedding = _table(settings.max_position_embeddings, settings.hidden_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(n, length) -> (n, length, width)."""
        out: torch.Tensor = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return out


class TextModel(nn.Module):
    """Tokens through layers that see only what came before; what the token at ``end`` has become."""

    def __init__(self, settings: TextSettings) -> None:
        super().__init__()
        self.embeddings = TokenEmbeddings(settings)
        self.encoder = Encoder(settings)
        self.final_layer_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def forward(self, ids: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """(n, length) ids and (n,) places -> (n, width)."""
        hidden = self.encoder(self.embeddings(ids), causal=True)
        pooled: torch.Tensor = self.final_layer_norm(hidden[torch.arange(len(ids), device=ids.device), end])
        return pooled


class TextNetwork(nn.Module):
    """The language tower and its projection into the common space."""

    def __init__(self, settings: TextSettings) -> None:
        super().__init__()
        self.text_model = TextModel(settings)
        self.text_projection = nn.Linear(settings.hidden_size, settings.projection_dim, bias=False)

    def forward(self, ids: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """(n, length) ids and (n,) places of the end token -> (n, dim), of length 1."""
        return functional.normalize(self.text_projection(self.text_model(ids, end)).float(), dim=1)


def _table(rows: int, width: int) -> nn.Embedding:
    """An embedding that is not drawn at random: on torch's meta device that alone would take seconds."""
    table: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)  # type: ignore[no-untyped-call]
    return table
