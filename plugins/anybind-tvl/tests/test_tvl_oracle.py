"""Against transformers' ViT, whose weights are written in TVL's names by a converter of this test alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_tvl import examples, plugin
from anybind_tvl.files import FILES, FOLDER
from anybind_tvl.frames import CHANGE_MEAN, CHANGE_STD, MEAN, STD, Frames, turned_square
from anybind_tvl.touch import TouchEncoder
from anybind_tvl.vit import Vit, VitConfig
from PIL import Image
from transformers import ViTConfig, ViTModel

import anybind

SPECS = {spec.name: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}
# Parameters of timm 1.0's vit_*_patch16_224 with global_pool="avg" and num_classes=768.
PUBLISHED = {"tiny": (192, 5_672_640), "small": (384, 21_961_344), "base": (768, 86_389_248)}
SHAPES = {
    "cls_token": (1, 1, 768),
    "pos_embed": (1, 197, 768),
    "patch_embed.proj.weight": (768, 3, 16, 16),
    "patch_embed.proj.bias": (768,),
    "blocks.11.norm1.weight": (768,),
    "blocks.11.norm1.bias": (768,),
    "blocks.11.attn.qkv.weight": (2304, 768),
    "blocks.11.attn.qkv.bias": (2304,),
    "blocks.11.attn.proj.weight": (768, 768),
    "blocks.11.attn.proj.bias": (768,),
    "blocks.11.norm2.weight": (768,),
    "blocks.11.norm2.bias": (768,),
    "blocks.11.mlp.fc1.weight": (3072, 768),
    "blocks.11.mlp.fc1.bias": (3072,),
    "blocks.11.mlp.fc2.weight": (768, 3072),
    "blocks.11.mlp.fc2.bias": (768,),
    "fc_norm.weight": (768,),
    "fc_norm.bias": (768,),
    "head.weight": (768, 768),
    "head.bias": (768,),
}


class Reference:
    """transformers' ViT up to its last norm, the mean over the patches, that norm, and a linear head."""

    def __init__(self) -> None:
        config = ViTConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96, image_size=32,
            patch_size=8, layer_norm_eps=1e-6, hidden_act="gelu",
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.vit = ViTModel(config, add_pooling_layer=False).eval()
            self.head = torch.nn.Linear(128, examples.DIM)
            for parameter in [*self.vit.parameters(), *self.head.parameters()]:
                torch.nn.init.normal_(parameter, std=0.2)
        self.norm, self.vit.layernorm = self.vit.layernorm, torch.nn.Identity()

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            patches = self.vit(pixels).last_hidden_state[:, 1:]
            vectors = self.head(self.norm(patches.mean(dim=1)))
            return vectors / vectors.norm(dim=1, keepdim=True)

    def in_tvls_names(self) -> dict[str, torch.Tensor]:
        s = self.vit.state_dict()
        found = {
            "cls_token": s["embeddings.cls_token"],
            "pos_embed": s["embeddings.position_embeddings"],
            "patch_embed.proj.weight": s["embeddings.patch_embeddings.projection.weight"],
            "patch_embed.proj.bias": s["embeddings.patch_embeddings.projection.bias"],
        }
        for kind in ("weight", "bias"):
            found[f"fc_norm.{kind}"] = self.norm.state_dict()[kind]
            found[f"head.{kind}"] = self.head.state_dict()[kind]
            for layer in range(2):
                source, goal = f"layers.{layer}", f"blocks.{layer}"
                parts = [s[f"{source}.attention.{part}_proj.{kind}"] for part in "qkv"]
                found[f"{goal}.attn.qkv.{kind}"] = torch.cat(parts)
                found[f"{goal}.attn.proj.{kind}"] = s[f"{source}.attention.o_proj.{kind}"]
                found[f"{goal}.norm1.{kind}"] = s[f"{source}.layernorm_before.{kind}"]
                found[f"{goal}.norm2.{kind}"] = s[f"{source}.layernorm_after.{kind}"]
                found[f"{goal}.mlp.fc1.{kind}"] = s[f"{source}.mlp.fc1.{kind}"]
                found[f"{goal}.mlp.fc2.{kind}"] = s[f"{source}.mlp.fc2.{kind}"]
        return {f"tactile_encoder.{name}": value for name, value in found.items()}


def save(folder: Path, name: str, model: dict[str, Any]) -> Path:
    path = folder / FOLDER / FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model, "epoch": 1, "scaler": {}, "args": argparse.Namespace(lr=0.1)}, path)
    return path


