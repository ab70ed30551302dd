"""Leaks: exactly those that were planted, and none between unrelated data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anybind.errors import DataError, ShapeError, UnknownNameError
from anybind.evaluation import Leakage, leakage

DIMS = {"image": 24, "text": 16, "audio": 20}
Arrays = dict[str, np.ndarray]


def views(rows: int, seed: int, *spaces: str, narrow: float = 1.0, offset: float = 1.0) -> Arrays:
    """Views of hidden items, in a cone as encoders have it; a narrow field has items that differ little."""
    mixing = {space: np.random.default_rng([5, dim]).normal(size=(8, dim)) for space, dim in DIMS.items()}
    generator = np.random.default_rng(seed)
    hidden = offset + narrow * generator.normal(size=(rows, 8))
    noise = {space: generator.normal(size=(rows, DIMS[space])) for space in spaces}
    return {space: (hidden @ mixing[space] + narrow * noise[space]).astype(np.float32) for space in spaces}


@pytest.fixture
def training() -> dict[str, Arrays]:
    return {"pictures": views(300, 1, "image", "text"), "sounds": views(200, 2, "text", "audio")}


@pytest.fixture
def test_rows() -> Arrays:
    return views(100, 3, "image", "audio")


def nudged(vector: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A vector moved by a share of its length."""
    step = np.random.default_rng(seed).normal(size=vector.shape)
    return (vector + share * np.linalg.norm(vector) * step / np.linalg.norm(step)).astype(np.float32)


def told(found: Leakage) -> set[tuple[str, str, str, str, str]]:
    return {(leak.test, leak.training, leak.dataset, leak.space, leak.why) for leak in found.leaks}


def counts(found: Leakage) -> tuple[int, int, int]:
    return found.shared_ids, found.same_content, found.near_duplicates


def test_exactly_the_planted_items_are_named(training: dict[str, Arrays], test_rows: Arrays) -> None:
    training["pictures"]["image"][17] = test_rows["image"][4]
    training["pictures"]["image"][250] = nudged(test_rows["image"][9], 0.02)
    training["sounds"]["audio"][199] = nudged(test_rows["audio"][9], 1e-6)  # encoded in another batch
    found = leakage(training, test_rows)
    assert told(found) == {
        ("test:4", "pictures:17", "pictures", "image", "content"),
        ("test:9", "pictures:250", "pictures", "image", "near-duplicate"),
        ("test:9", "sounds:199", "sounds", "audio", "content"),
    }
    assert (*counts(found), found.both_sides, found.checked) == (0, 2, 0, 1, 100)
    assert [(each.dataset, each.space, each.rows) for each in found.compared] == [
        ("pictures", "image", 300), ("sounds", "audio", 200),
    ]  # fmt: skip
    assert found.to_dict()["threshold"] == min(each.threshold for each in found.compared)
    assert found.warnings() == [
        "2 test items have the same content as training items: for example image of 'test:4' and of 'pictures:17' "
        "in data set pictures.",
        "1 test item is found in the training data in both spaces of the pair.",
    ]


@pytest.mark.parametrize("seed", range(10, 22))
def test_unrelated_data_give_none(seed: int) -> None:
    narrow = 0.2 if seed % 2 else 1.0
    training = {"pictures": views(60 + 20 * seed, seed, "image", "text", narrow=narrow)}
    found = leakage(training, views(90, 1000 + seed, "image", narrow=narrow))
    assert counts(found) == (0, 0, 0)
    assert found.warnings() == []
    assert found.threshold is not None


def test_a_narrow_test_is_not_taken_for_copies_of_the_little_that_broad_data_hold_of_its_field() -> None:
    """Chest X-rays among photographs: near to each other, and none the same."""
    broad, few = views(500, 1, "image"), views(8, 2, "image", narrow=0.05, offset=3.0)
    rows = np.concatenate([broad["image"], few["image"]])
    found = leakage({"photographs": {"image": rows}}, views(80, 3, "image", narrow=0.05, offset=3.0))
    assert counts(found) == (0, 0, 0)


