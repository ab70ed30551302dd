"""Tiny checkpoints with random weights, in the files, names and settings of the published ones, and samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import anybind
from anybind.encoder_kit.notices import quiet_transformers

SIDE = 32
_SEED = 7
DIM = 16
_TEXT: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_VISION: dict[str, Any] = {**_TEXT, "hidden_size": 24, "image_size": SIDE, "patch_size": 8}
_CLIP_STATISTICS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip


def clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP of 16 dimensions: config.json, model.safetensors, preprocessor_config.json, vocab.json, merges.txt."""
    words = clip_tokenizer(folder)
    text = {**_TEXT, "hidden_size": 20, "max_position_embeddings": 24, "vocab_size": words, "projection_dim": DIM}
    config = transformers.CLIPConfig(
        text_config={**text, "bos_token_id": words - 2, "eos_token_id": words - 1},
        vision_config={**_VISION, "projection_dim": DIM}, projection_dim=DIM,
    )  # fmt: skip
    _write(folder, transformers.CLIPModel, config, seed)
    return _settings(folder, {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": SIDE}, "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE}, "resample": 3, **_CLIP_STATISTICS,
    })  # fmt: skip


def siglip2(folder: Path, seed: int = 0) -> Path:
    """A SigLIP 2 of fixed resolution: as published, its architecture is SigLIP's and its tokenizer Gemma's."""
    words = _gemma_tokenizer(folder)
    text = {**_TEXT, "hidden_size": DIM, "max_position_embeddings": 64, "vocab_size": words, "projection_size": DIM}
    config = transformers.SiglipConfig(
        text_config={**text, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0},
        vision_config={**_VISION, "hidden_size": DIM},
    )  # fmt: skip
    _write(folder, transformers.SiglipModel, config, seed)
    return _settings(folder, {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": SIDE, "width": SIDE}, "resample": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    })  # fmt: skip


def clap(folder: Path, seed: int = 0) -> Path:
    """A CLAP without fusion: an HTSAT of two stages, and RoBERTa."""
    words = _roberta_tokenizer(folder)
    audio = {
        "spec_size": 64, "num_mel_bins": 16, "window_size": 2, "patch_size": 4, "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 8, "hidden_size": 16, "depths": [2, 2], "num_hidden_layers": 2,
        "num_attention_heads": [2, 2], "projection_dim": DIM, "enable_fusion": False, "num_classes": 2,
    }  # fmt: skip
    text = {**_TEXT, "hidden_size": 20, "vocab_size": words, "max_position_embeddings": 26, "projection_dim": DIM}
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=DIM)
    _write(folder, transformers.ClapModel, config, seed)
    return _settings(folder, {
        "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 16, "sampling_rate": 8_000,
        "hop_length": 80, "max_length_s": 1, "fft_window_size": 256, "frequency_min": 50, "frequency_max": 4_000,
        "truncation": "rand_trunc", "padding": "repeatpad", "return_attention_mask": False,
    })  # fmt: skip


def xclip(folder: Path, seed: int = 0) -> Path:
    """An X-CLIP of four frames."""
    words = clip_tokenizer(folder)
    text = {**_TEXT, "hidden_size": DIM, "max_position_embeddings": 24, "vocab_size": words}
    joining = {"mit_hidden_size": DIM, "mit_intermediate_size": 32, "mit_num_attention_heads": 2, "num_frames": 4}
    config = transformers.XCLIPConfig(
        text_config={**text, "bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1},
        vision_config={**_VISION, **joining}, projection_dim=DIM, prompt_num_attention_heads=2,
    )  # fmt: skip
    _write(folder, transformers.XCLIPModel, config, seed)
    return _settings(folder, {
        "image_processor_type": "VideoMAEImageProcessor", "size": {"shortest_edge": SIDE}, "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE}, "resample": 2,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    })  # fmt: skip


def bert(folder: Path, seed: int = 0) -> Path:
    """A BERT with its pooler, and a WordPiece tokenizer."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    _json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": 32})
    config = transformers.BertConfig(
        **_TEXT, hidden_size=DIM, vocab_size=len(words), max_position_embeddings=40, type_vocab_size=2
    )
    return _write(folder, transformers.BertModel, config, seed)


def vit(folder: Path, seed: int = 0) -> Path:
    """A ViT with its pooler."""
    _write(folder, transformers.ViTModel, transformers.ViTConfig(**{**_VISION, "hidden_size": DIM}), seed)
    return _settings(folder, {
        "image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}, "resample": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    })  # fmt: skip


def wav2vec2(folder: Path, seed: int = 0) -> Path:
    """A wav2vec 2.0 of the base kind, whose group norm over time would see padding."""
    config = transformers.Wav2Vec2Config(
        **_TEXT, hidden_size=DIM, vocab_size=8, conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2),
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
        feat_extract_norm="group",
    )  # fmt: skip
    _write(folder, transformers.Wav2Vec2Model, config, seed)
    return _settings(folder, {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1, "sampling_rate": 16_000,
        "do_normalize": True, "return_attention_mask": False, "padding_value": 0.0,
    })  # fmt: skip


def texts() -> list[str]:
    """Texts of several lengths."""
    return ["a dog", "a cat that sleeps on a mat", "x", "two dogs and a cat"]


def pictures() -> list[Image.Image]:
    """Pictures of several sizes."""
    draw = np.random.default_rng(_SEED)
    return [Image.fromarray(draw.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((40, 50), (33, 32), (20, 64))]


def sounds() -> list[anybind.AudioClip]:
    """Noise of several lengths and rates."""
    draw = np.random.default_rng(_SEED)
    return [
        anybind.AudioClip(draw.uniform(-0.5, 0.5, frames).astype(np.float32), rate)
        for frames, rate in ((4_000, 16_000), (9_000, 16_000), (5_000, 22_050), (20_000, 8_000))
    ]


def videos() -> list[anybind.VideoClip]:
    """Videos of several lengths."""
    draw = np.random.default_rng(_SEED)
    return [anybind.VideoClip(draw.integers(0, 256, (n, 36, 40, 3), np.uint8), 5.0) for n in (2, 4, 9)]


def _write(folder: Path, model: Callable[[Any], Any], config: Any, seed: int) -> Path:
    """Random weights, larger than training starts from, so that other inputs give other vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = model(config)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if weight.ndim >= 2 and "logit" not in name:
                    weight.normal_(std=0.3)
        network.save_pretrained(folder)
    return folder


def _settings(folder: Path, settings: dict[str, Any]) -> Path:
    _json(folder / "preprocessor_config.json", settings)
    return folder


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def clip_tokenizer(folder: Path) -> int:
    """CLIP's byte-level BPE with a handful of merges; the number of its tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("d", "o"), ("c", "a"), ("do", "g</w>"), ("ca", "t</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    _json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>"} | dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    _json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 24, **special})
    return len(words)


def _roberta_tokenizer(folder: Path) -> int:
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "<mask>"]
    _json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    _json(folder / "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer"})
    return len(words)


def _gemma_tokenizer(folder: Path) -> int:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"0123456789.,!?"]
    words = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(numbers, [], unk_token=special[3], fuse_unk=True, byte_fallback=True))
    tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens(special)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _json(folder / "tokenizer_config.json", {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True, "padding_side": "right",
        "do_lower_case": True, "model_input_names": ["input_ids"], "pad_token": "<pad>", "eos_token": "<eos>",
        "bos_token": "<bos>", "unk_token": "<unk>",
    })  # fmt: skip
    return len(words)