def frames(size: tuple[int, int]) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)) for _ in range(3)
    ]


def turned(values: np.ndarray) -> np.ndarray:
    """(height, width, 3), taller than wide by an even number -> a square turned a quarter to the left, by numpy."""
    height, width, _ = values.shape
    side = (height - width) // 2
    return np.rot90(np.pad(values, ((0, 0), (side, side), (0, 0))))


def as_pixels(values: list[np.ndarray], mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    stacked = (np.stack(values) - np.array(mean)) / np.array(std)
    return torch.from_numpy(stacked.transpose(0, 3, 1, 2).astype(np.float32))


@pytest.mark.parametrize("name", ["tvl-tiny-touch", "tvl-base-touch"])
def test_frames_give_the_reference_vectors(tmp_path: Path, name: str) -> None:
    reference = Reference()
    save(tmp_path, name, {**reference.in_tvls_names(), "logit_scale": torch.tensor(2.0)})
    found = TouchEncoder(SPECS[name], folder=str(tmp_path)).encode(frames((48, 64)))
    squares = [Image.fromarray(np.ascontiguousarray(turned(np.asarray(frame)))) for frame in frames((48, 64))]
    scaled = [np.asarray(square.resize((32, 32), Image.Resampling.BILINEAR)) / 255 for square in squares]
    torch.testing.assert_close(found, reference(as_pixels(scaled, MEAN, STD)), atol=1e-4, rtol=1e-4)


def test_the_background_is_taken_away_before_scaling(tmp_path: Path) -> None:
    """At half the size, scaling without antialiasing is the mean of 2 x 2 pixels."""
    reference = Reference()
    save(tmp_path, "tvl-small-bgs-touch", reference.in_tvls_names())
    *samples, background = frames((48, 64))
    background.save(tmp_path / "untouched.png")
    encoder = TouchEncoder(
        SPECS["tvl-small-bgs-touch"], folder=str(tmp_path), background=str(tmp_path / "untouched.png")
    )
    change = [turned(np.asarray(frame) / 255) - turned(np.asarray(background) / 255) for frame in samples]
    halved = [values.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)) for values in change]
    expected = reference(as_pixels(halved, CHANGE_MEAN, CHANGE_STD))
    torch.testing.assert_close(encoder.encode(samples), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([samples[0], samples[1].resize((40, 60))])
    assert caught.value.where == "sample 1"
    assert "(48, 64)" in str(caught.value.expected)


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (23, 32), (32, 32), (1, 7)])
def test_frames_of_any_shape_become_squares_in_the_middle(size: tuple[int, int]) -> None:
    square = turned_square(Image.new("RGB", size, "white"))
    assert square.size == (max(size), max(size))
    lit = np.asarray(square)[:, :, 0] > 0
    assert lit.sum() == size[0] * size[1]
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    assert abs(rows[0] - (max(size) - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (max(size) - 1 - columns[-1])) <= 1


def test_a_turn_is_to_the_left() -> None:
    frame = Image.new("RGB", (2, 2))
    frame.putpixel((1, 0), (255, 0, 0))  # top right
    assert turned_square(frame).getpixel((0, 0)) == (255, 0, 0)


def test_a_background_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(anybind.UsageError, match="background") as caught:
            Frames("test", 32, str(tmp_path / name))
        assert name in str(caught.value.got)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_have_the_published_number_of_parameters(name: str) -> None:
    width, parameters = PUBLISHED[name]
    with torch.device("meta"):
        network = Vit(VitConfig(width=width, hidden=4 * width, layers=12, grid=14, patch=16, dim=768))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    state = network.state_dict()
    assert len(state) == 152
    assert VitConfig.of(state) == VitConfig(width, 4 * width, layers=12, grid=14, patch=16, dim=768)
    if name == "base":
        assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES


def test_the_network_is_timms(tmp_path: Path) -> None:
    try:
        import timm  # it needs torchvision, which does not import beside every build of torch
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {error}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model("vit_tiny_patch16_224", num_classes=768, global_pool="avg").eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    save(tmp_path, "tvl-tiny-touch", {f"tactile_encoder.{key}": value for key, value in model.state_dict().items()})
    (spec,) = [spec for spec in plugin.anybind_encoders() if spec.name == "tvl-tiny-touch"]
    samples = frames((240, 320))
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(model(Frames("test", 224, None)(samples)), dim=1)
    torch.testing.assert_close(TouchEncoder(spec, folder=str(tmp_path)).encode(samples), expected, atol=1e-4, rtol=1e-4)
