"""The towers of joint checkpoints, against the full models of transformers."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from anybind_transformers import plugin, tiny
from anybind_transformers.samples import even_frames
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

import anybind
from anybind.encoder_kit.notices import quiet_transformers

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
# encoder -> tiny checkpoint, samples, what the other towers' tensors begin with
TOWERS: dict[str, tuple[Callable[[Path], Path], Callable[[], list[Any]], tuple[str, ...]]] = {
    "clip-vit-b32-image": (tiny.clip, tiny.pictures, ("text_", "logit")),
    "clip-vit-b32-text": (tiny.clip, tiny.texts, ("vision_", "visual_", "logit")),
    "siglip2-base-image": (tiny.siglip2, tiny.pictures, ("text_", "logit")),
    "siglip2-base-text": (tiny.siglip2, tiny.texts, ("vision_", "logit")),
    "clap-htsat-audio": (tiny.clap, tiny.sounds, ("text_", "logit")),
    "clap-htsat-text": (tiny.clap, tiny.texts, ("audio_", "logit")),
    "x-clip-base-video": (tiny.xclip, tiny.videos, ("text_", "logit", "prompts_")),
    "x-clip-base-text": (tiny.xclip, tiny.texts, ("vision_", "visual_", "mit.", "logit", "prompts_")),
}


def build(name: str, folder: Path | None, **options: Any) -> Any:
    """The encoder as the registry would build it, for a checkpoint of another length."""
    spec = SPECS[name].model_copy(update={"dim": tiny.DIM})
    module, _, factory = spec.factory.partition(":")
    return getattr(importlib.import_module(module), factory)(spec, folder=folder and str(folder), **options)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {maker.__name__: maker for maker, _, _ in TOWERS.values()}
    return {name: maker(tmp_path_factory.mktemp(name)) for name, maker in made.items()}


@pytest.fixture(scope="module")
def folder_of(folders: dict[str, Path]) -> Callable[[str], Path]:
    return lambda name: folders[TOWERS[name][0].__name__]


def full_model(folder: Path) -> Any:
    with quiet_transformers():
        return transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def features(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output.pooler_output


@torch.no_grad()
def oracle(name: str, folder: Path) -> torch.Tensor:
    """The full model of transformers, with the checkpoint's own processor."""
    model, samples = full_model(folder), TOWERS[name][1]()
    if name.endswith("-text"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        if name.startswith("siglip2"):
            texts = [text.lower() for text in samples]
            tokens = tokenizer(texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
            return features(model.get_text_features(input_ids=tokens["input_ids"]))
        rows = [
            tokenizer(text, truncation=True, max_length=24, return_tensors="pt", return_token_type_ids=False)
            for text in samples
        ]
        return torch.cat([features(model.get_text_features(**tokens)) for tokens in rows])
    if name.endswith("-audio"):
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
        rate = extractor.sampling_rate
        sounds = [clip.samples for clip in at_rate(samples, rate)]
        mel = extractor(sounds, sampling_rate=rate, return_tensors="pt")["input_features"].float()
        return features(model.get_audio_features(input_features=mel))
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    if name.endswith("-video"):
        videos = [[Image.fromarray(frame) for frame in even_frames(clip.frames, 4)] for clip in samples]
        pixels = processor(videos, return_tensors="pt")["pixel_values"]
        return features(model.get_video_features(pixel_values=pixels))
    return features(model.get_image_features(**processor(images=samples, return_tensors="pt")))


def at_rate(samples: list[Any], rate: int) -> list[anybind.AudioClip]:
    from anybind.encoder_kit.sound import resample

    return [anybind.AudioClip(resample(clip.samples, clip.rate, rate).numpy()[:rate], rate) for clip in samples]


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_gives_what_the_full_model_gives(name: str, folder_of: Callable[[str], Path]) -> None:
    folder = folder_of(name)
    expected, samples = oracle(name, folder), TOWERS[name][1]()
    plain = build(name, folder, normalize=False, batch_size=2).encode(samples)
    assert plain.shape == (len(samples), tiny.DIM)
    assert plain.dtype == torch.float32
    if name.startswith("clap"):  # ClapModel's features have length 1 already
        assert (plain.norm(dim=1) - 1).abs().min() > 0.01
        plain = normalize(plain, dim=1)
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-5)
    unit = build(name, folder).encode(samples)
    torch.testing.assert_close(unit, normalize(expected, dim=1), rtol=1e-4, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-3  # the samples can be told apart at all


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_needs_no_tensor_of_the_others(
    name: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, others = folder_of(name), TOWERS[name][2]
    expected = build(name, folder).encode(TOWERS[name][1]())
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in tensors.items() if not key.startswith(others)}
    assert 0 < len(kept) < len(tensors)
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    encoder = build(name, tmp_path)
    assert torch.equal(encoder.encode(TOWERS[name][1]()), expected)
    constants = ("position_ids", "token_type_ids", "relative_position_index")
    own = [value.numel() for key, value in kept.items() if not key.endswith(constants)]
    held = [value.numel() for key, value in encoder.network.state_dict().items() if not key.endswith(constants)]
    assert sum(held) == sum(own)


@pytest.mark.parametrize("name", TOWERS)
def test_batches_order_and_empty_input(name: str, folder_of: Callable[[str], Path]) -> None:
    encoder, samples = build(name, folder_of(name), batch_size=3), TOWERS[name][1]()
    together = encoder.encode(samples)
    torch.testing.assert_close(torch.cat([encoder.encode([s]) for s in samples]), together, rtol=0, atol=1e-5)
    torch.testing.assert_close(encoder.encode(samples[::-1]), together.flip(0), rtol=0, atol=1e-5)
    assert encoder.encode([]).shape == (0, tiny.DIM)
    assert torch.isfinite(together).all()
    assert not together.requires_grad


@pytest.mark.parametrize("name", TOWERS)
def test_a_wrong_sample_is_refused_by_its_place(name: str, folder_of: Callable[[str], Path]) -> None:
    encoder, samples = build(name, folder_of(name)), TOWERS[name][1]()
    for wrong in (b"bytes", None, np.zeros((8, 8, 3))):
        with pytest.raises(anybind.DataError) as caught:
            encoder.encode([samples[0], wrong])
        assert caught.value.where == "sample 1"
        assert name in caught.value.what


def test_frames_are_the_middles_of_equal_parts() -> None:
    frames = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    assert [int(frame[0, 0, 0]) for frame in even_frames(frames, 4)] == [1, 4, 7, 10]
    assert [int(frame[0, 0, 0]) for frame in even_frames(frames[:2], 4)] == [0, 0, 1, 1]


def test_empty_sound_and_video_are_refused(folder_of: Callable[[str], Path]) -> None:
    silent = anybind.AudioClip(np.zeros(0, np.float32), 8_000)
    blind = anybind.VideoClip(np.zeros((0, 8, 8, 3), np.uint8), 1.0)
    for name, sample in (("clap-htsat-audio", silent), ("x-clip-base-video", blind)):
        with pytest.raises(anybind.DataError, match=name):
            build(name, folder_of(name)).encode([sample])


def test_a_long_sound_is_its_first_seconds_every_time(folder_of: Callable[[str], Path]) -> None:
    encoder = build("clap-htsat-audio", folder_of("clap-htsat-audio"))
    long = np.random.default_rng(0).uniform(-1, 1, 20_000).astype(np.float32)
    first = encoder.encode([anybind.AudioClip(long, 8_000)])
    assert torch.equal(first, encoder.encode([anybind.AudioClip(long, 8_000)]))
    assert torch.equal(first, encoder.encode([anybind.AudioClip(long[:8_000], 8_000)]))


def test_long_texts_are_cut_and_siglip_lowers_case(folder_of: Callable[[str], Path]) -> None:
    for name in ("clip-vit-b32-text", "siglip2-base-text", "clap-htsat-text", "x-clip-base-text"):
        encoder = build(name, folder_of(name))
        assert torch.isfinite(encoder.encode(["dog " * 500, ""])).all()
    siglip = build("siglip2-base-text", folder_of("siglip2-base-text"))
    assert torch.equal(siglip.encode(["A Dog"]), siglip.encode(["a dog"]))


def test_older_weights_and_their_constants_are_read(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    """openai/clip-vit-base-patch32 is pytorch_model.bin, with position_ids that newer transformers does not have."""
    folder = folder_of("clip-vit-b32-text")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").unlink()
    state = load_file(folder / "model.safetensors")
    state["text_model.embeddings.position_ids"] = torch.arange(24)[None]
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    torch.save(state, tmp_path / "pytorch_model.bin")
    for name in ("clip-vit-b32-text", "clip-vit-b32-image"):
        samples = TOWERS[name][1]()
        assert torch.equal(build(name, tmp_path).encode(samples), build(name, folder).encode(samples))


def test_sharded_weights_are_read(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = folder_of("clip-vit-b32-image")
    with quiet_transformers():
        full_model(folder).save_pretrained(tmp_path, max_shard_size="40KB")
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert (tmp_path / "model.safetensors.index.json").is_file()
    samples = tiny.pictures()
    expected = build("clip-vit-b32-image", folder).encode(samples)
    assert torch.equal(build("clip-vit-b32-image", tmp_path).encode(samples), expected)


def test_another_architecture_length_or_shape_is_refused(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    clip = folder_of("clip-vit-b32-text")
    with pytest.raises(anybind.PluginError, match="cannot read this kind of checkpoint") as caught:
        build("clap-htsat-audio", clip)
    assert (caught.value.got, caught.value.expected) == ("model_type clip", "one of clap")
    spec = SPECS["clip-vit-b32-text"]
    module, _, factory = spec.factory.partition(":")
    with pytest.raises(anybind.PluginError, match="is not one for encoder clip-vit-b32-text") as caught:
        getattr(importlib.import_module(module), factory)(spec, folder=str(clip))
    assert caught.value.got == "vectors of 16 numbers"
    tensors = load_file(clip / "model.safetensors")
    for path in clip.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors.pop("text_projection.weight")
    tensors["text_model.encoder.layers.7.mlp.fc1.bias"] = torch.zeros(3)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(anybind.PluginError, match="do not fit the network") as caught:
        build("clip-vit-b32-text", tmp_path)
    assert "1 missing, e.g. text_projection.weight; 1 not known" in str(caught.value.got)


def test_a_fused_clap_is_refused(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    for path in folder_of("clap-htsat-audio").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "truncation": "fusion"}))
    with pytest.raises(anybind.PluginError, match="without feature fusion"):
        build("clap-htsat-audio", tmp_path)


@pytest.mark.parametrize("broken", ["config.json", "tokenizer_config.json", "vocab.json", "model.safetensors"])
def test_damaged_files_are_named(broken: str, folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    for path in folder_of("clip-vit-b32-text").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / broken).write_bytes(b"{damaged")
    with pytest.raises(anybind.PluginError) as caught:
        build("clip-vit-b32-text", tmp_path)
    assert str(tmp_path) in str(caught.value.where)
    assert caught.value.got


def test_the_hub_is_asked_for_the_pinned_commit_and_for_safe_files_first(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None, bool]] = []
    older = folder_of("clip-vit-b32-text")

    def snapshot(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, "pytorch_model*.bin" in allow_patterns))
        return str(older if asked[-1][2] else tmp_path)  # the first answer has no weights

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    commit = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
    build("clip-vit-b32-text", None)
    assert asked == [("openai/clip-vit-base-patch32", commit, False), ("openai/clip-vit-base-patch32", commit, True)]
    asked.clear()
    build("clip-vit-b32-text", None, weights="some/clip", revision="abc")
    assert asked[-1] == ("some/clip", "abc", True)
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        build("clip-vit-b32-text", None, weights="some/clip")  # the pinned commit is another repository's
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        build("x-clip-base-text", None)


def test_what_cannot_run_is_told() -> None:
    with pytest.raises(anybind.PluginError, match="folder is missing"):
        build("clip-vit-b32-text", Path("no/such/folder"))


def test_device_and_number_format(folder_of: Callable[[str], Path]) -> None:
    folder, samples = folder_of("clip-vit-b32-image"), tiny.pictures()
    with pytest.raises(anybind.UsageError, match="device"):
        build("clip-vit-b32-image", folder, device="warp")
    with pytest.raises(anybind.UsageError, match="number format"):
        build("clip-vit-b32-image", folder, dtype="float7")
    exact = build("clip-vit-b32-image", folder).encode(samples)
    rough = build("clip-vit-b32-image", folder, dtype="bfloat16").encode(samples)
    assert rough.dtype == torch.float32
    assert 0 < (exact - rough).abs().max() < 0.05


def test_loading_is_silent_offline_and_leaves_random_numbers_alone(folder_of: Callable[[str], Path]) -> None:
    """In a process of its own, since transformers speaks on first use: no notice of a missing torchvision."""
    code = f"""
import socket
def refused(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refused
from anybind_transformers import plugin, tiny
from anybind_transformers.tower_encoders import ImageTower, TextTower
import numpy, torch
torch.manual_seed(0); numpy.random.seed(0)
expected, known = torch.rand(3), numpy.random.rand()
torch.manual_seed(0); numpy.random.seed(0)
specs = {{spec.name: spec.model_copy(update={{"dim": 16}}) for spec in plugin.anybind_encoders()}}
folder = {str(folder_of("clip-vit-b32-text"))!r}
TextTower(specs["clip-vit-b32-text"], folder=folder).encode(["a dog"])
ImageTower(specs["clip-vit-b32-image"], folder=folder).encode(tiny.pictures())
assert torch.equal(torch.rand(3), expected) and numpy.random.rand() == known
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
