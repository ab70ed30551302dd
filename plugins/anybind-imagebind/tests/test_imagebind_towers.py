"""Towers of random weights give what CLIP in transformers and torch's own attention give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_imagebind import checkpoint, examples, plugin
from anybind_imagebind.audio import Sounds, mel_picture
from anybind_imagebind.depth import DepthMaps
from anybind_imagebind.imu import Recordings
from anybind_imagebind.pictures import Pictures, ThermalPictures
from anybind_imagebind.text import Texts
from anybind_imagebind.video import Videos
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

import anybind

Tensors = dict[str, torch.Tensor]
SPECS = {spec.modality: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}
TENSORS = examples.tiny_tensors()
CLASSES = {"image": Pictures, "video": Videos, "text": Texts, "audio": Sounds, "depth": DepthMaps,
           "thermal": ThermalPictures, "imu": Recordings}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return examples.write_tiny_checkpoint(tmp_path_factory.mktemp("imagebind"))


def build(modality: str, folder: Path, **options: Any) -> Any:
    return CLASSES[modality](SPECS[modality], folder=str(folder), **options)


def part(prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in TENSORS.items() if name.startswith(prefix)}


def clip_layers(tower: str) -> Tensors:
    """A trunk's blocks under the names that CLIP has in transformers."""
    found: Tensors = {}
    for name, tensor in part(f"modality_trunks.{tower}.blocks.").items():
        number, _, rest = name.partition(".")
        rest = rest.replace("norm_1", "layer_norm1").replace("norm_2", "layer_norm2").replace("attn.", "self_attn.")
        layer = f"encoder.layers.{number}."
        if "in_proj_" in rest:
            for key, piece in zip("qkv", tensor.chunk(3), strict=True):
                found[layer + rest.replace("in_proj_", f"{key}_proj.")] = piece
        else:
            found[layer + rest] = tensor
    return found


def clip_vision() -> Any:
    stem, trunk, head = (part(f"modality_{each}.vision.") for each in ("preprocessors", "trunks", "heads"))
    config = CLIPVisionConfig(
        hidden_size=160, intermediate_size=640, num_hidden_layers=2, num_attention_heads=2, image_size=56,
        patch_size=14, projection_dim=examples.DIM, hidden_act="gelu", layer_norm_eps=1e-6,
    )  # fmt: skip
    tensors = {f"vision_model.{name}": tensor for name, tensor in clip_layers("vision").items()} | {
        "vision_model.embeddings.class_embedding": stem["cls_token"][0, 0],
        # A picture is both frames: their two kernels add up.
        "vision_model.embeddings.patch_embedding.weight": stem["rgbt_stem.proj.1.weight"].sum(2),
        "vision_model.embeddings.position_embedding.weight": stem["pos_embedding_helper.pos_embed"][0],
        "vision_model.pre_layrnorm.weight": trunk["pre_transformer_layer.0.weight"],
        "vision_model.pre_layrnorm.bias": trunk["pre_transformer_layer.0.bias"],
        "vision_model.post_layernorm.weight": head["0.weight"],
        "vision_model.post_layernorm.bias": head["0.bias"],
        "visual_projection.weight": head["2.weight"],
    }
    model = CLIPVisionModelWithProjection(config)
    missing, foreign = model.load_state_dict(tensors, strict=False)
    assert not foreign
    assert all(name.endswith("position_ids") for name in missing)
    return model.eval()


