"""The data set as the core and a user see it."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
from anybind_emoji import collection
from anybind_emoji.dataset import EmojiDataset
from PIL import Image

import anybind


def test_rows_hold_a_picture_and_every_text() -> None:
    dataset = EmojiDataset(split="all", modalities=None)
    assert len(dataset) == 1644
    row = dataset[dataset.ids.index("1F436")]
    assert tuple(row) == dataset.modalities == collection.MODALITIES
    assert row["text_en"].startswith("dog face: ")
    assert row["text_ja"].startswith("イヌの顔: ")
    assert Image.open(io.BytesIO(row["image"])).size == (128, 128)


def test_modalities_of_the_yaml_choose_and_order_what_rows_hold() -> None:
    dataset = EmojiDataset(split="d1", modalities=("text_ja", "image"))
    assert dataset.modalities == ("text_ja", "image")
    assert list(dataset[0]) == ["text_ja", "image"]


def test_languages_choose_the_texts() -> None:
    assert EmojiDataset(split="d1", languages=["fr", "ja"]).modalities == ("image", "text_fr", "text_ja")


def test_oracle_is_the_items_of_d1_with_their_hidden_side() -> None:
    first = EmojiDataset(split="d1", modalities=("image", "text_en"), seed=3)
    oracle = EmojiDataset(split="oracle", seed=3)
    assert oracle.ids == first.ids
    assert "text_ja" in oracle[0]
    assert oracle[5]["text_en"] == first[5]["text_en"]


def test_splits_share_one_collection_and_its_items() -> None:
    whole = EmojiDataset(split="all")
    rows = dict(zip(whole.ids, whole, strict=True))
    for split in ("d1", "d2", "d3", "test"):
        dataset = EmojiDataset(split=split, parts=3, pairs=40)
        assert dataset.collection == whole.collection
        assert all(rows[name] == dataset[i] for i, name in enumerate(dataset.ids))


def test_iteration_ends_and_indexing_is_bounded() -> None:
    dataset = EmojiDataset(split="d1", pairs=10)
    assert len(list(dataset)) == len(dataset) == 10
    with pytest.raises(IndexError):
        dataset[10]


def test_survives_pickling_for_worker_processes() -> None:
    dataset = EmojiDataset(split="test", modalities=("text_en",))
    assert pickle.loads(pickle.dumps(dataset))[7] == dataset[7]


def test_attribution_names_author_licence_and_changes() -> None:
    for text in (EmojiDataset(split="d1").attribution, EmojiDataset.attribution):
        for part in (
            "OpenMoji",
            "https://openmoji.org",
            "CC BY-SA 4.0",
            "rendered to PNG",
            "emojibase",
            "MIT",
        ):
            assert part in text


@pytest.mark.parametrize(
    ("options", "option", "got", "hint"),
    [
        ({}, "split", "nothing", None),
        ({"split": "tset"}, "split", "tset", "did you mean 'test'?"),
        ({"split": "d3"}, "split", "d3", None),
        ({"split": "d0"}, "split", "d0", None),
        ({"split": "d1", "parts": 0}, "parts", 0, None),
        ({"split": "d1", "seed": -1}, "seed", -1, None),
        ({"split": "d1", "pairs": 673}, "pairs", 673, "fewer"),
        ({"split": "d1", "languages": ["en", "tlh"]}, "languages", "tlh", None),
        ({"split": "d1", "languages": ["en", "en"]}, "languages", "en", None),
        ({"split": "d1", "languages": []}, "languages", "[]", None),
        ({"split": "d1", "modalities": ("text_jaa",)}, "modalities", "text_jaa", "did you mean 'text_ja'?"),
        ({"split": "d1", "languages": ["en"], "modalities": ("text_ja",)}, "modalities", "text_ja", None),
    ],
)
def test_wrong_options_are_refused_with_every_field(
    options: dict[str, object], option: str, got: object, hint: str | None
) -> None:
    with pytest.raises(anybind.UsageError) as caught:
        EmojiDataset(**options)  # type: ignore[arg-type]
    error = caught.value
    assert error.where == f"data set emoji, option {option}"
    assert error.got == got
    assert error.expected
    assert hint is None or hint in str(error.hint)


@pytest.mark.parametrize("change", ["damage", "remove"])
def test_damaged_or_missing_data_is_an_error_that_says_what_to_do(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in collection.DATA.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    target = tmp_path / "pictures.zip"
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    if change == "remove":
        target.unlink()
    monkeypatch.setattr(collection, "DATA", tmp_path)
    collection.pictures.cache_clear()
    try:
        dataset = EmojiDataset(split="d1", modalities=("image",))
        with pytest.raises(anybind.DataError) as caught:
            dataset[0]
    finally:
        collection.pictures.cache_clear()
    assert caught.value.where == target
    assert caught.value.hint == "install anybind-emoji again, from where it was installed before"
