"""The binder: fitted on arrays, scored, asked for raw inputs, and asked for nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick_binders import DIMS, QUICK, assert_alike, chain, items, quick, rank_of_truth

import anybind
from anybind.array_input import array_source
from anybind.artifact import SpaceInfo
from anybind.binder import Binder
from anybind.errors import (
    DataError,
    NoPathError,
    PluginError,
    ShapeError,
    UnknownNameError,
    UsageError,
)
from anybind.fit_data import collect
from anybind.fitting import fit, fit_sources
from anybind.plugins import installed_registry


@pytest.fixture(scope="module")
def binder() -> Binder:
    return quick()


# ------------------------------------------------------------------------------------------- fitting


@pytest.mark.parametrize("method", QUICK)
def test_what_was_never_seen_together_is_found(method: str) -> None:
    binder = quick(method, targets=[("image", "audio")])
    rows = items(3, 60)
    table = binder.score("image", rows["image"], "audio", rows["audio"])
    assert (table.shape, table.dtype) == ((60, 60), torch.float32)
    assert rank_of_truth(table) > 0.3, "chance is 0.08"
    assert rank_of_truth(table.T) > 0.3
    torch.testing.assert_close(binder.score("audio", rows["audio"], "image", rows["image"]), table.T)
    joint = binder.embed("image", rows["image"])
    assert (joint.dtype, joint.device.type, len(joint)) == (torch.float32, "cpu", 60)
    assert not joint.requires_grad
    assert joint.shape[1] == binder.embed("audio", rows["audio"]).shape[1]


def test_the_binder_knows_its_making(binder: Binder) -> None:
    assert binder.method_name == "pcca"
    assert binder.dims == DIMS
    assert binder.fitted["rank"] == 4
    assert {name: known.rows for name, known in binder.training.datasets.items()} == {
        "d1": {"image": 150, "text": 150},
        "d2": {"text": 150, "audio": 150},
    }
    assert repr(binder) == "Binder('pcca', spaces={'image': 10, 'text': 8, 'audio': 12})"
    assert binder.spaces["image"].encoder is None


def test_the_public_names_are_these(binder: Binder) -> None:
    assert anybind.fit is fit
    assert anybind.Binder is Binder


@pytest.mark.parametrize("method", QUICK)
def test_the_same_seed_gives_the_same_binder(method: str) -> None:
    assert_alike(quick(method, seed=7), quick(method, seed=7))
    assert quick(method, seed=np.int64(7)).training.seed == 7


@pytest.mark.parametrize("label", QUICK)
def test_rows_in_another_order_of_memory_give_the_same_binder(label: str) -> None:
    """Sums of the same numbers in another order would differ in their last bits."""
    other = {
        name: {space: np.asfortranarray(vectors) for space, vectors in spaces.items()}
        for name, spaces in chain().items()
    }
    assert_alike(quick(label), fit(other, **QUICK[label]))


def test_choices_are_made_by_held_out_rows_and_follow_the_seed() -> None:
    binder = fit(chain(), method="ridge-chain")
    hops = {"image to text", "text to image", "text to audio", "audio to text"}
    assert binder.fitted["chosen"].keys() == hops
    again = fit(chain(), method="ridge-chain")
    assert binder.fitted == again.fitted
    assert_alike(binder, again)


def test_inputs_are_never_changed() -> None:
    given = chain()
    given["d1"]["text"][5] = np.nan
    kept = {name: {s: v.copy() for s, v in spaces.items()} for name, spaces in given.items()}
    for spaces in given.values():
        for vectors in spaces.values():
            vectors.flags.writeable = False
    binder = fit(given, **QUICK["pcca"], from_nan=True)
    vectors = torch.ones(3, 10)
    binder.embed("image", vectors).zero_()
    binder.score("image", vectors, "text", np.ones((2, 8)))
    assert torch.equal(vectors, torch.ones(3, 10))
    for name, spaces in given.items():
        for space, array in spaces.items():
            np.testing.assert_array_equal(array, kept[name][space])


def test_arrays_of_other_kinds_give_the_same_binder(binder: Binder, tmp_path: Path) -> None:
    given: dict[str, dict[str, Any]] = {
        name: {space: vectors.astype(np.float32) for space, vectors in spaces.items()}
        for name, spaces in chain().items()
    }
    plain = fit(given, **QUICK["pcca"])
    np.save(tmp_path / "image.npy", given["d1"]["image"])
    given["d1"]["image"] = np.load(tmp_path / "image.npy", mmap_mode="r")
    given["d1"]["text"] = torch.tensor(given["d1"]["text"], requires_grad=True)
    given["d2"]["text"] = np.asfortranarray(given["d2"]["text"])
    assert_alike(plain, fit(given, **QUICK["pcca"]))


def test_missing_rows_are_left_out_alike() -> None:
    given = chain()
    held = np.random.default_rng(0).random(150) > 0.3
    given["d1"]["text"][~held] = np.nan
    by_mask = fit(given, **QUICK["pcca"], present={"d1": {"text": held}})
    by_nan = fit(given, **QUICK["pcca"], from_nan=True)
    assert_alike(by_mask, by_nan)
    assert by_mask.training.datasets["d1"].rows == {"image": 150, "text": int(held.sum())}


def test_length_counts_only_when_asked_for() -> None:
    rows = items(4, 5)["image"]
    by_direction, by_length = quick(), quick(normalise=False)
    torch.testing.assert_close(by_direction.embed("image", rows * 9), by_direction.embed("image", rows))
    assert not torch.allclose(by_length.embed("image", rows * 9), by_length.embed("image", rows), rtol=0.1)
    assert not by_length.spaces["image"].normalise


def test_ids_and_groups_keep_items_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def spy(sources: Any, **arguments: Any) -> Any:
        seen["data"] = collect(sources, **arguments)
        return seen["data"]

    monkeypatch.setattr("anybind.fitting.collect", spy)
    ids = {"d1": [f"item {i}" for i in range(150)], "d2": [f"item {149 - i}" for i in range(150)]}
    quick(ids=ids, groups={"d1": [f"clip {i // 10}" for i in range(150)]}, seed=4)
    first, second = seen["data"].samples["d1"], seen["data"].samples["d2"]
    clips = {(item.split()[1][:-1], int(fold)) for item, fold in zip(first.ids, first.folds, strict=True)}
    assert len(clips) == 15
    quick(ids=ids, seed=4)
    first = seen["data"].samples["d1"]
    assert set(first.ids) == set(second.ids)
    assert torch.equal(first.folds, second.folds)


# --------------------------------------------------------------------------------- what is not joined


def test_parts_without_a_path_are_bound_each_for_itself() -> None:
    rows = items(6, 80)
    apart = {"d1": {"image": rows["image"], "text": rows["text"]},
             "d2": {"audio": rows["audio"], "touch": rows["image"][::-1]}}  # fmt: skip
    for method in QUICK:
        binder = fit(apart, **QUICK[method])
        assert torch.isfinite(binder.score("image", rows["image"], "text", rows["text"])).all()
        with pytest.raises(NoPathError) as caught:
            binder.score("image", rows["image"], "audio", rows["audio"])
        assert "'image'" in str(caught.value.where)


@pytest.mark.parametrize("method", QUICK)
def test_a_target_without_a_path_is_refused(method: str) -> None:
    rows = items(6, 30)
    apart = {"d1": {"image": rows["image"], "text": rows["text"]},
             "d2": {"audio": rows["audio"], "touch": rows["image"]}}  # fmt: skip
    with pytest.raises(NoPathError, match="no chain of paired rows joins 'image' and 'audio'") as caught:
        fit(apart, **QUICK[method], targets=[("image", "text"), ("image", "audio")])
    assert "'image' is connected only to 'text'" in str(caught.value.got)
    assert caught.value.plan.parts == (("image", "text"), ("audio", "touch"))


@pytest.mark.parametrize("method", QUICK)
def test_a_space_that_is_never_paired_is_no_part_of_the_rest(method: str) -> None:
    binder = fit({**chain(), "d3": {"touch": np.random.default_rng(0).normal(size=(20, 3))}},
                 **QUICK[method])  # fmt: skip
    rows = items(6, 5)
    assert binder.embed("image", rows["image"]).shape[0] == 5
    for call in (
        lambda: binder.score("touch", np.ones((2, 3)), "image", rows["image"]),
        lambda: binder.score("image", rows["image"], "touch", np.ones((2, 3))),
    ):
        with pytest.raises(NoPathError):
            call()


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("masked", [True, False])
def test_without_one_pair_there_is_nothing_to_fit(method: str, masked: bool) -> None:
    rows = items(6, 40)
    half = np.arange(40) < 20
    arguments: dict[str, Any] = {"datasets": {"d": {"image": rows["image"]}}}
    if masked:
        arguments = {
            "datasets": {"d": {"image": rows["image"], "text": rows["text"]}},
            "present": {"d": {"image": half, "text": ~half}},
        }
    with pytest.raises(NoPathError):
        fit(**arguments, **QUICK[method])


# -------------------------------------------------------------------------------------- bad arguments


def changed(dataset: str, space: str, change: Any) -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = dict(chain(20))
    given[dataset] = {**given[dataset], space: change(given[dataset][space])}
    return given


def with_value(value: float) -> Any:
    def change(rows: np.ndarray) -> np.ndarray:
        rows[13, 2] = value
        return rows

    return change


MASK = {"d1": {"txt": np.ones(20, bool)}}
NO_TEXT = {"text": np.zeros(20, bool)}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"datasets": {}}, UsageError, "none"),
        ({"datasets": [np.ones((2, 2))]}, UsageError, "list"),
        ({"datasets": np.ones((2, 2))}, UsageError, "ndarray"),
        ({"datasets": {"d1": np.ones((2, 2))}}, UsageError, "'d1'"),
        ({"datasets": {"d1": {}}}, DataError, "'d1'"),
        ({"datasets": {1: {"a": np.ones((2, 2))}}}, UsageError, "1"),
        ({"datasets": changed("d1", "text", lambda rows: rows[:-1])}, ShapeError, "'text': 19"),
        ({"datasets": changed("d2", "text", lambda rows: rows[:, :-1])}, DataError, "'d2', space 'text'"),
        ({"datasets": changed("d1", "text", lambda rows: rows[0])}, ShapeError, "'d1', space 'text'"),
        ({"datasets": changed("d1", "text", with_value(np.nan))}, DataError, "'d1', space 'text', row 13"),
        ({"datasets": changed("d2", "audio", with_value(np.inf))}, DataError, "'d2', space 'audio', row 13"),
        ({"datasets": chain(1)}, DataError, "1 row"),
        ({"datasets": chain(0)}, DataError, "0 rows"),
        ({"method": "pca"}, UnknownNameError, "did you mean 'pcca'?"),
        ({"options": {"rnak": 4}}, UsageError, "did you mean 'rank'?"),
        ({"options": {"rank": "four"}}, UsageError, "rank"),
        ({"targets": [("imag", "audio")]}, UnknownNameError, "did you mean 'image'?"),
        ({"targets": ("image", "audio")}, UsageError, "pair"),
        ({"targets": [("image", "image")]}, UsageError, "two different spaces"),
        ({"present": {"d11": {}}}, UnknownNameError, "did you mean 'd1'?"),
        ({"present": MASK}, UnknownNameError, "did you mean 'text'?"),
        ({"present": np.ones(20, bool)}, UsageError, "ndarray"),
        ({"present": {"d1": np.ones(20, bool)}}, UsageError, "ndarray"),
        ({"present": {"d1": {"text": np.ones(19, bool)}}}, ShapeError, "(19,)"),
        ({"present": {"d1": NO_TEXT, "d2": NO_TEXT}}, DataError, "space 'text'"),
        ({"ids": {"d3": ["x"]}}, UnknownNameError, "ids"),
        ({"ids": ["x"]}, UsageError, "list"),
        ({"ids": {"d1": ["x"] * 20}}, DataError, "occurs twice"),
        ({"ids": {"d1": ["x"]}}, ShapeError, "1 ids"),
        ({"groups": {"d3": ["x"]}}, UnknownNameError, "groups"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        fit(**{"datasets": chain(20), **QUICK["pcca"], **arguments})
    assert type(caught.value) is error
    assert words in str(caught.value)


def test_what_cannot_be_embedded_is_named(binder: Binder) -> None:
    rows = items(5, 4)["image"].copy()
    rows[2, 3] = np.inf
    with pytest.raises(DataError) as caught:
        binder.embed("image", rows)
    assert caught.value.where == "space 'image', row 2"
    with pytest.raises(ShapeError) as caught:
        binder.score("image", np.ones((2, 10)), "audio", np.ones((2, 10)))
    assert (caught.value.where, caught.value.expected) == ("space 'audio'", "(rows, 12)")
    with pytest.raises(UnknownNameError) as unknown:
        binder.embed("imgae", rows)
    assert "did you mean 'image'?" in str(unknown.value.hint)
    with pytest.raises(UnknownNameError):
        binder.score("image", np.ones((2, 10)), "tekst", np.ones((2, 8)))


@pytest.mark.parametrize("method", QUICK)
def test_no_rows_give_no_rows(method: str) -> None:
    binder = quick(method)
    nothing = np.zeros((0, 10))
    assert binder.embed("image", nothing).shape == (0, binder.embed("image", np.ones((1, 10))).shape[1])
    assert binder.score("image", nothing, "text", np.ones((3, 8))).shape == (0, 3)
    assert binder.score("text", np.ones((3, 8)), "image", nothing).shape == (3, 0)


# -------------------------------------------------------------------------------------------- raw inputs

WORDS = [f"{first} {second}" for first in ("red", "green", "blue", "old", "new", "tiny", "huge", "round")
         for second in ("cat", "dog", "house", "tree", "boat")]  # fmt: skip


def caption_space(**changes: Any) -> SpaceInfo:
    encoder = {"encoder": "toy-text", "revision": "1", "distribution": "anybind 0.1.0", "licence": "MIT"}
    space = {"name": "caption", "modality": "text_en", "kind": "text", "dim": 64, "input_dim": 64}
    return SpaceInfo(**{**space, **encoder, **changes})


def toy_vectors(texts: list[str]) -> torch.Tensor:
    vectors: torch.Tensor = installed_registry().build_encoder("toy-text").encode(texts)
    return vectors


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Binder:
    """A binder of captions, which the toy encoder embeds, and arrays."""
    return with_captions(caption_space())


def with_captions(info: SpaceInfo) -> Binder:
    captions = toy_vectors(WORDS).numpy()
    other = captions[:, :9] + 0.1 * np.random.default_rng(0).normal(size=(40, 9))
    source = array_source("d", {"caption": captions, "sound": other})
    return fit_sources([source], **QUICK["pcca"], spaces={"caption": info})


def test_raw_inputs_go_through_the_encoder(speaking: Binder) -> None:
    joint = speaking.encode(["red cat", "old boat", "new"], modality="caption")
    expected = toy_vectors(["red cat", "old boat", "new"])
    torch.testing.assert_close(joint, speaking.embed("caption", expected))
    assert torch.equal(speaking.encode("old boat", modality="caption"), joint[1])
    assert torch.equal(speaking.encode(("red cat",), modality="caption"), joint[:1])
    assert speaking.encode([], modality="caption").shape == (0, 4)
    assert torch.equal(speaking.encode_raw(["red cat"], space="caption"), expected[:1])
    in_batches = speaking.encode(WORDS, modality="caption", batch_size=7)
    assert torch.equal(in_batches, speaking.encode(WORDS, modality="caption"))


def test_a_saved_binder_encodes_as_before(speaking: Binder, tmp_path: Path) -> None:
    loaded = Binder.from_pretrained(speaking.save_pretrained(tmp_path / "saved"))
    assert torch.equal(loaded.encode(WORDS, modality="text"), speaking.encode(WORDS, modality="text"))
    assert loaded.spaces["caption"] == speaking.spaces["caption"]
    assert "toy-text" in (tmp_path / "saved" / "README.md").read_text()


@pytest.mark.parametrize("name", ["caption", "text_en", "text"])
def test_a_space_goes_by_its_name_its_modality_or_its_kind(name: str, speaking: Binder) -> None:
    assert speaking.space_of(name) == "caption"


def test_a_modality_of_two_spaces_or_none_is_refused(binder: Binder) -> None:
    spaces = {name: caption_space(name=name, dim=DIMS[name]) for name in ("image", "text")}
    sources = [array_source(name, arrays) for name, arrays in chain().items()]
    two = fit_sources(sources, **QUICK["pcca"], spaces=spaces)
    with pytest.raises(UnknownNameError, match="several") as caught:
        two.space_of("text_en")
    assert caught.value.expected == "one of image, text"
    assert two.space_of("text") == "text", "the name of a space comes before a kind"
    with pytest.raises(UnknownNameError, match="no such modality") as caught:
        binder.space_of("adio")
    assert "did you mean 'audio'?" in str(caught.value.hint)


@pytest.mark.parametrize("modality", ["text", "recipe"])
def test_a_modality_without_a_declared_kind_is_the_one_that_is_known(modality: str) -> None:
    """Recipes are in the catalogue as a kind of text."""
    binder = with_captions(caption_space(modality=modality, kind=None))
    assert binder.encode("red cat", modality=modality).shape == (4,)


def test_what_cannot_be_encoded_is_said(speaking: Binder, binder: Binder) -> None:
    with pytest.raises(UsageError, match="fitted on arrays"):
        speaking.encode("x", modality="sound")
    with pytest.raises(UsageError):
        binder.encode("x", modality="image")
    with pytest.raises(UnknownNameError):
        speaking.encode("x", modality="smell")
    with pytest.raises(DataError):
        speaking.encode([b"\xff\xfe not text"], modality="caption")
    with pytest.raises(DataError):
        speaking.encode([3.5], modality="caption")
    with pytest.raises(UsageError, match="at least one input"):
        speaking.encode(["x"], modality="caption", batch_size=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"revision": "2"}, "not the one"), ({"encoder": "minilm-l99"}, "not installed")],
)
def test_another_encoder_than_the_fitted_one_is_refused(changes: dict[str, Any], words: str) -> None:
    binder = with_captions(caption_space(**changes))
    assert binder.embed("caption", toy_vectors(["x"])).shape == (1, 4), "vectors are still taken"
    with pytest.raises(PluginError, match=words) as caught:
        binder.encode("red cat", modality="caption")
    assert "anybind 0.1.0" in str(caught.value)
