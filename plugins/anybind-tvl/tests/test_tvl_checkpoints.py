"""The hooks, and checkpoints that are wrong or incomplete."""

from __future__ import annotations

import argparse
import fractions
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_tvl import examples, plugin
from anybind_tvl.files import FILES, FOLDER
from anybind_tvl.touch import TouchEncoder

import anybind

PLUGIN = Path(__file__).parents[1]
NAME = "tvl-tiny-touch"
SPEC = next(spec for spec in plugin.anybind_encoders() if spec.name == NAME).model_copy(update={"dim": examples.DIM})


def rewritten(folder: Path, change: Any) -> Path:
    """The tiny checkpoint after ``change`` of its dictionary."""
    examples.write_tiny_checkpoint(folder, NAME)
    path = folder / FOLDER / FILES[NAME]
    with torch.serialization.safe_globals([argparse.Namespace]):
        saved = torch.load(path, weights_only=True)
    change(saved)
    torch.save(saved, path)
    return path


def test_the_file_may_also_lie_alone(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path, NAME)
    expected = TouchEncoder(SPEC, folder=str(tmp_path)).encode(examples.frames())
    (tmp_path / "alone").mkdir()
    (tmp_path / FOLDER / FILES[NAME]).rename(tmp_path / "alone" / FILES[NAME])
    assert torch.equal(TouchEncoder(SPEC, folder=str(tmp_path / "alone")).encode(examples.frames()), expected)
    with pytest.raises(anybind.PluginError, match="no file of weights") as caught:
        TouchEncoder(SPEC, folder=str(tmp_path))
    assert FILES[NAME] in str(caught.value.expected)


def test_other_parts_of_the_checkpoint_do_not_matter(tmp_path: Path) -> None:
    expected = TouchEncoder(SPEC, folder=str(rewritten(tmp_path, lambda saved: None).parent)).encode(examples.frames())
    path = rewritten(tmp_path, lambda saved: saved["model"].update({"clip.visual.proj": torch.ones(3), "x": 1}))
    assert torch.equal(TouchEncoder(SPEC, folder=str(path.parent)).encode(examples.frames()), expected)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda saved: saved["model"].pop("tactile_encoder.head.weight"), "head.weight"),
        (lambda saved: saved["model"].pop("tactile_encoder.fc_norm.bias"), "fc_norm.bias"),
        (lambda saved: saved["model"].clear(), "patch_embed.proj.weight"),
        (lambda saved: saved["model"].update({"tactile_encoder.norm.weight": torch.ones(128)}), "norm.weight"),
        (lambda saved: saved["model"].update({"tactile_encoder.pos_embed": torch.ones(1, 19, 128)}), "18 patches"),
        (lambda saved: saved["model"].update({"tactile_encoder.head.weight": torch.ones(9, 128),
                                              "tactile_encoder.head.bias": torch.ones(9)}), "9"),
        (lambda saved: saved["model"].update({"tactile_encoder.cls_token": "no tensor"}), "no tensor"),
        (lambda saved: saved.update({"code": fractions.Fraction(1, 2)}), ""),  # torch's own words
    ],
)
def test_a_wrong_checkpoint_is_named(tmp_path: Path, change: Any, told: str) -> None:
    path = rewritten(tmp_path, change)
    with pytest.raises(anybind.PluginError) as caught:
        TouchEncoder(SPEC, folder=str(tmp_path))
    assert told in str(caught.value.got)
    assert caught.value.where == path


def test_the_hub_is_asked_for_one_file_of_the_pinned_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples.write_tiny_checkpoint(tmp_path, NAME)
    asked: list[Any] = []

    def download(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    TouchEncoder(SPEC)
    assert asked == [(SPEC.weights, SPEC.revision, ["ckpt/tvl_enc/tvl_enc_vittiny.pth"])]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_comes_out_as_float32(tmp_path: Path, dtype: str) -> None:
    examples.write_tiny_checkpoint(tmp_path, NAME)
    exact = TouchEncoder(SPEC, folder=str(tmp_path)).encode(examples.frames())
    half = TouchEncoder(SPEC, folder=str(tmp_path), dtype=dtype).encode(examples.frames())
    assert not torch.equal(half, exact)
    assert (half * exact).sum(dim=1).min() > 0.99
    torch.testing.assert_close(half.norm(dim=1), torch.ones(len(half)))


def test_building_and_encoding_leave_the_random_numbers_alone(tmp_path: Path) -> None:
    examples.write_tiny_checkpoint(tmp_path, NAME)
    before = torch.get_rng_state()
    TouchEncoder(SPEC, folder=str(tmp_path)).encode(examples.frames())
    assert torch.equal(torch.get_rng_state(), before)


def test_hooks_name_four_encoders_of_one_space() -> None:
    specs = plugin.anybind_encoders()
    assert [spec.name for spec in specs] == list(FILES)
    for spec in specs:
        assert (spec.modality, spec.dim, spec.licence) == ("touch", 768, "Apache-2.0")
        assert spec.shared_space == "open-clip-vit-l14-datacomp"
        assert re.fullmatch("[0-9a-f]{40}", spec.revision)
        assert spec.options["background"].required == ("bgs" in spec.name)


def test_the_space_is_the_one_of_open_clips_towers() -> None:
    other = pytest.importorskip("anybind_open_clip.plugin", reason="anybind-open-clip is not installed")
    towers = [spec for spec in other.anybind_encoders() if spec.shared_space == SPEC.shared_space]
    assert {spec.modality for spec in towers} == {"image", "text"}
    assert {spec.dim for spec in towers} == {768}
    assert {spec.weights for spec in towers} == {"laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K"}


def test_the_module_with_the_hooks_is_light() -> None:
    code = (
        "import sys; from anybind_tvl import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'PIL', 'huggingface_hub', 'timm'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_readme_names_every_encoder_and_the_file_of_its_weights() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "anybind>=0.1,<0.2" in project["dependencies"]
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert f"`{spec.name}`" in readme
        assert FILES[spec.name] in readme
    assert SPEC.weights in readme
    assert SPEC.revision[:7] in readme
