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
from anybind_languagebind import plugin

import anybind

PLUGIN = Path(__file__).parents[1]
TOWERS = ("video", "audio", "depth", "thermal", "image", "text")


def test_one_encoder_for_each_tower_in_one_space() -> None:
    specs = plugin.anybind_encoders()
    assert {spec.name: spec.modality for spec in specs} == {f"languagebind-{tower}": tower for tower in TOWERS}
    assert {(spec.dim, spec.shared_space, spec.licence) for spec in specs} == {(768, "languagebind", "MIT")}
    assert {example.name for example in plugin.anybind_examples()} == {spec.name for spec in specs}


def test_commits_are_whole_or_must_be_given() -> None:
    for spec in plugin.anybind_encoders():
        default = spec.options["revision"].default
        if spec.name == "languagebind-thermal":
            assert (spec.revision, default) == ("unpinned", None)
        else:
            assert re.fullmatch("[0-9a-f]{40}", spec.revision)
            assert default == spec.revision
        assert spec.options["weights"].default == spec.weights


def test_without_a_commit_the_user_is_asked_for_one() -> None:
    spec = next(spec for spec in plugin.anybind_encoders() if spec.name == "languagebind-thermal")
    module, _, name = spec.factory.partition(":")
    with pytest.raises(anybind.UsageError) as caught:
        getattr(importlib.import_module(module), name)(spec)
    assert "revision" in str(caught.value.expected)
    assert caught.value.where == f"encoder {spec.name}"


def test_factories_take_exactly_the_declared_options_and_defaults() -> None:
    for spec in plugin.anybind_encoders():
        module, _, name = spec.factory.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        taken = {key: value.default for key, value in parameters.items() if key != "spec"}
        assert taken == {key: option.default for key, option in spec.options.items()}


def test_hook_module_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_languagebind import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'PIL', 'transformers', 'tokenizers'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_distribution_declares_its_licence_and_readme_names_everything() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (PLUGIN / "LICENSE").read_text(encoding="utf-8")[:200]
    assert project["entry-points"]["anybind"] == {"languagebind": "anybind_languagebind.plugin"}
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert f"`{spec.name}`" in readme
        assert spec.weights in readme
        assert spec.revision in readme or spec.revision == "unpinned"
        assert all(f"`{option}`" in readme for option in spec.options)