def test_ids_mean_the_same_item_only_where_both_sides_give_them(training: dict[str, Arrays], test_rows: Arrays) -> None:
    names = {"pictures": [f"p{i}" for i in range(300)]}
    test_ids = ["p3", "p299", *(f"t{i}" for i in range(98))]
    found = leakage(training, test_rows, ids=names, test_ids=test_ids)
    assert told(found) == {
        ("p3", "p3", "pictures", "image", "id"), ("p299", "p299", "pictures", "image", "id"),
    }  # fmt: skip
    assert counts(found) == (2, 0, 0)
    assert found.to_dict()["examples"][0]["cosine"] is None
    assert found.warnings() == ["2 test items are in the training data too: for example 'p3' in data set pictures."]
    assert counts(leakage(training, test_rows, ids=names)) == (0, 0, 0)
    unnamed = leakage({"test": training["pictures"]}, {"image": test_rows["image"]})  # where "test:0" is a row's name
    assert counts(unnamed) == (0, 0, 0)


def test_an_item_is_counted_once_by_the_surest_find(training: dict[str, Arrays], test_rows: Arrays) -> None:
    training["pictures"]["image"][0] = test_rows["image"][0]
    training["sounds"]["audio"][0] = nudged(test_rows["audio"][0], 0.01)
    ids = {"pictures": ["x", *(f"p{i}" for i in range(299))]}
    found = leakage(training, test_rows, ids=ids, test_ids=["x", *(f"t{i}" for i in range(99))])
    assert counts(found) == (1, 0, 0)
    assert found.both_sides == 1
    assert [leak.why for leak in found.leaks] == ["id", "near-duplicate"]
    assert len(found.to_dict()["examples"]) == 1


def test_an_item_seen_without_the_tests_spaces_leaks_no_side_of_the_pair(test_rows: Arrays) -> None:
    both = views(50, 4, "image", "audio")
    training = {"pictures": {"image": both["image"]}, "words": views(30, 1, "text"), "sounds": {"audio": both["audio"]}}
    names = {name: ["x", *(f"{name}{i}" for i in range(rows - 1))] for name, rows in (("pictures", 50), ("words", 30))}
    found = leakage(training, test_rows, ids=names, test_ids=["x", *(f"t{i}" for i in range(99))])
    assert (*counts(found), found.both_sides) == (1, 0, 0, 0)
    assert {leak.space for leak in found.leaks} == {"image", "text"}


