"""The hooks, and what the distribution promises about itself."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_molecules import plugin

PLUGIN = Path(__file__).parents[1]


def test_hooks_name_a_modality_and_two_encoders_of_it() -> None:
    (modality,) = plugin.anybind_modalities()
    assert (modality.name, modality.kind) == ("molecule", None)
    specs = plugin.anybind_encoders()
    assert {spec.name: (spec.modality, spec.dim) for spec in specs} == {
        "morgan-counts": ("molecule", 1024),
        "maccs": ("molecule", 166),
    }
    assert specs[0].dim_for({"dim": 2048}) == 2048


def test_factories_take_exactly_the_declared_options_and_defaults() -> None:
    for spec in plugin.anybind_encoders():
        module, _, name = spec.factory.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        taken = {key: value.default for key, value in parameters.items() if key != "spec"}
        assert taken == {key: option.default for key, option in spec.options.items()}


def test_hook_module_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_molecules import plugin; "
        "plugin.anybind_encoders(); plugin.anybind_modalities(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'rdkit'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_distribution_declares_its_licence_and_options() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert project["entry-points"]["anybind"] == {"molecules": "anybind_molecules.plugin"}
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert all(f"`{name}`" in readme for name in (spec.name, *spec.options))
