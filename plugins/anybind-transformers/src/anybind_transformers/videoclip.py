"""The two towers of VideoCLIP (Xu et al. 2021, arXiv:2109.14084), made of transformers' BERT and S3D.

Published is ``checkpoint_best.pt`` of fairseq's MMPT, whose names begin with ``mmmodel.`` and the tower. The video
tower reads features of an S3D that was not trained along, and lies in a file of its own, ``s3d_howto100m.pth``.
Each tower's vector is the mean of the states of all places but the first, [CLS].
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.functional import gelu, normalize
from transformers import BertConfig, BertModel

from anybind.encoder_kit.checkpoints import load_tensors, read_tensors
from anybind_transformers.loading import reading
from anybind_transformers.s3d import FEATURES, S3D, WIDTH

CHECKPOINT, S3D_FILE = "checkpoint_best.pt", "s3d_howto100m.pth"
TEXT_LAYERS, VIDEO_LAYERS = 12, 6
MAX_SECONDS = 32
_CLS, _SEP = 101, 102  # in the vocabulary of bert-base-uncased
_WORDS = (30_522, 768)
_HEAD = 64  # numbers per attention head of every BERT
_SECONDS_AT_ONCE = 8  # bounds the memory that S3D takes
# Not part of the vectors: the poolers, the counters of batch norms, S3D's own text tower, and constants.
_UNUSED = (".pooler.dense.weight", ".pooler.dense.bias", ".position_ids", ".num_batches_tracked")

Tensors = Mapping[str, torch.Tensor]
Network = TypeVar("Network", bound=nn.Module)


class VideoClipText(nn.Module):
    """BERT, and the mean over a text's tokens and [SEP].

    Args:
        words: Size of the vocabulary.
        hidden: Length of the states.
    """

    def __init__(self, words: int, hidden: int) -> None:
        super().__init__()
        self.config = _settings(words, hidden, TEXT_LAYERS)
        self.text_encoder = BertModel(self.config, add_pooling_layer=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(n, tokens) ids and mask, [CLS] first -> (n, hidden)."""
        states = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        counted = attention_mask[:, 1:, None].to(states.dtype)
        pooled: torch.Tensor = (states[:, 1:] * counted).sum(1) / counted.sum(1)
        return pooled


class VideoClipVideo(nn.Module):
    """S3D for every second, then BERT over the seconds, and the mean over them and [SEP].

    Args:
        words: Size of the vocabulary, of which [CLS] and [SEP] are used.
        hidden: Length of the states.
        width: Of S3D.
        features: Length of S3D's features.
    """

    def __init__(self, words: int, hidden: int, width: int = WIDTH, features: int = FEATURES) -> None:
        super().__init__()
        self.config = _settings(words, hidden, VIDEO_LAYERS)
        self.s3d = S3D(width, features)
        self.video_encoder = nn.ModuleDict({
            "videomlp": _SecondsToTokens(features, hidden),
            "bert": BertModel(self.config, add_pooling_layer=False),
        })  # fmt: skip

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, seconds, frames, height, width, 3) uint8, at most 32 seconds -> (n, hidden)."""
        return self.joined(self.features(pixels))

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same -> (n, seconds, features) of length 1, as the training set was prepared."""
        dtype = self.s3d.fc.weight.dtype
        seconds = pixels.flatten(0, 1).movedim(-1, 1)
        starts = range(0, len(seconds), _SECONDS_AT_ONCE)
        found = [self.s3d(seconds[start : start + _SECONDS_AT_ONCE].to(dtype) / 255) for start in starts]
        return normalize(torch.cat(found), dim=1).reshape(*pixels.shape[:2], -1)

    def joined(self, features: torch.Tensor) -> torch.Tensor:
        """(n, seconds, features) -> (n, hidden)."""
        bert: Any = self.video_encoder["bert"]
        tokens = self.video_encoder["videomlp"](features)
        count, seconds = features.shape[:2]
        ends = bert.get_input_embeddings()(torch.tensor([_CLS, _SEP], device=features.device)).expand(count, 2, -1)
        # [SEP] keeps the place that it has behind the longest video.
        places = torch.tensor([[*range(seconds + 1), MAX_SECONDS + 1]], device=features.device)
        states = bert(inputs_embeds=torch.cat([ends[:, :1], tokens, ends[:, 1:]], 1), position_ids=places)
        pooled: torch.Tensor = states.last_hidden_state[:, 1:].mean(1)
        return pooled


class _SecondsToTokens(nn.Module):
    """Features of seconds to embeddings for BERT."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(features, hidden)
        self.LayerNorm = nn.LayerNorm(hidden)
        self.linear2 = nn.Linear(hidden, hidden)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.linear2(self.LayerNorm(gelu(self.linear1(features))))
        return found


def read_text_tower(encoder: str, folder: Path) -> VideoClipText:
    """The text tower with its weights; raises PluginError when they cannot be read or do not fit."""
    tensors = _read(folder / CHECKPOINT, _own("text_encoder."))
    words, hidden = _shape(tensors, "text_encoder.embeddings.word_embeddings.weight", _WORDS)
    return _loaded(encoder, folder, tensors, lambda: VideoClipText(words, hidden))


def read_video_tower(encoder: str, folder: Path) -> VideoClipVideo:
    """The video tower and S3D with their weights; raises PluginError when they cannot be read or do not fit."""
    tensors = _read(folder / CHECKPOINT, _own("video_encoder.")) | _read(folder / S3D_FILE, _of_s3d)
    words, hidden = _shape(tensors, "video_encoder.bert.embeddings.word_embeddings.weight", _WORDS)
    width, features = (_shape(tensors, f"s3d.{name}.weight", (size,))[0]
                       for name, size in (("conv1.conv1", WIDTH), ("fc", FEATURES)))  # fmt: skip
    return _loaded(encoder, folder, tensors, lambda: VideoClipVideo(words, hidden, width, features))


def _loaded(encoder: str, folder: Path, tensors: Tensors, build: Callable[[], Network]) -> Network:
    with reading("network", folder):
        network = build()
    counters = {name: value for name, value in network.state_dict().items() if name.endswith(_UNUSED)}
    load_tensors(encoder, network, {**tensors, **counters}, folder)
    return network


def _read(path: Path, rename: Callable[[str], str | None]) -> dict[str, torch.Tensor]:
    # Beside its tensors, fairseq keeps the training's options in a Namespace, which can do nothing.
    allowed = getattr(torch.serialization, "safe_globals", None)  # newer than torch 2.4
    with allowed([argparse.Namespace]) if allowed else nullcontext():
        return read_tensors(path, rename)


def _own(tower: str) -> Callable[[str], str | None]:
    def rename(name: str) -> str | None:
        short = name.removeprefix("mmmodel.")
        return short if short.startswith(tower) and not short.endswith(_UNUSED) else None

    return rename


def _of_s3d(name: str) -> str | None:
    return None if name.startswith("text_module.") or name.endswith(_UNUSED) else f"s3d.{name}"


def _shape(tensors: Tensors, name: str, published: tuple[int, ...]) -> tuple[int, ...]:
    """A tensor's sizes; the published ones where it is missing, which loading then tells."""
    found = tensors.get(name)
    return published if found is None or found.ndim < len(published) else tuple(found.shape)


def _settings(words: int, hidden: int, layers: int) -> Any:
    return BertConfig(
        vocab_size=words, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=max(1, hidden // _HEAD),
        intermediate_size=4 * hidden,
    )  # fmt: skip