def test_families_are_near_duplicates_by_declaration(training: dict[str, Arrays], test_rows: Arrays) -> None:
    groups = {"pictures": [f"clip {i // 2}" for i in range(300)]}
    test_groups = ["clip 7", "clip 7", *(f"other {i}" for i in range(98))]
    found = leakage(training, test_rows, groups=groups, test_groups=test_groups)
    assert told(found) == {
        ("test:0", "pictures:14", "pictures", "image", "near-duplicate"),
        ("test:1", "pictures:14", "pictures", "image", "near-duplicate"),
    }
    a, b = test_rows["image"][0].astype(float), training["pictures"]["image"][14].astype(float)
    cosines = {leak.test: leak.cosine for leak in found.leaks}
    assert cosines["test:0"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert counts(leakage(training, test_rows, groups=groups)) == (0, 0, 0)


def test_families_do_not_blunt_the_threshold() -> None:
    """Three variants of every item: told that they are, the check still finds a fourth."""
    items = views(150, 1, "image")["image"]
    rows = np.concatenate([items, *(np.stack([nudged(x, 0.03, i) for x in items]) for i in range(2))])
    test = views(60, 2, "image")["image"]
    test[11] = nudged(items[40], 0.03, 9)
    groups = [str(i % 150) for i in range(450)]
    found = leakage({"d": {"image": rows}}, {"image": test}, groups={"d": groups})
    assert {leak.test for leak in found.leaks} == {"test:11"}
    blunt = leakage({"d": {"image": rows}}, {"image": test})
    assert blunt.threshold > found.threshold


def test_words_that_repeat_are_shared_content_and_said_to_be_common() -> None:
    """Class names as texts: every test item shares its text, and a reader should know why."""
    words, pictures = views(10, 1, "text")["text"], views(200, 2, "image")["image"]
    training = {"d": {"image": pictures, "text": words[np.arange(200) % 10]}}
    found = leakage(training, {"image": views(50, 3, "image")["image"], "text": words[np.arange(50) % 10]})
    assert counts(found) == (0, 50, 0)
    by_space = {each.space: each for each in found.compared}
    assert (by_space["text"].threshold, by_space["text"].repeated) == (None, 1.0)
    assert by_space["image"].threshold is not None
    assert found.both_sides == 0
    assert found.warnings()[-1] == (
        "100 % of the text of data set d equal another one there: equal content is common in it, and need not be "
        "a leak."
    )
    assert len(found.to_dict()["examples"]) == 20


def test_a_copy_counts_in_few_dimensions_and_a_multiple_of_it_does_not() -> None:
    generator = np.random.default_rng(0)
    rows, test = (generator.normal(size=(n, 1)).astype(np.float32) for n in (80, 30))
    test[3] = rows[60]
    found = leakage({"d": {"level": rows}}, {"level": test})
    assert told(found) == {("test:3", "d:60", "d", "level", "content")}
    wide, of_test = views(80, 1, "image")["image"], views(30, 2, "image")["image"]
    of_test[5] = 2 * wide[7]
    assert told(leakage({"d": {"image": wide}}, {"image": of_test})) == {
        ("test:5", "d:7", "d", "image", "near-duplicate")
    }


def test_missing_rows_are_not_looked_at(training: dict[str, Arrays], test_rows: Arrays) -> None:
    training["pictures"]["image"][:3] = test_rows["image"][:3]
    held = np.arange(300) != 1
    found = leakage(training, test_rows, present={"pictures": {"image": held}})
    assert {leak.test for leak in found.leaks} == {"test:0", "test:2"}
    assert found.compared[0].rows == 299
    nobody = leakage(training, test_rows, present={"pictures": {"image": np.zeros(300, dtype=bool)}})
    assert counts(nobody) == (0, 0, 0)
    assert nobody.compared[0].threshold is None


def test_tiny_training_data_tell_copies_only(test_rows: Arrays) -> None:
    rows = np.concatenate([views(5, 1, "image")["image"], test_rows["image"][:1], test_rows["image"][1:2] + 1e-2])
    found = leakage({"d": {"image": rows}}, {"image": test_rows["image"]})
    assert told(found) == {("test:0", "d:5", "d", "image", "content")}
    assert found.threshold is None


def test_the_report_is_plain_json(training: dict[str, Arrays], test_rows: Arrays) -> None:
    training["pictures"]["image"][:40] = test_rows["image"][:40]
    plain = json.loads(json.dumps(leakage(training, test_rows).to_dict(), allow_nan=False))
    assert plain.keys() == {
        "shared_ids", "same_content", "near_duplicates", "both_sides", "threshold", "checked", "examples", "compared",
    }  # fmt: skip
    assert plain["same_content"] == 40
    assert len(plain["examples"]) == 20
    assert plain["examples"][0] == {
        "test": "test:0", "training": "pictures:0", "dataset": "pictures", "space": "image", "why": "content",
        "cosine": 1.0,
    }  # fmt: skip


def test_memory_maps_go_in_and_nothing_is_changed(
    training: dict[str, Arrays], test_rows: Arrays, tmp_path: Path
) -> None:
    training["pictures"]["image"][5] = test_rows["image"][6]
    np.save(tmp_path / "image.npy", training["pictures"]["image"])
    mapped: Any = np.load(tmp_path / "image.npy", mmap_mode="r")
    before = test_rows["image"].copy()
    found = leakage({"pictures": {"image": mapped}}, {"image": test_rows["image"]})
    assert told(found) == {("test:6", "pictures:5", "pictures", "image", "content")}
    assert (test_rows["image"] == before).all()


def test_bad_input_is_refused_with_its_place(training: dict[str, Arrays], test_rows: Arrays) -> None:
    with pytest.raises(UnknownNameError, match="in no training data set") as unknown:
        leakage(training, {"imgae": test_rows["image"]})
    assert "image" in str(unknown.value.hint)
    with pytest.raises(ShapeError, match="other dims") as dims:
        leakage(training, {"image": test_rows["image"][:, :7]})
    assert (dims.value.got, dims.value.expected) == (7, 24)
    with pytest.raises(DataError, match="the test has no rows"):
        leakage(training, {"image": test_rows["image"][:0]})
    with pytest.raises(DataError, match="an id occurs twice"):
        leakage(training, test_rows, test_ids=["x"] * 100)
    test_rows["image"][3, 0] = np.nan
    with pytest.raises(DataError, match="NaN or infinity") as broken:
        leakage(training, test_rows)
    assert broken.value.where == "data set 'test', space 'image', row 3"
