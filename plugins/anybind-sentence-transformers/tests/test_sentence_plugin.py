"""The hooks, and what the distribution promises about itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from anybind_sentence_transformers import plugin

PLUGIN = Path(__file__).parents[1]


def test_presets_are_pinned_and_described() -> None:
    specs = {spec.name: spec for spec in plugin.anybind_encoders()}
    assert {name: spec.dim for name, spec in specs.items()} == {
        "sentence-transformers": 384, "all-minilm-l6-v2": 384, "all-mpnet-base-v2": 768,
        "paraphrase-multilingual-minilm-l12-v2": 384, "multilingual-e5-small": 384,
    }  # fmt: skip
    for name, spec in specs.items():
        assert spec.modality == "text"
        assert (name == "sentence-transformers") == (spec.revision == "unpinned")
        assert spec.revision == "unpinned" or re.fullmatch(r"[0-9a-f]{40}", spec.revision)


def test_readme_and_distribution_name_what_there_is() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    entry_points = {"sentence-transformers": "anybind_sentence_transformers.plugin"}
    assert project["entry-points"]["anybind"] == entry_points
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for spec in plugin.anybind_encoders():
        assert f"`{spec.name}`" in readme
        assert all(f"`{option}`" in readme for option in spec.options)
    for preset in plugin.PRESETS:
        assert preset.weights in readme
        assert preset.revision in readme
