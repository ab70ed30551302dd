"""Tiny checkpoints in TVL's own format, for the conformance kit and the tests."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from anybind.testing import EncoderExample
from anybind_tvl.files import FILES, FOLDER
from anybind_tvl.vit import Vit, VitConfig

DIM = 16
SIZE = (24, 32)  # as tall as it is wide times 4 / 3, like a frame of a DIGIT


def write_tiny_checkpoint(folder: Path, name: str) -> None:
    """Random weights, always the same, wrapped as the training script saves them."""
    config = VitConfig(width=128, hidden=96, layers=2, grid=4, patch=8, dim=DIM)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in Vit(config).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"tactile_encoder.{key}": torch.randn(shape, generator=generator) / 8 for key, shape in shapes.items()
    }
    saved = {
        "model": {**tensors, "logit_scale": torch.tensor(2.6)},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "epoch": 5,
        "scaler": {},
        "args": argparse.Namespace(tactile_model="vit_tiny_patch16_224", datasets=["ssvtp", "hct"], lr=1e-4),
    }
    path = folder / FOLDER / FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(saved, path)


def frames() -> list[Image.Image]:
    """A few frames with a bright spot at different places."""
    found = []
    for place in range(4):
        frame = Image.new("RGB", SIZE, (70, 80, 75))
        frame.paste((200, 150 - 20 * place, 90), (4 * place, 5 * place, 4 * place + 8, 5 * place + 9))
        found.append(frame)
    return found


def _example(folder: Path, name: str) -> EncoderExample:
    write_tiny_checkpoint(folder, name)
    options = {"folder": str(folder)}
    if name == "tvl-small-bgs-touch":
        Image.new("RGB", SIZE, (70, 80, 75)).save(folder / "untouched.png")
        options["background"] = str(folder / "untouched.png")
    return EncoderExample(samples=frames(), options=options, wrong="a text", dim=DIM)


tvl_tiny_touch = partial(_example, name="tvl-tiny-touch")
tvl_small_touch = partial(_example, name="tvl-small-touch")
tvl_base_touch = partial(_example, name="tvl-base-touch")
tvl_small_bgs_touch = partial(_example, name="tvl-small-bgs-touch")
