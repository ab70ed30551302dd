"""From a checkpoint's files to vectors: one tower at a time, low-rank weights merged, faults told."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_languagebind import examples, plugin, repositories
from anybind_languagebind.examples import DIM, write_checkpoint
from anybind_languagebind.lora import merge_lora, plain_name
from anybind_languagebind.network import VisionNetwork
from anybind_languagebind.settings import VisionSettings
from PIL import Image
from safetensors.torch import save_file

import anybind

TOWERS = ("video", "audio", "depth", "thermal", "image", "text")


def _build(name: str, folder: Path | str, dim: int = DIM, **options: Any) -> Any:
    spec = next(spec for spec in plugin.anybind_encoders() if spec.name == f"languagebind-{name}")
    module, _, factory = spec.factory.partition(":")
    made = getattr(importlib.import_module(module), factory)
    return made(spec.model_copy(update={"dim": dim}), folder=str(folder), **options)


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(change(torch.load(path, weights_only=True)), path)


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_needs_nothing_of_the_other(name: str, tmp_path: Path) -> None:
    example = getattr(examples, f"{name}_tower")(tmp_path)
    folder = Path(example.options["folder"])
    before = _build(name, folder).encode(example.samples)
    own = "text_" if name == "text" else "vis"
    _rewrite(folder, lambda tensors: {key: tensor for key, tensor in tensors.items() if key.startswith(own)})
    assert torch.equal(_build(name, folder).encode(example.samples), before)


def test_only_the_tower_that_is_asked_for_is_built(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, repositories.IMAGE.model_type)
    tensors = torch.load(folder / "pytorch_model.bin", weights_only=True)

    def numbers(prefix: str) -> int:
        return sum(t.numel() for key, t in tensors.items() if key.startswith(prefix) and "position_ids" not in key)

    image, text = _build("image", folder)._network, _build("text", folder)._network
    assert sum(p.numel() for p in image.parameters()) == numbers("vis")
    assert sum(p.numel() for p in text.parameters()) == numbers("text_")


@pytest.mark.parametrize("model_type", ["LanguageBindVideo", "LanguageBindAudio", "LanguageBindDepth"])
def test_the_language_tower_can_be_read_from_any_repository(model_type: str, tmp_path: Path) -> None:
    rows = _build("text", write_checkpoint(tmp_path, model_type)).encode(["a dog", "a cat"])
    assert rows.shape == (2, DIM)
    assert not torch.allclose(rows[0], rows[1])


def test_safetensors_give_the_same_vectors(tmp_path: Path) -> None:
    example = examples.image_tower(tmp_path)
    folder = Path(example.options["folder"])
    before = _build("image", folder).encode(example.samples)
    save_file(torch.load(folder / "pytorch_model.bin", weights_only=True), folder / "model.safetensors")
    (folder / "pytorch_model.bin").unlink()
    assert torch.equal(_build("image", folder).encode(example.samples), before)


@pytest.mark.parametrize("style", ["before peft 0.6", "since peft 0.6"])
def test_low_rank_weights_change_the_vectors_as_if_they_had_been_merged(style: str, tmp_path: Path) -> None:
    example = examples.thermal_tower(tmp_path)
    folder = Path(example.options["folder"])
    tensors = torch.load(folder / "pytorch_model.bin", weights_only=True)
    assert any(".base_model.model.layers.1.self_attn.v_proj.lora_A.default.weight" in name for name in tensors)
    if style == "since peft 0.6":
        heads = [name.split(".lora_A")[0] for name in tensors if ".lora_A" in name]
        moved = {f"{head}.{part}": f"{head}.base_layer.{part}" for head in heads for part in ("weight", "bias")}
        _rewrite(folder, lambda found: {moved.get(name, name): tensor for name, tensor in found.items()})
    with_lora = _build("thermal", folder).encode(example.samples)
    merged = {}
    for name, tensor in tensors.items():
        if "lora" in name:
            continue
        a = tensors.get(name.replace(".weight", ".lora_A.default.weight"))
        b = tensors.get(name.replace(".weight", ".lora_B.default.weight"))
        value = tensor.numpy()
        if name.endswith(".weight") and a is not None and b is not None:
            value = value + 16 / 2 * np.einsum("or,ri->oi", b.numpy(), a.numpy())
        merged[name.replace(".base_model.model", "")] = torch.from_numpy(np.asarray(value))
    _rewrite(folder, lambda _: merged)
    torch.testing.assert_close(_build("thermal", folder).encode(example.samples), with_lora)
    _rewrite(folder, lambda _: {plain_name(name): t for name, t in tensors.items() if "lora" not in name})
    assert (_build("thermal", folder).encode(example.samples) - with_lora).abs().max() > 0.01


def test_merging_agrees_with_peft() -> None:
    peft = pytest.importorskip("peft")
    settings = VisionSettings(
        hidden_size=8, intermediate_size=12, num_attention_heads=2, num_hidden_layers=2, image_size=8, patch_size=4,
        projection_dim=6, num_frames=2, add_time_attn=True,
    )  # fmt: skip
    torch.manual_seed(0)
    network = VisionNetwork(settings).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft has to say about a module without a config
        network.vision_model.encoder = peft.get_peft_model(
            network.vision_model.encoder,
            peft.LoraConfig(r=3, lora_alpha=16, target_modules=["temporal_attn.q_proj", "temporal_attn.out_proj"],
                            init_lora_weights=False),
        )  # fmt: skip
    pixels = torch.randn(2, 2, 3, 8, 8)
    plain = VisionNetwork(settings).eval()
    named = {plain_name(name): tensor for name, tensor in network.state_dict().items()}
    plain.load_state_dict(merge_lora(named, 16, Path("checkpoint")), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(plain(pixels), network.eval()(pixels))


@pytest.mark.parametrize("fault", ["no B", "no matrix", "another rank", "another width"])
def test_low_rank_weights_that_do_not_fit_are_told(fault: str) -> None:
    shapes = {"m.weight": (4, 3), "m.lora_A.x.weight": (2, 3), "m.lora_B.x.weight": (4, 2)}
    tensors = {name: torch.ones(shape) for name, shape in shapes.items()}
    if fault == "no B":
        del tensors["m.lora_B.x.weight"]
    elif fault == "no matrix":
        del tensors["m.weight"]
    elif fault == "another rank":
        tensors["m.lora_A.x.weight"] = torch.ones(3, 3)
    else:
        tensors["m.lora_A.x.weight"] = torch.ones(2, 5)
    with pytest.raises(anybind.PluginError, match="low-rank") as caught:
        merge_lora(tensors, 16, Path("checkpoint"))
    assert str(caught.value.got).startswith("m: W ")


@pytest.mark.parametrize("name", ["image", "video", "audio", "depth", "thermal"])
def test_another_towers_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    other = repositories.VIDEO if name != "video" else repositories.IMAGE
    with pytest.raises(anybind.PluginError) as caught:
        _build(name, write_checkpoint(tmp_path, other.model_type))
    assert caught.value.got == f"model_type {other.model_type}"


@pytest.mark.parametrize("name", ["image", "text"])
def test_vectors_of_another_length_are_refused(name: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, repositories.IMAGE.model_type)
    with pytest.raises(anybind.PluginError) as caught:
        _build(name, folder, dim=768)
    assert (caught.value.got, caught.value.expected) == (DIM, 768)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", 0), ("hidden_size", "many"), ("hidden_size", 10**12), ("num_attention_heads", 3),
        ("hidden_act", "step"), ("patch_size", 900), ("num_frames", 1.5), ("num_channels", 1), ("image_size", []),
        ("add_time_attn", 1),
    ],
)  # fmt: skip
def test_sizes_that_make_no_network_are_told(key: str, value: object, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, repositories.IMAGE.model_type)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"][key] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(anybind.PluginError) as caught:
        _build("image", folder)
    assert key in str(caught.value.got)
    assert caught.value.where == folder / "config.json"


def test_sizes_may_be_written_as_newer_and_older_versions_do(tmp_path: Path) -> None:
    example = examples.image_tower(tmp_path)
    folder = Path(example.options["folder"])
    before = _build("image", folder).encode(example.samples)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] |= {"image_size": [28, 28], "num_mel_bins": 0.0, "target_length": 0.0, "hidden_size": 5}
    config["vision_config_dict"] = {"hidden_size": 16}
    (folder / "config.json").write_text(json.dumps(config))
    assert torch.equal(_build("image", folder).encode(example.samples), before)


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "cut", "gone"])
def test_damaged_weights_are_told(fault: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, repositories.IMAGE.model_type)
    path = folder / "pytorch_model.bin"
    name = "vision_model.post_layernorm.bias"
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif fault == "gone":
        path.unlink()
    else:
        changes = {"missing": {}, "extra": {name: torch.zeros(16), "vision_model.more": torch.zeros(1)},
                   "shape": {name: torch.zeros(7)}}[fault]  # fmt: skip
        _rewrite(folder, lambda tensors: {key: t for key, t in tensors.items() if key != name} | changes)
    with pytest.raises(anybind.PluginError) as caught:
        _build("image", folder)
    if fault in ("missing", "shape"):
        assert name in str(caught.value.got)
    if fault == "extra":
        assert "vision_model.more" in str(caught.value.got)


@pytest.mark.parametrize("fault", ["no marks", "too many", "merge", "gone", "not utf-8"])
def test_a_damaged_vocabulary_is_told(fault: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, repositories.IMAGE.model_type)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    if fault == "no marks":
        del vocabulary["<|endoftext|>"]
    elif fault == "too many":
        vocabulary["zebra"] = 520
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    if fault == "merge":
        (folder / "merges.txt").write_text("#version: 0.2\nq zz\n")
    elif fault == "gone":
        (folder / "merges.txt").unlink()
    elif fault == "not utf-8":
        (folder / "merges.txt").write_bytes(b"\xff\xfe\n")
    with pytest.raises(anybind.PluginError):
        _build("text", folder)


def test_a_text_without_tokens_has_a_vector(tmp_path: Path) -> None:
    tower = _build("text", write_checkpoint(tmp_path, repositories.IMAGE.model_type))
    empty, dog = tower.encode(["", "a dog"])
    torch.testing.assert_close(tower.encode([""])[0], empty)
    assert (empty - dog).abs().max() > 0.001


def test_text_is_cut_at_the_networks_number_of_places(tmp_path: Path) -> None:
    tower = _build("text", write_checkpoint(tmp_path, repositories.IMAGE.model_type))
    words = "a b c d e f g h i j k l m n o p q r"  # 18 pieces and 2 marks: as many as there are places
    fits, longer, shorter = tower.encode([words, words + " s t u", words[:-2]])
    torch.testing.assert_close(fits, longer)
    assert (fits - shorter).abs().max() > 0.001


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near(name: str, dtype: str, tmp_path: Path) -> None:
    example = getattr(examples, f"{name}_tower")(tmp_path)
    exact = _build(name, **example.options).encode(example.samples)
    rough = _build(name, **example.options, dtype=dtype).encode(example.samples)
    assert rough.dtype == torch.float32
    assert (exact * rough).sum(1).min() > 0.99


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("image", Image.new("RGB", (3000, 2))),
        ("thermal", np.zeros((4, 4, 3), dtype=np.uint8)),
        ("depth", anybind.DepthMap(np.full((4, 4), np.nan, dtype=np.float32))),
        ("depth", anybind.DepthMap(np.zeros((0, 4), dtype=np.float32))),
        ("video", anybind.VideoClip(np.zeros((0, 4, 4, 3), dtype=np.uint8), 25.0)),
        ("video", anybind.VideoClip(np.zeros((2, 0, 4, 3), dtype=np.uint8), 25.0)),
        ("audio", anybind.AudioClip(np.zeros(0, dtype=np.float32), 16000)),
        ("audio", anybind.AudioClip(np.full(400, np.inf, dtype=np.float32), 16000)),
        ("audio", anybind.AudioClip(np.zeros(400, dtype=np.float32), 0)),
        ("text", "\ud800"),
    ],
)
def test_samples_that_cannot_be_embedded_are_told_by_place(name: str, sample: object, tmp_path: Path) -> None:
    example = getattr(examples, f"{name}_tower")(tmp_path)
    tower = _build(name, **example.options)
    with pytest.raises(anybind.DataError) as caught:
        tower.encode([example.samples[0], sample])
    assert caught.value.where == "sample 1"
