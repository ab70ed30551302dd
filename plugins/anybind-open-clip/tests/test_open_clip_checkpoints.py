"""One tower at a time, and checkpoints that are wrong, incomplete or of a kind that is not built here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_open_clip import examples, plugin
from anybind_open_clip.architectures import ARCHITECTURES
from anybind_open_clip.checkpoint import CONFIG, OLD_WEIGHTS, SAFE_WEIGHTS, TOKENIZER, weight_file
from anybind_open_clip.image import ImageEncoder
from anybind_open_clip.text import TextEncoder
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import anybind

SPECS = {spec.name: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}
IMAGE, TEXT = SPECS["open-clip-vit-b32-laion2b-image"], SPECS["open-clip-vit-b32-laion2b-text"]
PICTURE = Image.linear_gradient("L").convert("RGB")


def build(kind: str, folder: Path, **options: Any) -> Any:
    options = {"folder": str(folder), **options}
    return ImageEncoder(IMAGE, **options) if kind == "image" else TextEncoder(TEXT, **options)


def change(folder: Path, **sections: dict[str, Any]) -> None:
    """Set keys of the sections of the configuration."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    for name, keys in sections.items():
        (config["model_cfg"] if name == "model_cfg" else config.get(name) or config["model_cfg"][name]).update(keys)
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_tower_does_not_need_the_other_one(tmp_path: Path, kind: str) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    sample = PICTURE if kind == "image" else "a cat"
    whole = build(kind, tmp_path).encode([sample])
    tensors = load_file(tmp_path / SAFE_WEIGHTS)
    half = {name: value for name, value in tensors.items() if name.startswith("visual.") == (kind == "image")}
    save_file(half, tmp_path / SAFE_WEIGHTS)
    if kind == "image":
        (tmp_path / TOKENIZER).unlink()
    assert torch.equal(build(kind, tmp_path).encode([sample]), whole)
    with pytest.raises(anybind.PluginError, match=r"do not fit|cannot be read"):
        build("text" if kind == "image" else "image", tmp_path)


