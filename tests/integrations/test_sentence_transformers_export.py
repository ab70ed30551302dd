"""``SentenceTransformer(folder)`` gives what ``binder.encode`` gives, with nothing of anybind's in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_encoders
import torch
from hidden_items import Fits, views_of
from tiny_encoders import LOADS, PLUGIN, with_encoders

import anybind
from anybind.errors import AnybindError, ArtifactError, PluginError, UnknownNameError, UsageError
from anybind.integrations.sentence_transformers import export_sentence_transformer

library = pytest.importorskip("sentence_transformers")

TEXTS = ["a red dog", "two grey houses in the snow", "green", "x", "犬"]
IDENTITY = {"features": "identity"}
TRAINED = {"epochs": 2, "joint_dim": 5, "batch_size": 64}
KERNEL = {"features": "nystroem", "landmarks": 60, "width": 1.0}
FITS: list[tuple[str, dict[str, Any]]] = [
    ("pcca", IDENTITY),
    ("pcca", KERNEL),
    ("cca-chain", IDENTITY),
    ("cca-chain", KERNEL),
    ("mox-closed-form", {}),
    ("centrobind", {**TRAINED, "head": "linear"}),
    ("centrobind", {**TRAINED, "head": "mlp", **KERNEL}),
    ("auto", IDENTITY),
]


@pytest.fixture(autouse=True)
def plugin(fake_plugin: Callable[..., Path], only_fake_plugins: None) -> None:
    fake_plugin(tiny_encoders.DISTRIBUTION, PLUGIN)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def of_texts(binder: anybind.Binder, encoder: str = "tiny-words") -> anybind.Binder:
    """The binder, as if its space a were of texts."""
    return with_encoders(binder, a=encoder)


def loaded(folder: Path) -> Any:
    return library.SentenceTransformer(str(folder), device="cpu", trust_remote_code=False, local_files_only=True)


def modules_of(folder: Path) -> list[str]:
    return [each["type"] for each in json.loads((folder / "modules.json").read_text())]


@pytest.mark.parametrize(("method", "options"), FITS)
def test_the_folder_is_encode(fitted: Fits, method: str, options: dict[str, Any], place: Path) -> None:
    binder = of_texts(fitted(method, **options))
    folder = export_sentence_transformer(binder, "a", place / "new" / "model")
    model, expected = loaded(folder), binder.encode(TEXTS, modality="a")
    found = model.encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert model.get_embedding_dimension() == expected.shape[1]
    assert all(name.startswith("sentence_transformers.") for name in modules_of(folder))
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_the_encoder_is_loaded_once(fitted: Fits, place: Path) -> None:
    LOADS.clear()
    export_sentence_transformer(of_texts(fitted("pcca", **IDENTITY)), "a", place / "model")
    assert LOADS == ["tiny-words"]


def test_vectors_as_they_are(place: Path) -> None:
    """A binder that was fitted without scaling vectors to unit length."""
    rows = views_of(200, 1)
    data = {"d1": {s: rows[s][:100] for s in "ab"}, "d2": {s: rows[s][100:] for s in "bc"}}
    options = {**IDENTITY, "rank": 3, "shrinkage": 1.0}
    binder = of_texts(anybind.fit(data, method="pcca", options=options, normalise=False))
    folder = export_sentence_transformer(binder, "a", place / "model")
    torch.testing.assert_close(
        loaded(folder).encode(TEXTS, convert_to_tensor=True), binder.encode(TEXTS, modality="a"), rtol=1e-4, atol=1e-4
    )
    assert not any("Normalize" in name for name in modules_of(folder))


def test_the_card_says_where_it_comes_from(fitted: Fits, place: Path) -> None:
    binder = of_texts(fitted("pcca", **IDENTITY))
    binder.licence = "cc-by-nc-4.0"
    card = (export_sentence_transformer(binder, "a", place / "model") / "README.md").read_text()
    assert "license: cc-by-nc-4.0" in card
    assert "library_name: sentence-transformers" in card
    assert "method pcca" in card
    assert "tiny-words" in card
    binder.licence = None


@pytest.mark.parametrize(
    ("method", "options", "got"),
    [
        ("pcca", {**KERNEL, "kernel": "laplacian"}, "NystroemMap"),
        ("pcca", {"features": "fourier", "feature_dims": 30, "width": 1.0}, "FourierMap"),
        ("auto", {**IDENTITY, "combine": "average", "tolerance": 1.0}, "SideBySide"),
        ("relative", {}, "Memory"),
    ],
)
def test_maps_that_have_no_such_layers(
    fitted: Fits, method: str, options: dict[str, Any], got: str, place: Path
) -> None:
    LOADS.clear()
    with pytest.raises(UsageError, match="cannot be told in layers") as caught:
        export_sentence_transformer(of_texts(fitted(method, **options)), "a", place / "model")
    assert caught.value.got == got
    assert "features: identity" in str(caught.value.hint)
    assert LOADS == []  # told before anything is loaded
    assert not list(place.iterdir())


def test_a_model_that_would_give_other_vectors_is_not_left_behind(
    fitted: Fits, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binder = of_texts(fitted("pcca", **IDENTITY))
    method = type(binder._method)
    steps = method.embedding_steps
    monkeypatch.setattr(method, "embedding_steps", lambda self, space: steps(self, space)[1:])  # uncentred
    with pytest.raises(ArtifactError, match="would not give this binder's vectors"):
        export_sentence_transformer(binder, "a", place / "model")
    monkeypatch.setattr(method, "embedding_steps", lambda self, space: steps(self, space)[:1])  # another length
    with pytest.raises(ArtifactError, match="would not give this binder's vectors"):
        export_sentence_transformer(binder, "a", place / "model")
    assert not list(place.iterdir())


def test_spaces_and_folders_that_will_not_do(fitted: Fits, place: Path) -> None:
    binder = of_texts(fitted("pcca", **IDENTITY))
    (place / "empty").mkdir()
    (place / "full").mkdir()
    (place / "full" / "mine.txt").write_text("mine")
    wrong: list[tuple[str, str, type[AnybindError], str]] = [
        ("d", "model", UnknownNameError, "no such space"),
        ("b", "model", UsageError, "fitted on arrays"),
        ("a", "full", UsageError, "in use"),
        ("a", "full/mine.txt", UsageError, "in use"),
        ("a", "full/mine.txt/model", ArtifactError, "cannot be written"),
    ]
    for space, folder, error, told in wrong:
        with pytest.raises(error, match=told):
            export_sentence_transformer(binder, space, place / folder)
    assert (place / "full" / "mine.txt").read_text() == "mine"
    assert loaded(export_sentence_transformer(binder, "a", place / "empty")).encode(["a"]).shape == (1, 4)
    assert sorted(path.name for path in place.iterdir()) == ["empty", "full"]


def test_an_encoder_of_another_kind(fitted: Fits, place: Path) -> None:
    from tiny_encoders import colour_binder

    with pytest.raises(PluginError, match="no model of sentence-transformers") as caught:
        export_sentence_transformer(colour_binder("tiny-letters"), "text", place / "model")
    assert caught.value.got == "tiny-letters"
    assert not list(place.iterdir())


def test_without_the_library(fitted: Fits, without: Any, place: Path) -> None:
    without("sentence_transformers")
    with pytest.raises(PluginError) as caught:
        export_sentence_transformer(fitted("pcca", **IDENTITY), "a", place / "model")
    line = 'pip install "sentence-transformers<7,>=5.4"'
    assert caught.value.hint == f"{line} (extra 'sentence-transformers' of anybind)"
