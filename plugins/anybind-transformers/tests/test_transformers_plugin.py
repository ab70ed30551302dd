"""The hooks, and what the distribution promises about itself."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_transformers import plugin
from anybind_transformers.presets import PRESETS

PLUGIN = Path(__file__).parents[1]
SPACES = {
    "clip-vit-b32": {"image", "text"}, "clip-vit-l14": {"image", "text"}, "siglip2-base": {"image", "text"},
    "clap-htsat": {"audio", "text"}, "x-clip-base": {"video", "text"},
    "videoclip": {"video", "text"},
}  # fmt: skip


def test_towers_of_one_checkpoint_share_their_space() -> None:
    found: dict[str, set[str]] = {}
    for spec in plugin.anybind_encoders():
        if spec.shared_space:
            assert spec.name == f"{spec.shared_space}-{spec.modality}"
            found.setdefault(spec.shared_space, set()).add(spec.modality)
    assert found == SPACES


def test_revisions_are_commits_or_said_to_be_unpinned() -> None:
    unpinned = {spec.name for spec in plugin.anybind_encoders() if spec.revision == "unpinned"}
    assert unpinned == {
        "x-clip-base-video", "x-clip-base-text", "videoclip-video", "videoclip-text", "hf-text", "hf-image", "hf-audio",
    }  # fmt: skip
    for spec in plugin.anybind_encoders():
        assert spec.name in unpinned or re.fullmatch(r"[0-9a-f]{40}", spec.revision)


def test_factories_take_exactly_the_declared_options_and_defaults() -> None:
    for spec in plugin.anybind_encoders():
        module, _, name = spec.factory.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        taken = {key: value.default for key, value in parameters.items() if key != "spec"}
        assert list(taken) == list(spec.options)
        for key, option in spec.options.items():
            if option.required:
                assert taken[key] is inspect.Parameter.empty
            else:
                assert taken[key] == option.default, (spec.name, key)


def test_hook_module_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_transformers import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'PIL', 'transformers', 'peft', 'safetensors'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_encoder_has_an_example() -> None:
    examples = importlib.import_module("anybind_transformers.examples")
    named = {example.name: example.factory for example in plugin.anybind_examples()}
    assert named.keys() == {spec.name for spec in plugin.anybind_encoders()}
    assert all(hasattr(examples, factory.partition(":")[2]) for factory in named.values())


def test_readme_and_distribution_name_what_there_is() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert project["entry-points"]["anybind"] == {"transformers": "anybind_transformers.plugin"}
    assert "anybind>=0.1,<0.2" in project["dependencies"]
    assert not any("torchvision" in needed for needed in project["dependencies"])
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert f"`{spec.name}`" in readme
        assert all(f"`{option}`" in readme for option in spec.options)
    for preset in PRESETS:
        assert preset.weights in readme
        assert preset.revision is None or preset.revision in readme
        assert preset.licence in readme
