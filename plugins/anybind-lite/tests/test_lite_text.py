"""The two text encoders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from anybind_lite import plugin
from anybind_lite.minilm import MiniLM
from anybind_lite.multilingual_use import MultilingualUse

import anybind

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
TEXTS = [
    "a dog",
    "the quick brown fox jumps over the lazy dog, again and again, until nobody looks any more",
    "car",
    "",
    "   ",
    "naïve café — 犬も歩けば棒に当たる 🐕",
    "grinning face: cheerful, cheery, face, grin",
    "word " * 700,
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM(SPECS["minilm-l6"], batch_size=3)


@pytest.fixture(scope="module")
def multilingual() -> MultilingualUse:
    return MultilingualUse(SPECS["use-multilingual"], batch_size=3)


@pytest.fixture(params=["minilm", "multilingual"])
def text_encoder(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def cosines(encoder: Any, texts: Sequence[str]) -> torch.Tensor:
    vectors = torch.nn.functional.normalize(encoder.encode(texts), dim=1)
    return vectors @ vectors.T


def test_text_shape_order_and_batches(text_encoder: Any) -> None:
    dim = text_encoder.spec.dim
    together = text_encoder.encode(TEXTS)
    assert together.shape == (len(TEXTS), dim)
    assert together.dtype == torch.float32
    assert not together.requires_grad
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(TEXTS)), rtol=1e-4, atol=1e-4)
    alone = torch.cat([text_encoder.encode([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=2e-5)
    torch.testing.assert_close(text_encoder.encode(TEXTS[::-1]), together.flip(0), rtol=1e-3, atol=2e-5)
    assert torch.equal(text_encoder.encode(TEXTS), together)
    assert text_encoder.encode([]).shape == (0, dim)


@pytest.mark.parametrize("wrong", [b"bytes", 3, None, ["a"]])
def test_what_is_no_text_is_refused_by_its_place(text_encoder: Any, wrong: object) -> None:
    with pytest.raises(anybind.DataError) as caught:
        text_encoder.encode(["fine", "fine", wrong])
    assert caught.value.where == "sample 2"
    assert text_encoder.spec.name in caught.value.what


def test_lone_surrogates_are_refused(text_encoder: Any) -> None:
    with pytest.raises(anybind.DataError) as caught:
        text_encoder.encode(["fine", "bad \ud83d"])
    assert caught.value.where == "sample 1"


def test_english_meaning(minilm: MiniLM) -> None:
    dog, puppy, car, automobile = range(4)
    near = cosines(minilm, ["a dog", "a puppy", "a car", "an automobile"])
    assert near[dog, puppy] > near[dog, car] + 0.2
    assert near[car, automobile] > near[car, puppy] + 0.2


def test_meaning_across_languages(multilingual: MultilingualUse) -> None:
    words = {"犬": "dog", "車": "car", "花": "flower", "魚": "fish", "雨": "rain"}
    for others in (
        list(words),
        ["Hund", "Auto", "Blume", "Fisch", "Regen"],
        ["chien", "voiture", "fleur", "poisson", "pluie"],
        ["собака", "машина", "цветок", "рыба", "дождь"],
    ):
        near = cosines(multilingual, [*words.values(), *others])[:5, 5:]
        assert near.argmax(dim=1).tolist() == [0, 1, 2, 3, 4]
        assert near.argmax(dim=0).tolist() == [0, 1, 2, 3, 4]


def test_minilm_gives_what_sentence_transformers_gives() -> None:
    """In a process of its own: that library logs, and draws a progress bar."""
    code = """
import torch
from sentence_transformers import SentenceTransformer
from anybind_lite import plugin, weights
from anybind_lite.minilm import MiniLM
spec = next(spec for spec in plugin.anybind_encoders() if spec.name == "minilm-l6")
texts = ["a dog", "naïve café: 犬", "", "word " * 700, "grinning face: cheerful, cheery, face, grin"]
theirs = SentenceTransformer(str(weights.MINILM.checked().parent), device="cpu").encode(texts)
torch.testing.assert_close(MiniLM(spec).encode(texts), torch.tensor(theirs), rtol=1e-4, atol=1e-5)
print("same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "same"), done.stderr


@pytest.mark.parametrize(
    ("module", "name", "spec"),
    [("minilm", "MiniLM", "minilm-l6"), ("multilingual_use", "MultilingualUse", "use-multilingual")],
)
def test_loading_is_silent_offline_and_leaves_random_numbers_alone(module: str, name: str, spec: str) -> None:
    code = f"""
import os, socket
before = dict(os.environ)
def refused(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refused
from anybind_lite import plugin
from anybind_lite.{module} import {name}
import torch
spec = next(spec for spec in plugin.anybind_encoders() if spec.name == "{spec}")
torch.manual_seed(0)
expected = torch.rand(3)
torch.manual_seed(0)
vectors = {name}(spec).encode(["a dog", "犬"])
assert torch.equal(torch.rand(3), expected)
assert vectors.shape == (2, spec.dim)
assert dict(os.environ) == before, set(os.environ) ^ set(before)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
