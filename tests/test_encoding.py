"""Raw inputs go through the encoder a binder was fitted with; what a plugin does wrong is said plainly."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from anybind.artifact import SpaceInfo
from anybind.encoding import build_encoder, encode_inputs
from anybind.errors import DataError, PluginError, ShapeError, UsageError
from anybind.plugins import installed_registry
from anybind.registry import Entry, Registry
from anybind.specs import EncoderSpec, OptionSpec

SPEC = EncoderSpec(
    name="letters", modality="text", dim=2, factory="letters_plugin:Letters", weights="none",
    revision="1", licence="MIT",
    options={"dim": OptionSpec(type="int", default=None), "revision": OptionSpec(type="str", default=None)},
)  # fmt: skip


def space(**changes: Any) -> SpaceInfo:
    known = {"encoder": "toy-text", "revision": "1", "dim": 64, "distribution": "toys 1.2", **changes}
    return SpaceInfo(name="caption", modality="text", input_dim=known["dim"], **known)


class Words:
    """A modality of words; ``broken`` is what it raises for the word of that name."""

    name = "text"

    def load(self, source: Any) -> str:
        if source == "broken":
            raise RuntimeError("no such word")
        if source == "missing":
            raise DataError("a word is missing", where="the book")
        return str(source)

    def check(self, sample: str) -> None:
        if sample == "odd":
            raise RuntimeError("an odd word")


class Letters:
    """Length and number of a's; remembers its calls."""

    spec = SPEC

    def __init__(self, result: Any = None, **options: Any) -> None:
        self.result, self.options, self.calls = result, options, []

    def encode(self, samples: Any) -> Any:
        self.calls.append(list(samples))
        if isinstance(self.result, Exception):
            raise self.result
        rows = [[float(len(sample)), float(sample.count("a"))] for sample in samples]
        return torch.tensor(rows) if self.result is None else self.result


def encoded(inputs: list[str], encoder: Letters, batch_size: int = 2) -> torch.Tensor:
    return encode_inputs(inputs, space(encoder="letters", dim=2), Words(), encoder, batch_size)


# ------------------------------------------------------------------------------------------ encoding


def test_inputs_are_embedded_in_batches_and_in_order() -> None:
    encoder = Letters()
    found = encoded(["a", "banana", "tree", "aa", "b"], encoder)
    assert found.tolist() == [[1, 1], [6, 3], [4, 0], [2, 2], [1, 0]]
    assert encoder.calls == [["a", "banana"], ["tree", "aa"], ["b"]]
    assert found.dtype == torch.float32


def test_no_inputs_give_no_vectors() -> None:
    encoder = Letters()
    assert encoded([], encoder).shape == (0, 2)
    assert encoder.calls == []


@pytest.mark.parametrize(("word", "reason"), [("broken", "no such word"), ("odd", "an odd word")])
def test_an_input_that_cannot_be_read_is_named(word: str, reason: str) -> None:
    with pytest.raises(DataError, match="cannot be read") as caught:
        encoded(["fine", "good", word], Letters())
    assert caught.value.where == "input 2"
    assert reason in str(caught.value.got)


def test_what_a_modality_says_itself_is_passed_on() -> None:
    with pytest.raises(DataError, match="a word is missing") as caught:
        encoded(["missing"], Letters())
    assert caught.value.where == "the book"


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (RuntimeError("out of memory"), PluginError, "RuntimeError: out of memory"),
        (torch.ones(3, 2), ShapeError, "(3, 2)"),
        (torch.ones(2, 3), ShapeError, "(2, 3)"),
        (torch.ones(2), ShapeError, "(2,)"),
        ([[1.0, 2.0], [3.0, 4.0]], DataError, "list"),
        (torch.ones(2, 2, dtype=torch.float64), DataError, "float64"),
        (torch.tensor([[1.0, 1.0], [1.0, float("nan")]]), DataError, "input 1"),
    ],
)
def test_what_an_encoder_does_wrong_is_said(result: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        encoded(["one", "two"], Letters(result))
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "letters" in str(caught.value)
    assert "caption" in str(caught.value.where)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_something(size: int) -> None:
    with pytest.raises(UsageError, match="at least one input"):
        encoded(["a"], Letters(), size)


# ------------------------------------------------------------------------------------- the right one


def test_the_encoder_that_was_fitted_with_is_built() -> None:
    encoder = build_encoder(space(), installed_registry())
    assert encoder.encode(["hello"]).shape == (1, 64)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with an encoder whose length and revision one may choose."""
    module = ModuleType("letters_plugin")
    module.Letters = Letters  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "letters_plugin", module)
    return Registry([Entry(SPEC, "letters", "1.0")])


@pytest.mark.parametrize(
    ("dim", "revision", "options"),
    [(2, "1", {}), (7, "1", {"dim": 7}), (2, "9", {"revision": "9"}), (7, "9", {"dim": 7, "revision": "9"})],
)
def test_an_encoder_is_built_as_it_was(
    letters: Registry, dim: int, revision: str, options: dict[str, Any]
) -> None:
    info = space(encoder="letters", dim=dim, revision=revision, options=options)
    encoder: Any = build_encoder(info, letters)
    assert {name: value for name, value in encoder.options.items() if value is not None} == options


@pytest.mark.parametrize(
    ("dim", "revision", "options"), [(8, "1", {"dim": 7}), (2, "1", {"revision": "9"}), (2, "9", {})]
)
def test_other_options_make_another_encoder(
    letters: Registry, dim: int, revision: str, options: dict[str, Any]
) -> None:
    with pytest.raises(PluginError, match="not the one") as caught:
        build_encoder(space(encoder="letters", dim=dim, revision=revision, options=options), letters)
    assert caught.value.expected == f"letters {revision}, {dim} dims"


def test_vectors_made_elsewhere_have_the_length_they_had() -> None:
    info = space(encoder="vectors", dim=5, options={"dim": 5})
    assert build_encoder(info, installed_registry()).spec.dim == 5


def test_another_revision_is_refused() -> None:
    with pytest.raises(PluginError, match="not the one") as caught:
        build_encoder(space(revision="0"), installed_registry())
    assert caught.value.where == "space 'caption'"
    assert caught.value.got == "toy-text 1, 64 dims"
    assert caught.value.expected == "toy-text 0, 64 dims"
    assert "toys 1.2" in str(caught.value.hint)


def test_a_missing_encoder_is_named_with_its_distribution() -> None:
    with pytest.raises(PluginError, match="not installed") as caught:
        build_encoder(space(encoder="toy-txt", revision="4"), installed_registry())
    assert "toy-txt 4, from toys 1.2" in str(caught.value.expected)
    assert "toy-text" in str(caught.value.hint)


def test_arrays_have_no_encoder() -> None:
    with pytest.raises(UsageError, match="fitted on arrays") as caught:
        build_encoder(space(encoder=None, revision=None), installed_registry())
    assert "embed or score" in str(caught.value.hint)
