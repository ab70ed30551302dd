"""VideoCLIP: its towers one at a time, against transformers' BERT, and S3D against its formula written out."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_transformers import plugin, tiny
from anybind_transformers.s3d import S3D
from anybind_transformers.tiny_videoclip import DIM, videoclip
from anybind_transformers.videoclip import VideoClipText, VideoClipVideo
from anybind_transformers.videoclip_encoders import VideoClipTexts, VideoClipVideos, frame_places, seconds_of
from torch.nn import functional
from transformers import BertConfig, BertModel, BertTokenizer

import anybind
from anybind.encoder_kit.notices import quiet_transformers

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
Tensors = Mapping[str, torch.Tensor]


def build(modality: str, folder: Path, **options: Any) -> Any:
    spec = SPECS[f"videoclip-{modality}"].model_copy(update={"dim": options.pop("dim", DIM)})
    module, _, factory = spec.factory.partition(":")
    return getattr(importlib.import_module(module), factory)(spec, folder=str(folder), **options)


def stored(folder: Path) -> dict[str, torch.Tensor]:
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(folder / "checkpoint_best.pt", weights_only=True)["model"]


def bert_of(tensors: Tensors, prefix: str, layers: int) -> BertModel:
    """transformers' own model, with its pooler, from the published names."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    words = len(own["embeddings.word_embeddings.weight"])
    settings = BertConfig(vocab_size=words, hidden_size=DIM, num_hidden_layers=layers, num_attention_heads=1,
                          intermediate_size=4 * DIM)  # fmt: skip
    with quiet_transformers():
        network = BertModel(settings).eval()
    del own["embeddings.position_ids"]
    network.load_state_dict(own)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return videoclip(tmp_path_factory.mktemp("videoclip"))


@pytest.fixture(scope="module")
def videos(folder: Path) -> Any:
    return build("video", folder)


def clip(frames: int, rate: float, seed: int = 0, side: int = 40) -> anybind.VideoClip:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, side, side + 6, 3), np.uint8)
    return anybind.VideoClip(pixels, rate)


@torch.no_grad()
def test_texts_are_the_mean_of_all_states_but_the_first(folder: Path) -> None:
    texts = [*tiny.texts(), "", "Some UPPER case", "long words " * 60]
    bert, tokenizer = bert_of(stored(folder), "mmmodel.text_encoder.", 12), BertTokenizer.from_pretrained(folder)
    expected = []
    for text in texts:
        ids = [101, *tokenizer(text.lower(), add_special_tokens=False)["input_ids"][:93], 102]
        states = bert(torch.tensor([ids])).last_hidden_state[0, 1:]
        expected.append(states.mean(0))
    found = build("text", folder, batch_size=3).encode(texts)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)
    assert torch.pdist(found).min() > 1e-2
    assert states.var(0).max() > 1e-2  # places differ, so it matters which are counted


@torch.no_grad()
@pytest.mark.parametrize("seconds", [1, 5, 32])
def test_seconds_are_joined_as_in_the_padded_and_masked_published_form(
    folder: Path, videos: Any, seconds: int
) -> None:
    tensors = stored(folder)
    features = torch.randn(2, seconds, 16, generator=torch.Generator().manual_seed(seconds))
    mlp = {name.rpartition("videomlp.")[2]: value for name, value in tensors.items() if "videomlp." in name}
    tokens = functional.gelu(features @ mlp["linear1.weight"].T + mlp["linear1.bias"])
    tokens = functional.layer_norm(tokens, (DIM,), mlp["LayerNorm.weight"], mlp["LayerNorm.bias"])
    tokens = functional.pad(tokens @ mlp["linear2.weight"].T + mlp["linear2.bias"], (0, 0, 0, 32 - seconds), value=7.0)
    bert = bert_of(tensors, "mmmodel.video_encoder.bert.", 6)
    first, last = bert.embeddings.word_embeddings(torch.tensor([[[101]], [[102]]]).expand(2, 2, 1))
    mask = torch.ones(2, 34)
    mask[:, seconds + 1 : 33] = 0
    states = bert(inputs_embeds=torch.cat([first, tokens, last], 1), attention_mask=mask).last_hidden_state
    mask[:, 0] = 0
    expected = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(videos.network.joined(features), expected, rtol=1e-4, atol=1e-5)


