"""The networks, against transformers' own CLIP, against loops, and in full size by name and shape."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from anybind_languagebind import repositories
from anybind_languagebind.examples import write_checkpoint
from anybind_languagebind.network import Layer, TextNetwork, VisionNetwork
from anybind_languagebind.settings import TextSettings, VisionSettings, text_settings, vision_settings
from torch import nn
from transformers import CLIPConfig, CLIPModel

VIT_L = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "hidden_act": "gelu", "projection_dim": 768, "patch_size": 14,
}  # fmt: skip
TEXT = TextSettings(
    hidden_size=768, intermediate_size=3072, num_attention_heads=12, hidden_act="gelu", projection_dim=768
)


def _clip(vision: VisionSettings, text: TextSettings) -> CLIPModel:
    def section(settings: VisionSettings | TextSettings, *more: str) -> dict[str, object]:
        names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act")
        return {name: getattr(settings, name) for name in (*names, *more)}

    config = CLIPConfig(
        text_config={**section(text, "vocab_size", "max_position_embeddings"), "eos_token_id": text.vocab_size - 1},
        vision_config=section(vision, "image_size", "patch_size"), projection_dim=vision.projection_dim,
    )  # fmt: skip
    return CLIPModel(config).eval()


def _tiny(folder: Path) -> tuple[VisionNetwork, TextNetwork, CLIPModel]:
    write_checkpoint(folder, repositories.IMAGE.model_type)
    vision, text = vision_settings(folder, repositories.IMAGE.model_type), text_settings(folder)
    tensors = torch.load(folder / "pytorch_model.bin", weights_only=True)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("position_ids")}
    clip = _clip(vision, text)
    clip.load_state_dict(tensors, strict=True)
    mine = VisionNetwork(vision), TextNetwork(text)
    for network in mine:
        wanted = network.state_dict()
        network.load_state_dict({name: tensors[name] for name in wanted}, strict=True)
    return mine[0].eval(), mine[1].eval(), clip


@torch.no_grad()
def test_image_tower_is_transformers_clip(tmp_path: Path) -> None:
    network, _, clip = _tiny(tmp_path)
    pixels = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = clip.visual_projection(clip.vision_model(pixels).pooler_output)
    torch.testing.assert_close(network(pixels[:, None]), nn.functional.normalize(expected, dim=1))


@torch.no_grad()
def test_text_tower_is_transformers_clip(tmp_path: Path) -> None:
    _, network, clip = _tiny(tmp_path)
    ids = torch.randint(0, 519, (4, 9), generator=torch.Generator().manual_seed(0))
    end = torch.tensor([2, 8, 5, 1])
    ids[torch.arange(4), end] = 519
    expected = clip.text_projection(clip.text_model(input_ids=ids).pooler_output)
    torch.testing.assert_close(network(ids, end), nn.functional.normalize(expected, dim=1))


@torch.no_grad()
def test_layer_of_video_looks_over_time_before_it_looks_over_the_picture() -> None:
    settings = VisionSettings(hidden_size=8, intermediate_size=12, num_attention_heads=2, num_hidden_layers=1)
    torch.manual_seed(0)
    layer = Layer(settings, 4).eval()
    nn.init.normal_(layer.temporal_embedding)
    plain = Layer(settings).eval()
    plain.load_state_dict({name: t for name, t in layer.state_dict().items() if "temporal" not in name})
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    parts = [getattr(layer.temporal_attn, f"{side}_proj") for side in "qkv"]
    attention.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    attention.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    attention.out_proj.load_state_dict(layer.temporal_attn.out_proj.state_dict())
    videos = torch.randn(2, 4, 5, 8)  # video, frame, place, width
    expected = torch.empty_like(videos)
    for video in range(2):
        for place in range(5):
            seen = videos[video, :, place] + layer.temporal_embedding[0]
            normed = layer.temporal_layer_norm1(seen)[None]
            expected[video, :, place] = seen + attention(normed, normed, normed)[0][0]
    expected = plain(expected.reshape(8, 5, 8))
    torch.testing.assert_close(layer(videos.reshape(8, 5, 8)), expected)


@torch.no_grad()
def test_vector_of_a_video_is_the_projected_mean_over_its_frames() -> None:
    settings = VisionSettings(
        hidden_size=8, intermediate_size=12, num_attention_heads=2, num_hidden_layers=1, image_size=8, patch_size=4,
        projection_dim=6, num_frames=3, add_time_attn=False,
    )  # fmt: skip
    torch.manual_seed(0)
    network = VisionNetwork(settings).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    pixels = torch.randn(2, 3, 3, 8, 8)
    frames = network.vision_model(pixels.reshape(6, 1, 3, 8, 8)).view(2, 3, 8)
    expected = nn.functional.normalize(network.visual_projection(frames.mean(1)), dim=1)
    torch.testing.assert_close(network(pixels), expected)


def _full(make: type[nn.Module], settings: VisionSettings | TextSettings) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in make(settings).state_dict().items()}


def _count(shapes: dict[str, torch.Size]) -> int:
    return sum(shape.numel() for shape in shapes.values())


def test_full_size_is_clip_vit_l_14_by_name_shape_and_published_count() -> None:
    vision, text = VisionSettings(**VIT_L), TEXT
    with torch.device("meta"):
        clip = {name: tensor.shape for name, tensor in _clip(vision, text).state_dict().items()}
    mine = _full(VisionNetwork, vision) | _full(TextNetwork, text)
    assert clip.pop("logit_scale") == ()
    assert mine == clip
    assert _count(mine) + 1 == 427_616_513  # as MTEB's catalogue has it for LanguageBind_Image


def test_full_size_video_adds_attention_over_time_to_each_layer() -> None:
    image = _full(VisionNetwork, VisionSettings(**VIT_L))
    video = _full(VisionNetwork, VisionSettings(**VIT_L, num_frames=8, add_time_attn=True))
    published = {"temporal_embedding": (1, 8, 1024)}
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        published |= {f"temporal_attn.{name}.weight": (1024, 1024), f"temporal_attn.{name}.bias": (1024,)}
    published |= {"temporal_layer_norm1.weight": (1024,), "temporal_layer_norm1.bias": (1024,)}
    expected = {
        f"vision_model.encoder.layers.{layer}.{name}": shape
        for layer in range(24) for name, shape in published.items()
    }  # fmt: skip
    assert {name: tuple(shape) for name, shape in video.items() if name not in image} == expected
    assert {name: shape for name, shape in video.items() if name in image} == image


@pytest.mark.parametrize("image_size", [224, 112])
def test_full_size_audio_has_one_place_for_each_patch_of_the_spectrogram(image_size: int) -> None:
    settings = VisionSettings(**VIT_L, image_size=image_size, num_mel_bins=112, target_length=1036)
    shapes = _full(VisionNetwork, settings)
    assert tuple(shapes["vision_model.embeddings.position_embedding.weight"]) == (593, 1024)
    image = _full(VisionNetwork, VisionSettings(**VIT_L))
    assert {name for name in shapes if shapes[name] != image[name]} == {
        "vision_model.embeddings.position_embedding.weight"
    }


def test_file_of_the_lora_audio_model_is_as_large_as_one_with_low_rank_weights_beside_the_others() -> None:
    settings = VisionSettings(**VIT_L, num_mel_bins=126, target_length=1036)
    shapes = _full(VisionNetwork, settings) | _full(TextNetwork, TEXT)
    # Rank 16 beside the four matrices of every layer's attention, as its config.json says.
    low_rank = 24 * 4 * 2 * 16 * 1024
    published = 1_725_012_217  # bytes, at commit 610e1b1a6c60bddca0a1451c80aeb12cab1260fa
    overhead = published - 4 * (_count(shapes) + low_rank + 1)
    assert 0 < overhead < 500_000  # names and places; without low-rank weights it would be 12.9 million
