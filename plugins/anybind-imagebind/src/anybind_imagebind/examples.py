"""A tiny ImageBind with random weights in the published format, to try the encoders on."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import anybind
from anybind.testing import EncoderExample

DIM = 16
WORDS = ("a", "dog", "car", "bird", "thunder")
_BLOCKS = 2
_MEMORY = ("audio", "depth", "thermal", "imu")
# Width, places of the positions, and shape of the weight that makes patches.
_TOWERS = {
    "vision": (160, 17, (160, 3, 2, 14, 14)),
    "audio": (128, 1 + 12 * 19, (128, 1, 16, 16)),
    "depth": (96, 17, (96, 1, 16, 16)),
    "thermal": (128, 17, (128, 1, 16, 16)),
    "imu": (128, 1 + 250, (128, 48)),
    "text": (128, 77, ()),
}
_STEMS = {
    "vision": "rgbt_stem.proj.1", "audio": "rgbt_stem.proj", "depth": "depth_stem.proj", "thermal": "rgbt_stem.proj",
    "imu": "imu_stem.proj",
}  # fmt: skip


def tiny_tensors() -> dict[str, torch.Tensor]:
    """All tensors of a tiny ImageBind by their published names, always the same."""
    shapes = {name: shape for tower in _TOWERS for name, shape in _tower_shapes(tower).items()}
    drawn = torch.Generator().manual_seed(0)
    tensors = {name: _values(name, shape, drawn) for name, shape in shapes.items()}
    tensors["modality_preprocessors.text.mask"] = torch.full((77, 77), -math.inf).triu(1)
    return tensors


def write_tiny_checkpoint(folder: Path) -> Path:
    """The checkpoint and its list of merges in ``folder``, which is returned."""
    save_file(tiny_tensors(), folder / "imagebind_huge.safetensors")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in tiny_merges()), ""]
    with gzip.open(folder / "bpe_simple_vocab_16e6.txt.gz", "wb") as file:
        file.write("\n".join(lines).encode())
    return folder


def tiny_merges() -> list[tuple[str, str]]:
    """Merges that make whole words of ``WORDS``."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        letters = [*word[:-1], word[-1] + "</w>"]
        for end in range(1, len(letters)):
            merges["".join(letters[:end]), letters[end]] = None
    return list(merges)


def image(folder: Path) -> EncoderExample:
    """Pictures of three shapes."""
    return _example(folder, [_picture(60, 40), _picture(30, 90), _picture(56, 56)])


def thermal(folder: Path) -> EncoderExample:
    """Pictures of three shapes, read as heat."""
    return _example(folder, [_picture(60, 40), _picture(30, 90), _picture(64, 64)])


def video(folder: Path) -> EncoderExample:
    """Videos of three lengths and shapes."""
    sizes = ((9, 40, 60), (3, 60, 40), (1, 56, 56))
    clips = [anybind.VideoClip(np.stack([_pixels(h, w, seed) for seed in range(n)]), 2.0) for n, h, w in sizes]
    return _example(folder, clips)


def text(folder: Path) -> EncoderExample:
    """Texts of different lengths."""
    return _example(folder, ["a dog", "Thunder & a bird, 3 birds", "car " * 90], wrong=_picture(8, 8))


def audio(folder: Path) -> EncoderExample:
    """Sounds of three lengths and rates."""
    sounds = [_sound(3.0, 16_000), _sound(0.4, 8000), _sound(2.5, 22_050)]
    return _example(folder, sounds)


def depth(folder: Path) -> EncoderExample:
    """Depth maps of three shapes, with unknown places."""
    maps = []
    for height, width in ((40, 60), (90, 70), (64, 64)):
        metres = 1 + 4 * np.abs(np.sin(np.arange(height * width) / height)).astype(np.float32)
        metres[:: width + 1] = 0
        maps.append(anybind.DepthMap(metres.reshape(height, width)))
    return _example(folder, maps)


def imu(folder: Path) -> EncoderExample:
    """Recordings of three lengths and rates."""
    clips = []
    for length, rate in ((2000, 200.0), (300, 100.0), (50, 25.0)):
        times = np.arange(length) / rate
        clips.append(anybind.ImuClip(np.stack([np.sin(times * k) for k in range(1, 7)]).astype(np.float32), rate))
    return _example(folder, clips)


def _example(folder: Path, samples: Sequence[object], wrong: object = "a text") -> EncoderExample:
    options = {"folder": str(write_tiny_checkpoint(folder))}
    return EncoderExample(samples=samples, options=options, wrong=wrong, dim=DIM)


def _tower_shapes(tower: str) -> dict[str, tuple[int, ...]]:
    width, places, patches = _TOWERS[tower]
    inputs, trunk, head = (f"modality_{part}.{tower}." for part in ("preprocessors", "trunks", "heads"))
    shapes = _block_shapes(trunk, width, memory=tower in _MEMORY)
    if tower == "text":
        vocabulary = 512 + len(tiny_merges()) + 2
        shapes |= {f"{inputs}token_embedding.weight": (vocabulary, width), f"{inputs}pos_embed": (1, places, width)}
        shapes |= _norm(f"{head}proj.0", width) | {f"{head}proj.1.weight": (DIM, width)}
    else:
        positions = "pos_embed" if tower == "imu" else "pos_embedding_helper.pos_embed"
        stem = _STEMS[tower]
        shapes |= {f"{inputs}cls_token": (1, 1, width), f"{inputs}{positions}": (1, places, width)}
        shapes |= {f"{inputs}{stem}.weight": patches} | _norm(f"{head}0", width)
        shapes |= {f"{head}{3 if tower == 'imu' else 2}.weight": (DIM, width)}
        if tower in _MEMORY:
            shapes |= _norm(f"{inputs}{stem.replace('proj', 'norm_layer')}", width)
        else:
            shapes |= _norm(f"{trunk}pre_transformer_layer.0", width)
    if tower != "vision":
        shapes[f"modality_postprocessors.{tower}.1.log_logit_scale"] = ()
    return shapes


def _block_shapes(trunk: str, width: int, *, memory: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(_BLOCKS):
        block = f"{trunk}blocks.{number}."
        shapes |= _norm(f"{block}norm_1", width) | _norm(f"{block}norm_2", width)
        shapes |= {f"{block}attn.in_proj_weight": (3 * width, width), f"{block}attn.in_proj_bias": (3 * width,)}
        for layer, out, into in (("attn.out_proj", width, width), ("mlp.fc1", 4 * width, width),
                                 ("mlp.fc2", width, 4 * width)):  # fmt: skip
            shapes |= {f"{block}{layer}.weight": (out, into), f"{block}{layer}.bias": (out,)}
        if memory:
            shapes |= {f"{block}attn.bias_k": (1, 1, width), f"{block}attn.bias_v": (1, 1, width)}
    return shapes


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _values(name: str, shape: tuple[int, ...], drawn: torch.Generator) -> torch.Tensor:
    """Random values of a size that keeps the network's in range; norms near 1."""
    values = torch.randn(shape, generator=drawn)
    if len(shape) < 2:
        return values * 0.1 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return values / math.sqrt(math.prod(shape[1:]))


def _pixels(height: int, width: int, seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed + height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(_pixels(height, width))


def _sound(seconds: float, rate: int) -> anybind.AudioClip:
    times = np.arange(int(seconds * rate)) / rate
    return anybind.AudioClip((0.4 * np.sin(2000 * times * times + rate)).astype(np.float32), rate)
