"""Tiny checkpoints in open_clip's own format, for the conformance kit and the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from anybind.testing import EncoderExample
from anybind_open_clip.checkpoint import CONFIG, SAFE_WEIGHTS, TOKENIZER
from anybind_open_clip.config import image_config, text_config
from anybind_open_clip.network import ImageTower, TextTower

DIM = 16
_START, _END = "<|startoftext|>", "<|endoftext|>"
_PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def tiny_config(vocab_size: int, **model: Any) -> dict[str, Any]:
    """An ``open_clip_config.json`` of two small towers; ``model`` replaces keys of its ``model_cfg``."""
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8}
    text = {"context_length": 12, "vocab_size": vocab_size, "width": 24, "heads": 3, "layers": 2}
    return {
        "model_cfg": {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": text, **model},
        "preprocess_cfg": {"mean": [0.48, 0.45, 0.4], "std": [0.26, 0.27, 0.28]},
    }


def tiny_tokenizer() -> Tokenizer:
    """CLIP's tokenizer with all bytes, four merges, and the two marks at the end of the vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>")]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges), _START, _END]
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = Tokenizer(models.BPE(ids, merges, end_of_word_suffix="</w>", unk_token=_END, fuse_unk=False))
    found.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    found.post_processor = processors.RobertaProcessing(
        (_END, ids[_END]), (_START, ids[_START]), trim_offsets=False, add_prefix_space=False
    )
    found.add_special_tokens([_START, _END])
    return found


def write_tiny_checkpoint(folder: Path, **model: Any) -> None:
    """Configuration, tokenizer and random weights, always the same, under the names of the Hub's repositories."""
    tokenizer = tiny_tokenizer()
    config = tiny_config(tokenizer.get_vocab_size(), **model)
    tokenizer.save(str(folder / TOKENIZER))
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")
    with torch.device("meta"):
        image = ImageTower(image_config("example", config["model_cfg"], CONFIG))
        text = TextTower(text_config("example", config["model_cfg"], CONFIG))
    shapes = {f"visual.{name}": value.shape for name, value in image.state_dict().items()}
    shapes |= {name: value.shape for name, value in text.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=generator) / 3 for name, shape in shapes.items()}
    save_file({**tensors, "logit_scale": torch.tensor(4.6)}, folder / SAFE_WEIGHTS)


def image_tower(folder: Path) -> EncoderExample:
    """Pictures of several sizes for an image tower."""
    write_tiny_checkpoint(folder)
    sizes = {(40, 30): "red", (32, 32): "navy", (20, 70): "olive"}
    pictures = [Image.linear_gradient("L").resize(size).convert("RGB") for size in sizes]
    flat = [Image.new("RGB", size, colour) for size, colour in sizes.items()]
    return EncoderExample(samples=[*pictures, *flat], options={"folder": str(folder)}, wrong="a text", dim=DIM)


def text_tower(folder: Path) -> EncoderExample:
    """Texts of several lengths for a text tower."""
    write_tiny_checkpoint(folder)
    texts = ["a cat", "dog", "A cat and a dog, and one more cat than the context has room for", "Katze für 3 €"]
    return EncoderExample(samples=texts, options={"folder": str(folder)}, wrong=3, dim=DIM)
