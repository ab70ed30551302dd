"""The hooks, and what the distribution promises about itself."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_emoji import collection, plugin

PLUGIN = Path(__file__).parents[1]


def test_hooks_name_the_data_set_and_a_modality_per_language() -> None:
    (spec,) = plugin.anybind_datasets()
    assert spec.name == "emoji"
    assert spec.modalities == collection.MODALITIES
    assert spec.licence == "CC-BY-SA-4.0 AND MIT"
    assert collection.ATTRIBUTION in spec.description
    assert sorted(spec.options) == ["languages", "pairs", "parts", "seed", "split"]
    texts = {modality.name: modality.kind for modality in plugin.anybind_modalities()}
    assert texts == {f"text_{language}": "text" for language in collection.LANGUAGES}


def test_factory_takes_the_declared_defaults() -> None:
    (spec,) = plugin.anybind_datasets()
    module, _, name = spec.factory.partition(":")
    options = {key: option.default for key, option in spec.options.items()}
    dataset = getattr(importlib.import_module(module), name)(**{**options, "split": "d1"}, modalities=None)
    assert len(dataset) == 672
    assert dataset.modalities == spec.modalities


def test_hook_module_loads_no_torch_no_pictures_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_emoji import collection, plugin; "
        "plugin.anybind_datasets(); plugin.anybind_modalities(); "
        "bad = {'torch', 'numpy', 'PIL', 'transformers'} & set(sys.modules); "
        "assert not bad, bad; assert collection.items.cache_info().misses == 0"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_licence_expression_has_its_texts() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND CC-BY-SA-4.0 AND MIT"
    assert "anybind>=0.1,<0.2" in project["dependencies"]
    assert project["entry-points"]["anybind"] == {"emoji": "anybind_emoji.plugin"}
    first_words = {
        "Apache-2.0": "Apache License",
        "CC-BY-SA-4.0": "Attribution-ShareAlike 4.0 International",
        "MIT": "MIT License",
        "Unicode-3.0": "UNICODE LICENSE V3",
    }
    for name, words in first_words.items():
        assert words in (PLUGIN / "LICENSES" / f"{name}.txt").read_text(encoding="utf-8")[:200]
    notice = (PLUGIN / "LICENSES" / "NOTICE.txt").read_text(encoding="utf-8")
    for part in ("OpenMoji", "Changes made", "128 x 128", "Miles Johnson", "CC-BY-SA-4.0"):
        assert part in notice
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for part in ("https://openmoji.org", "CC-BY-SA-4.0", "covers the code only"):
        assert part in readme
