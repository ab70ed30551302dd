"""Tiny random checkpoints in the published format, for the conformance kit and the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import anybind
from anybind.testing import EncoderExample
from anybind_languagebind import repositories
from anybind_languagebind.network import TextNetwork, VisionNetwork
from anybind_languagebind.settings import TextSettings, VisionSettings

DIM = 12
LORA_RANK = 2
_LAYERS: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu",
}  # fmt: skip
_TEXT = {**_LAYERS, "hidden_size": 12, "vocab_size": 520, "max_position_embeddings": 20}
_PICTURE = {**_LAYERS, "image_size": 28, "patch_size": 14, "lora_r": 0, "lora_alpha": 16}
_SECTIONS: Mapping[str, dict[str, Any]] = {
    repositories.IMAGE.model_type: _PICTURE,
    repositories.THERMAL.model_type: {**_PICTURE, "lora_r": LORA_RANK},
    repositories.DEPTH.model_type: {**_PICTURE, "lora_r": LORA_RANK, "max_depth": 10},
    repositories.VIDEO.model_type: {**_PICTURE, "num_frames": 8, "add_time_attn": True},
    repositories.AUDIO.model_type: {
        **_PICTURE, "num_mel_bins": 28, "target_length": 56, "audio_sample_rate": 16000, "audio_mean": -4.2677393,
        "audio_std": 4.5689974,
    },
}  # fmt: skip
# The matrices that get low-rank weights.
_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


def write_checkpoint(folder: Path, model_type: str, *, seed: int = 0, dim: int = DIM) -> Path:
    """A tiny checkpoint with both towers: config.json, pytorch_model.bin, vocab.json, merges.txt.

    Args:
        folder: Where to write it; made if need be.
        model_type: One that ``repositories`` names. Those of depth and heat carry low-rank weights unmerged.
        seed: Seeds its weights.
        dim: Length of its vectors.

    Returns:
        ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    section = _SECTIONS[model_type]
    config = {"model_type": model_type, "projection_dim": dim, "text_config": _TEXT, "vision_config": section}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    generator = torch.Generator().manual_seed(seed)
    vision = VisionSettings(**{key: value for key, value in section.items() if key != "lora_r"}, projection_dim=dim)
    tensors = _random(VisionNetwork(vision), generator)
    if section["lora_r"]:
        tensors = _with_lora(tensors, section["lora_r"], generator)
    tensors |= _random(TextNetwork(TextSettings(**_TEXT, projection_dim=dim)), generator)
    # What older checkpoints hold besides.
    tensors["logit_scale"] = torch.tensor(4.6)
    tensors["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    tensors["text_model.embeddings.position_ids"] = torch.arange(_TEXT["max_position_embeddings"])[None]
    torch.save(tensors, folder / "pytorch_model.bin")
    _write_vocabulary(folder)
    return folder


def video_tower(folder: Path) -> EncoderExample:
    """Clips longer and shorter than 8 frames, wide and tall."""
    random = np.random.default_rng(0)
    shapes = [(12, 30, 40), (3, 40, 30), (8, 28, 28), (1, 29, 64)]
    clips = [anybind.VideoClip(random.integers(0, 256, (*shape, 3), dtype=np.uint8), 25.0) for shape in shapes]
    return _example(folder, repositories.VIDEO.model_type, clips, wrong="a text")


def audio_tower(folder: Path) -> EncoderExample:
    """Sounds shorter and longer than the spectrogram, at two rates."""
    random = np.random.default_rng(1)
    lengths = [(4000, 16000), (40000, 16000), (22050, 44100), (8960, 16000)]
    clips = [
        anybind.AudioClip(random.uniform(-1, 1, frames).astype(np.float32), rate) for frames, rate in lengths
    ]
    return _example(folder, repositories.AUDIO.model_type, clips, wrong="a text")


def depth_tower(folder: Path) -> EncoderExample:
    """Maps of several sizes, with unknown and far points."""
    random = np.random.default_rng(2)
    maps = [random.uniform(-1, 14, shape).clip(min=0).astype(np.float32) for shape in ((30, 40), (50, 28), (28, 28))]
    return _example(folder, repositories.DEPTH.model_type, [anybind.DepthMap(each) for each in maps], wrong="a text")


def thermal_tower(folder: Path) -> EncoderExample:
    """Grey pictures."""
    return _example(folder, repositories.THERMAL.model_type, _pictures(3, grey=True), wrong="a text")


def image_tower(folder: Path) -> EncoderExample:
    """Coloured pictures."""
    return _example(folder, repositories.IMAGE.model_type, _pictures(4, grey=False), wrong="a text")


def text_tower(folder: Path) -> EncoderExample:
    """Texts: short, of signs alone, in another language, and longer than the network has places."""
    texts = ["a dog", "!", "Ein Löwe klettert auf einen Baum.", "so long a text " * 20, "a photo of a cat"]
    return _example(folder, repositories.TEXT.model_type, texts, wrong=3)


def _example(folder: Path, model_type: str, samples: Sequence[Any], wrong: Any) -> EncoderExample:
    written = write_checkpoint(folder / "checkpoint", model_type)
    return EncoderExample(samples=samples, options={"folder": str(written)}, wrong=wrong, dim=DIM)


def _pictures(seed: int, grey: bool) -> list[Image.Image]:
    random = np.random.default_rng(seed)
    pictures = []
    for height, width in ((30, 40), (64, 28), (28, 28), (90, 100)):
        values = random.integers(0, 256, (height, width, 1 if grey else 3), dtype=np.uint8)
        pictures.append(Image.fromarray(np.broadcast_to(values, (height, width, 3)).copy()))
    return pictures


def _random(network: nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Weights that let a network's output depend on all of its input: scales near 1, the rest near 0."""
    made = {}
    for name, tensor in network.state_dict().items():
        drawn = 0.3 * torch.randn(tensor.shape, generator=generator)
        made[name] = drawn + 1 if "norm" in name and name.endswith("weight") else drawn
    return made


def _with_lora(tensors: Mapping[str, torch.Tensor], rank: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The names that peft gives an encoder it wraps, and low-rank weights for its attention."""
    made = {name.replace(".encoder.", ".encoder.base_model.model."): tensor for name, tensor in tensors.items()}
    for name, tensor in list(made.items()):
        module = name.removesuffix(".weight")
        if tensor.ndim == 2 and module.endswith(_TARGETS):
            made[f"{module}.lora_A.default.weight"] = 0.3 * torch.randn(rank, tensor.shape[1], generator=generator)
            made[f"{module}.lora_B.default.weight"] = 0.3 * torch.randn(tensor.shape[0], rank, generator=generator)
    return made


def _write_vocabulary(folder: Path) -> None:
    """Byte pieces, the same at the end of a word, three merges, and the two marks, as CLIP orders them."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges = [("t", "h"), ("th", "e</w>"), ("d", "o")]
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