def s3d_written_out(t: Tensors, clips: torch.Tensor) -> torch.Tensor:
    """The published network with its names of tensors, in plain functions."""

    def norm(x: torch.Tensor, at: str) -> torch.Tensor:
        mean, var, gain, shift = (
            t[f"{at}.{key}"][:, None, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (var + 1e-5).sqrt() * gain + shift).clamp(min=0)

    def layer(x: torch.Tensor, at: str) -> torch.Tensor:
        kernel = t[f"{at}.conv1.weight"]
        x = norm(functional.conv3d(x, kernel, padding=tuple(size // 2 for size in kernel.shape[2:])), f"{at}.bn1")
        if f"{at}.conv2.weight" in t:
            x = norm(functional.conv3d(x, t[f"{at}.conv2.weight"], padding=(1, 0, 0)), f"{at}.bn2")
        return x

    def gate(x: torch.Tensor, at: str) -> torch.Tensor:
        weight = (x.flatten(2).mean(2) @ t[f"{at}.fc.weight"].T + t[f"{at}.fc.bias"]).sigmoid()
        return torch.einsum("ncthw,nc->ncthw", x, weight)

    def pool(x: torch.Tensor, time: int) -> torch.Tensor:
        side = 2 if time == 2 else 3
        for axis, size, step in ((2, time, min(time, 2)), (3, side, 2), (4, side, 2)):
            starts = range(0, x.shape[axis], step)
            parts = [x.narrow(axis, s, min(size, x.shape[axis] - s)).amax(axis, keepdim=True) for s in starts]
            x = torch.cat(parts, axis)
        return x

    def block(x: torch.Tensor, at: str) -> torch.Tensor:
        around = functional.max_pool3d(x, 3, 1, 1)
        branches = [
            layer(x, f"{at}.conv_b0"), layer(layer(x, f"{at}.conv_b1_a"), f"{at}.conv_b1_b"),
            layer(layer(x, f"{at}.conv_b2_a"), f"{at}.conv_b2_b"), layer(around, f"{at}.conv_b3_b"),
        ]  # fmt: skip
        return torch.cat([gate(branch, f"{at}.gating_b{number}") for number, branch in enumerate(branches)], 1)

    n, c, frames, high, wide = clips.shape
    x = clips.reshape(n, c, frames // 2, 2, high // 2, 2, wide // 2, 2).permute(0, 3, 5, 7, 1, 2, 4, 6)
    x = layer(x.reshape(n, 8 * c, frames // 2, high // 2, wide // 2), "conv1")[:, :, 1:, 1:, 1:]
    x = layer(layer(pool(x, 1), "conv_2b"), "conv_2c")
    x = pool(gate(x, "gating"), 1)
    for name in ("mixed_3b", "mixed_3c"):
        x = block(x, name)
    x = pool(x, 3)
    for letter in "bcdef":
        x = block(x, f"mixed_4{letter}")
    x = pool(x, 2)
    for name in ("mixed_5b", "mixed_5c"):
        x = block(x, name)
    return x.flatten(2).mean(2) @ t["fc.weight"].T + t["fc.bias"]


@torch.no_grad()
def test_s3d_is_the_published_network(folder: Path, videos: Any) -> None:
    clips = torch.rand(2, 3, 30, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = s3d_written_out(torch.load(folder / "s3d_howto100m.pth", weights_only=True), clips)
    torch.testing.assert_close(videos.network.s3d(clips), expected, rtol=1e-4, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-4


@torch.no_grad()
def test_a_video_goes_the_whole_way(folder: Path, videos: Any) -> None:
    sample = clip(45, 30.0, side=224)  # 224 x 230: the middle is cut out, nothing is scaled
    pixels = torch.zeros(60, 224, 224, 3)
    pixels[:45] = torch.from_numpy(sample.frames[:, :, 3:227].copy()) / 255
    clips = pixels.reshape(2, 30, 224, 224, 3).permute(0, 4, 1, 2, 3)
    weights = torch.load(folder / "s3d_howto100m.pth", weights_only=True)
    features = functional.normalize(s3d_written_out(weights, clips), dim=1)
    torch.testing.assert_close(
        videos.encode([sample])[0], videos.network.joined(features[None])[0], rtol=1e-4, atol=1e-5
    )


def test_a_batch_of_short_and_long_videos_gives_each_its_own_vector(folder: Path, videos: Any) -> None:
    samples = [clip(1, 1.0, 1), clip(1, 60.0, 2), clip(6, 5.0, 3), clip(4, 4.0, 4)]
    alone = torch.cat([videos.encode([sample]) for sample in samples])
    together = videos.encode(samples)
    assert together.shape == (4, DIM)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.pdist(together).min() > 1e-3
    unit = build("video", folder, normalize=True).encode(samples[:1])
    torch.testing.assert_close(unit, functional.normalize(together[:1], dim=1), rtol=1e-4, atol=1e-5)


def test_frames_are_taken_at_thirty_a_second_from_the_first_32_seconds() -> None:
    assert frame_places(45, 30.0) == list(range(45))
    assert frame_places(3, 60.0) == [0, 2]
    assert frame_places(2, 10.0) == [0, 0, 0, 1, 1, 1]
    assert frame_places(1, 240.0) == [0]
    assert frame_places(2000, 30.0) == list(range(960))
    assert len(frame_places(40, 1.0)) == 960
    # Every frame of a slower video is seen, in order, and none is taken twice as often as another but one.
    places = frame_places(250, 25.0)
    assert len(places) == 300
    assert sorted(set(places)) == list(range(250))
    assert places == sorted(places)


def test_the_last_second_is_filled_with_black() -> None:
    bright = anybind.VideoClip(np.full((31, 20, 30, 3), 255, np.uint8), 30.0)
    found = seconds_of(bright)
    assert found.shape == (2, 30, 224, 224, 3)
    assert found[0].min() == 255
    assert found[1, 0].min() == 255
    assert found[1, 1:].max() == 0


def test_a_tower_reads_its_own_tensors_alone(folder: Path, tmp_path: Path) -> None:
    tensors = stored(folder)
    for modality, other in (("text", "video"), ("video", "text")):
        part = tmp_path / modality
        part.mkdir()
        kept = {name: value for name, value in tensors.items() if not name.startswith(f"mmmodel.{other}_encoder.")}
        torch.save({"model": kept}, part / "checkpoint_best.pt")
        needed = "vocab.txt" if modality == "text" else "s3d_howto100m.pth"
        (part / needed).write_bytes((folder / needed).read_bytes())
        samples = ["a dog", "a cat"] if modality == "text" else [clip(2, 30.0)]
        assert torch.equal(build(modality, part).encode(samples), build(modality, folder).encode(samples))
        kept.pop(next(name for name in kept if ".layer.5.output.dense.weight" in name))
        torch.save({"model": kept}, part / "checkpoint_best.pt")
        with pytest.raises(anybind.PluginError, match=r"1 missing, e\.g\. .*layer\.5\.output\.dense\.weight"):
            build(modality, part)


@pytest.mark.parametrize(
    ("modality", "file"),
    [("text", "checkpoint_best.pt"), ("text", "vocab.txt"), ("video", "checkpoint_best.pt"),
     ("video", "s3d_howto100m.pth")],
)  # fmt: skip
def test_a_missing_or_broken_file_is_named(folder: Path, tmp_path: Path, modality: str, file: str) -> None:
    for other in folder.iterdir():
        (tmp_path / other.name).write_bytes(other.read_bytes())
    (tmp_path / file).write_bytes(b"nothing of the kind")
    with pytest.raises(anybind.PluginError, match=file.replace(".", r"\.")):
        build(modality, tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(anybind.PluginError, match=file.replace(".", r"\.")):
        build(modality, tmp_path)


def test_without_a_folder_the_user_is_asked_for_one() -> None:
    for modality, encoder in (("text", VideoClipTexts), ("video", VideoClipVideos)):
        with pytest.raises(anybind.UsageError, match="folder"):
            encoder(SPECS[f"videoclip-{modality}"])


def test_another_length_is_refused(folder: Path) -> None:
    for modality in ("text", "video"):
        with pytest.raises(anybind.PluginError, match="vectors of 64 numbers"):
            build(modality, folder, dim=768)


def test_full_size_networks_have_the_published_names_and_shapes() -> None:
    with torch.device("meta"), quiet_transformers():
        text, video = VideoClipText(30_522, 768).state_dict(), VideoClipVideo(30_522, 768).state_dict()
    named = {name: tuple(value.shape) for name, value in {**text, **video}.items()}
    published = {
        "text_encoder.embeddings.word_embeddings.weight": (30522, 768),
        "text_encoder.encoder.layer.11.attention.self.query.weight": (768, 768),
        "video_encoder.videomlp.linear1.weight": (768, 512),
        "video_encoder.videomlp.LayerNorm.bias": (768,),
        "video_encoder.videomlp.linear2.weight": (768, 768),
        "video_encoder.bert.embeddings.position_embeddings.weight": (512, 768),
        "video_encoder.bert.encoder.layer.5.intermediate.dense.weight": (3072, 768),
        "s3d.conv1.conv1.weight": (64, 24, 2, 4, 4),
        "s3d.conv_2c.conv1.weight": (192, 64, 1, 3, 3),
        "s3d.conv_2c.conv2.weight": (192, 192, 3, 1, 1),
        "s3d.gating.fc.weight": (192, 192),
        "s3d.mixed_3c.conv_b0.conv1.weight": (128, 256, 1, 1, 1),
        "s3d.mixed_4b.gating_b1.fc.bias": (208,),
        "s3d.mixed_4f.conv_b2_b.bn2.running_var": (128,),
        "s3d.mixed_5c.conv_b1_b.conv2.weight": (384, 384, 3, 1, 1),
        "s3d.fc.weight": (512, 1024),
    }
    assert {name: named.get(name) for name in published} == published
    # bert-base-uncased has 109.48 million parameters, 0.59 of them in its pooler.
    assert sum(value.numel() for value in text.values()) == 109_482_240 - 768 * 769
    assert not any("layer.6." in name for name in video)


def test_full_size_s3d_fits_the_published_file() -> None:
    with torch.device("meta"):
        own = sum(value.numel() for value in S3D().state_dict().values())
    its_text_tower = 66_250 * 300 + 300 * 2048 + 2048 + 2048 * 512 + 512
    rest = 125_031_128 - 4 * (own + its_text_tower)  # names and the like, in a file of 125,031,128 bytes
    assert 0 < rest < 200_000