def clip_text() -> Any:
    stem, head = part("modality_preprocessors.text."), part("modality_heads.text.")
    size = len(stem["token_embedding.weight"])
    config = CLIPTextConfig(
        vocab_size=size, hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=examples.DIM, hidden_act="gelu", layer_norm_eps=1e-6,
        eos_token_id=size - 1, bos_token_id=size - 2, pad_token_id=0,
    )  # fmt: skip
    tensors = {f"text_model.{name}": tensor for name, tensor in clip_layers("text").items()} | {
        "text_model.embeddings.token_embedding.weight": stem["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": stem["pos_embed"][0],
        "text_model.final_layer_norm.weight": head["proj.0.weight"],
        "text_model.final_layer_norm.bias": head["proj.0.bias"],
        "text_projection.weight": head["proj.1.weight"],
    }
    model = CLIPTextModelWithProjection(config)
    missing, foreign = model.load_state_dict(tensors, strict=False)
    assert not foreign
    assert all(name.endswith("position_ids") for name in missing)
    return model.eval()


def by_torch(tower: str, patches: torch.Tensor, heads: int) -> torch.Tensor:
    """The towers with a learnt key and value, from patches on, with torch's MultiheadAttention."""
    stem, head = part(f"modality_preprocessors.{tower}."), part(f"modality_heads.{tower}.")
    positions = stem["pos_embed" if tower == "imu" else "pos_embedding_helper.pos_embed"]
    width = positions.shape[2]
    norm = next(name for name in stem if name.endswith("norm_layer.weight")).removesuffix("weight")
    tokens = functional.layer_norm(patches, [width], stem[norm + "weight"], stem[norm + "bias"], 1e-5)
    tokens = torch.cat([stem["cls_token"].expand(len(tokens), -1, -1), tokens], 1) + positions
    for number in range(2):
        block = part(f"modality_trunks.{tower}.blocks.{number}.")
        attention = torch.nn.MultiheadAttention(width, heads, add_bias_kv=True, batch_first=True)
        attention.load_state_dict({name[5:]: block[name] for name in block if name.startswith("attn.")})
        seen = functional.layer_norm(tokens, [width], block["norm_1.weight"], block["norm_1.bias"], 1e-6)
        tokens = tokens + attention(seen, seen, seen, need_weights=False)[0]
        seen = functional.layer_norm(tokens, [width], block["norm_2.weight"], block["norm_2.bias"], 1e-6)
        inner = functional.gelu(functional.linear(seen, block["mlp.fc1.weight"], block["mlp.fc1.bias"]))
        tokens = tokens + functional.linear(inner, block["mlp.fc2.weight"], block["mlp.fc2.bias"])
    first = functional.layer_norm(tokens[:, 0], [width], head["0.weight"], head["0.bias"], 1e-6)
    return functional.normalize(first @ head["3.weight" if tower == "imu" else "2.weight"].T, dim=1)


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_image_is_clip_with_exact_gelu(folder: Path, tmp_path: Path) -> None:
    pictures = examples.image(tmp_path).samples
    squares = [np.asarray(middle_by_pillow(picture, 56), dtype=np.float32) / 255 for picture in pictures]
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    pixels = torch.tensor((np.stack(squares) - mean) / std, dtype=torch.float32).permute(0, 3, 1, 2)
    wanted = functional.normalize(clip_vision()(pixel_values=pixels).image_embeds, dim=1)
    close(build("image", folder).encode(pictures), wanted)


def middle_by_pillow(picture: Any, side: int) -> Any:
    width, height = picture.size
    scale = side / min(width, height)
    scaled = picture.resize((int(width * scale), int(height * scale)), 3)
    left, top = round((scaled.width - side) / 2), round((scaled.height - side) / 2)
    return scaled.crop((left, top, left + side, top + side))


@torch.no_grad()
def test_text_is_clip_with_exact_gelu(folder: Path) -> None:
    encoder = build("text", folder)
    texts = ["a dog", "", "thunder 42!", "car " * 100]
    model = clip_text()
    rows = encoder._tokens(texts)
    assert [len(row) for row in rows] == [4, 2, 6, 77]
    wanted = torch.cat([model(input_ids=torch.tensor([row])).text_embeds for row in rows])
    close(encoder.encode(texts), functional.normalize(wanted, dim=1))


@torch.no_grad()
def test_audio_is_torchs_attention_averaged_over_clips(folder: Path) -> None:
    clip = examples._sound(3.0, 16_000)
    sound = torch.from_numpy(clip.samples)
    pieces = torch.stack([mel_picture(sound[start : start + 32_000]) for start in (0, 8000, 16_000)])
    weight = TENSORS["modality_preprocessors.audio.rgbt_stem.proj.weight"]
    patches = functional.conv2d(pieces, weight, stride=10).flatten(2).transpose(1, 2)
    wanted = by_torch("audio", patches, heads=2).mean(0, keepdim=True)
    close(build("audio", folder).encode([clip]), wanted)
    close(build("audio", folder, clips=1).encode([clip]), by_torch("audio", patches[:1], heads=2))


@torch.no_grad()
def test_depth_and_thermal_are_torchs_attention(folder: Path, tmp_path: Path) -> None:
    maps = examples.depth(tmp_path).samples
    encoder = build("depth", folder)
    pixels = torch.cat([encoder._clips(each) for each in maps])
    weight = TENSORS["modality_preprocessors.depth.depth_stem.proj.weight"]
    patches = functional.conv2d(pixels, weight, stride=16).flatten(2).transpose(1, 2)
    close(encoder.encode(maps), by_torch("depth", patches, heads=2))
    pictures = examples.thermal(tmp_path).samples
    grey = np.stack([np.asarray(middle_by_pillow(each.convert("L"), 64), dtype=np.float32) for each in pictures])
    weight = TENSORS["modality_preprocessors.thermal.rgbt_stem.proj.weight"]
    patches = functional.conv2d(torch.from_numpy(grey)[:, None] / 255, weight, stride=16).flatten(2).transpose(1, 2)
    close(build("thermal", folder).encode(pictures), by_torch("thermal", patches, heads=2))


@torch.no_grad()
def test_imu_patches_are_eight_readings_of_each_channel(folder: Path) -> None:
    readings = np.random.default_rng(1).standard_normal((6, 2000)).astype(np.float32)
    rows = [[readings[channel, 8 * i + step] for channel in range(6) for step in range(8)] for i in range(250)]
    weight = TENSORS["modality_preprocessors.imu.imu_stem.proj.weight"]
    wanted = by_torch("imu", torch.tensor(np.array(rows))[None] @ weight.T, heads=2)
    close(build("imu", folder).encode([anybind.ImuClip(readings, 400.0)]), wanted)


@torch.no_grad()
def test_a_video_that_stands_still_is_its_picture(folder: Path) -> None:
    pixels = examples._pixels(56, 56)
    still = anybind.VideoClip(np.repeat(pixels[None], 12, axis=0), 4.0)
    picture = examples._picture(56, 56)
    close(build("video", folder).encode([still]), build("image", folder).encode([picture]))


@torch.no_grad()
def test_a_video_is_the_mean_of_its_clips_and_squares(folder: Path) -> None:
    frames = np.stack([examples._pixels(56, 100, seed) for seed in range(13)])
    encoder, wide = build("video", folder), anybind.VideoClip(frames, 4.0)
    singles = [
        anybind.VideoClip(frames[[first, last]][:, :, left : left + 56], 1.0)
        for first, last in ((0, 7), (2, 9), (3, 10), (4, 11), (5, 12)) for left in (0, 22, 44)
    ]  # fmt: skip
    close(encoder.encode([wide]), build("video", folder, clips=1, crops=1).encode(singles).mean(0, keepdim=True))
    both_ways = [anybind.VideoClip(frames[:2], 1.0), anybind.VideoClip(frames[1::-1], 1.0)]
    order = build("video", folder, clips=1).encode(both_ways)
    assert (order[0] - order[1]).abs().max() > 1e-3


def test_the_published_file_is_read_and_only_the_towers_part_of_it(tmp_path: Path, folder: Path) -> None:
    audio = {name: tensor for name, tensor in TENSORS.items() if ".audio." in name}
    torch.save(audio, tmp_path / "imagebind_huge.pth")
    sample = examples._sound(0.4, 8000)
    network = build("audio", tmp_path)._network
    close(build("audio", tmp_path).encode([sample]), build("audio", folder).encode([sample]))
    assert sum(p.numel() for p in network.parameters()) == sum(t.numel() for t in audio.values()) - 1
    with pytest.raises(anybind.PluginError, match="does not hold ImageBind's tower for vision") as caught:
        build("image", tmp_path)
    assert str(caught.value.where).endswith("imagebind_huge.pth")


def test_half_precision_gives_nearly_the_same(folder: Path) -> None:
    sample = [examples._sound(0.4, 8000)]
    full, half = build("audio", folder).encode(sample), build("audio", folder, dtype="bfloat16").encode(sample)
    assert half.dtype == torch.float32
    assert functional.cosine_similarity(full, half).min() > 0.999
    assert not torch.equal(full, half)


def test_building_and_encoding_leave_the_random_state_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    build("audio", folder).encode([examples._sound(0.4, 8000)])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("modality_trunks.audio.blocks.1.mlp.fc1.bias", None, "do not fit"),
        ("modality_heads.audio.2.weight", None, "does not hold"),
        ("modality_preprocessors.audio.cls_token", torch.zeros(1, 1, 7), "do not fit"),
        ("modality_preprocessors.audio.rgbt_stem.proj.weight", torch.zeros(128, 768), "strange patches"),
        ("modality_preprocessors.audio.pos_embedding_helper.pos_embed", torch.zeros(1, 229, 100), "strange width"),
        ("modality_heads.audio.2.weight", torch.zeros(17, 128), "another length"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_told(tmp_path: Path, name: str, change: Any, what: str) -> None:
    tensors = {key: tensor for key, tensor in TENSORS.items() if ".audio." in key and key != name}
    save_file(tensors | ({} if change is None else {name: change}), tmp_path / "model.safetensors")
    with pytest.raises(anybind.PluginError, match=what) as caught:
        build("audio", tmp_path)
    assert caught.value.where


def test_a_folder_without_a_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(anybind.PluginError, match="no ImageBind checkpoint") as caught:
        build("audio", tmp_path)
    assert "imagebind_huge.pth" in str(caught.value.expected)
    (tmp_path / "imagebind_huge.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(anybind.PluginError, match="cannot be read"):
        build("audio", tmp_path)


def test_the_example_has_the_published_names(folder: Path) -> None:
    stored = load_file(folder / "imagebind_huge.safetensors")
    unused = [name for name in stored if all(layout.rename(name) is None for layout in checkpoint.LAYOUTS.values())]
    assert sorted(name.split(".")[-1] for name in unused) == ["log_logit_scale"] * 5 + ["mask"]