@pytest.mark.parametrize(("kind", "tensors"), [("image", 7 + 2 * 12 + 1), ("text", 5 + 2 * 12)])
def test_only_the_towers_tensors_are_read(
    tmp_path: Path, kind: str, tensors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    read: list[str] = []

    class Watched:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.file = safe_open(*args, **kwargs)

        def __enter__(self) -> Watched:
            self.file.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self.file.__exit__(*error)

        def keys(self) -> list[str]:
            return list(self.file.keys())

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr("anybind.encoder_kit.checkpoints.safe_open", Watched)
    build(kind, tmp_path)
    assert len(read) == tensors
    assert all(name.startswith("visual.") == (kind == "image") for name in read)


@pytest.mark.parametrize(
    ("kind", "section", "keys", "told"),
    [
        ("image", "vision_cfg", {"timm_model_name": "vit_medium_patch16_gap_256"}, "timm"),
        ("image", "vision_cfg", {"layers": [3, 4, 6, 3]}, "ResNet"),
        ("image", "vision_cfg", {"attentional_pool": True}, "CoCa"),
        ("image", "vision_cfg", {"pool_type": "avg"}, "pool_type"),
        ("image", "vision_cfg", {"ls_init_value": 1e-5}, "ls_init_value"),
        ("image", "vision_cfg", {"norm_kwargs": {"eps": 1e-6}}, "norm_kwargs"),
        ("image", "vision_cfg", {"something_new": 3}, "something_new"),
        ("image", "vision_cfg", {"width": "wide"}, "width"),
        ("image", "vision_cfg", {"image_size": [32, 48]}, "image_size"),
        ("image", "vision_cfg", {"patch_size": 7}, "patch"),
        ("image", "vision_cfg", {"mlp_ratio": None}, "mlp_ratio"),
        ("image", "model_cfg", {"multimodal_cfg": {"width": 24}}, "CoCa"),
        ("image", "model_cfg", {"vision_cfg": None}, "vision_cfg"),
        ("image", "preprocess_cfg", {"resize_mode": "longest"}, "longest"),
        ("image", "preprocess_cfg", {"interpolation": "nearest"}, "nearest"),
        ("image", "preprocess_cfg", {"std": [0.2, 0.0, 0.2]}, "std"),
        ("text", "text_cfg", {"hf_model_name": "roberta-base"}, "transformers"),
        ("text", "text_cfg", {"embed_cls": True}, "embed_cls"),
        ("text", "text_cfg", {"no_causal_mask": True}, "no_causal_mask"),
        ("text", "text_cfg", {"pool_type": "last"}, "pool_type"),
        ("text", "text_cfg", {"tokenizer_kwargs": {"clean": "canonicalize"}}, "tokenizer_kwargs"),
        ("text", "text_cfg", {"heads": 5}, "5 heads"),
        ("text", "model_cfg", {"embed_dim": 17}, "another length"),
    ],
)
def test_what_is_not_built_is_refused_by_name(
    tmp_path: Path, kind: str, section: str, keys: dict[str, Any], told: str
) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    change(tmp_path, **{section: keys})
    with pytest.raises(anybind.PluginError) as caught:
        build(kind, tmp_path)
    assert told in f"{caught.value.what} {caught.value.got}"
    assert caught.value.where == tmp_path / CONFIG


def test_a_towers_options_do_not_trouble_the_other_one_nor_do_silent_keys(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    change(tmp_path, text_cfg={"hf_model_name": "roberta-base"}, vision_cfg={"patch_dropout": 0.5, "qk_norm": False})
    assert build("image", tmp_path).encode([PICTURE]).shape == (1, examples.DIM)


def test_a_bare_file_is_read_when_its_architecture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    tiny = json.loads((tmp_path / CONFIG).read_text("utf-8"))["model_cfg"]
    monkeypatch.setitem(ARCHITECTURES, "ViT-tiny", tiny)
    (tmp_path / CONFIG).unlink()
    (tmp_path / SAFE_WEIGHTS).rename(tmp_path / "my-model.safetensors")
    assert build("image", tmp_path, architecture="ViT-tiny").encode([PICTURE]).shape == (1, examples.DIM)
    assert build("text", tmp_path, architecture="ViT-tiny").encode(["dog"]).shape == (1, examples.DIM)
    with pytest.raises(anybind.PluginError, match="no configuration") as caught:
        build("image", tmp_path)
    assert "architecture" in str(caught.value.hint)
    with pytest.raises(anybind.UsageError, match="not known"):
        build("image", tmp_path, architecture="ViT-Z-9")


def test_which_file_holds_the_weights(tmp_path: Path) -> None:
    with pytest.raises(anybind.PluginError, match="no file of weights"):
        weight_file(tmp_path)
    (tmp_path / "epoch_1.pt").touch()
    assert weight_file(tmp_path).name == "epoch_1.pt"
    (tmp_path / "epoch_2.pt").touch()
    with pytest.raises(anybind.PluginError, match="not clear"):
        weight_file(tmp_path)
    (tmp_path / OLD_WEIGHTS).touch()
    assert weight_file(tmp_path).name == OLD_WEIGHTS
    (tmp_path / SAFE_WEIGHTS).touch()
    assert weight_file(tmp_path).name == SAFE_WEIGHTS


@pytest.mark.parametrize("fault", ["missing", "cut", "other tokens", "no end"])
def test_a_wrong_tokenizer_is_refused(tmp_path: Path, fault: str) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    path = tmp_path / TOKENIZER
    content = json.loads(path.read_text("utf-8"))
    if fault == "missing":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif fault == "other tokens":
        tokenizer = examples.tiny_tokenizer()
        tokenizer.add_tokens(["more"])
        tokenizer.save(str(path))
    else:
        content["post_processor"] = None
        path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(anybind.PluginError, match="tokenizer") as caught:
        build("text", tmp_path)
    assert caught.value.where == path


def test_an_end_token_in_a_text_does_not_end_it(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    encoder = build("text", tmp_path)
    spelt, cut = encoder.encode(["a cat <|endoftext|> dog", "a cat"])
    assert (spelt - cut).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("rough", "plain"),
    [
        ("it’s “one”", "it's \"one\""),
        ("a &amp;amp; b &lt;c&gt;", "a & b <c>"),
        ("ＡＢＣ　１２", "abc 12"),
        ("ﬁne  \n A  CAT ", "fine a cat"),
    ],
)  # fmt: skip
def test_text_is_tidied_as_ftfy_does(tmp_path: Path, rough: str, plain: str) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    one, other, else_ = build("text", tmp_path).encode([rough, plain, "something else"])
    assert torch.equal(one, other)
    assert (one - else_).abs().max() > 1e-3


def test_the_hub_is_asked_for_one_format_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with the old format alone is asked twice; one that has safetensors never sends the old file."""
    repository, cache = tmp_path / "repository", tmp_path / "cache"
    repository.mkdir()
    cache.mkdir()
    examples.write_tiny_checkpoint(repository)
    torch.save(load_file(repository / SAFE_WEIGHTS), repository / OLD_WEIGHTS)
    asked: list[tuple[str, str]] = []

    def download(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        for file in allow_patterns:
            if (repository / file).is_file():
                shutil.copy(repository / file, cache)
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    hub: dict[str, Any] = {"weights": "owner/name", "revision": "f" * 40}
    expected = ImageEncoder(IMAGE, **hub).encode([PICTURE])
    assert asked == [("owner/name", "f" * 40)]
    assert not (cache / OLD_WEIGHTS).exists()
    (repository / SAFE_WEIGHTS).unlink()
    (cache / SAFE_WEIGHTS).unlink()
    assert torch.equal(ImageEncoder(IMAGE, **hub).encode([PICTURE]), expected)
    assert len(asked) == 3
    ImageEncoder(IMAGE)
    assert asked[-1] == (IMAGE.weights, IMAGE.revision)
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        ImageEncoder(IMAGE, weights="owner/name")  # the commit of one repository is none of another


def test_building_and_encoding_leave_the_random_numbers_alone(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path)
    before = torch.get_rng_state()
    for kind, sample in (("image", PICTURE), ("text", "dog")):
        build(kind, tmp_path).encode([sample])
    assert torch.equal(torch.get_rng_state(), before)
