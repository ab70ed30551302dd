"""The cut: exact sizes, nothing in two splits, near-duplicates together, the same everywhere."""

from __future__ import annotations

import hashlib
import itertools
import re

import pytest
from anybind_emoji import collection, splits

import anybind

SEEDS = (0, 1, 2, 7, 100)
PARTS = (1, 2, 3, 5)
PEOPLE = re.compile(r"\b(man|woman|person|men|women|people)\b")


def emoji_families() -> dict[str, str]:
    return {item.id: item.family for item in collection.items().values()}


def near_duplicates_by_name() -> list[list[str]]:
    """Near-duplicates found from English names alone, not from the code points the families are made of."""
    stems: dict[str, list[str]] = {}
    for item in collection.items().values():
        stem = " ".join(PEOPLE.sub(" ", item.name).replace(": facing right", "").split())
        if re.search(r"o’clock|-thirty", item.name):
            stem = "clock face"
        if item.name.startswith(("family: ", "kiss: ", "couple with heart: ")):
            stem = item.name.split(":")[0]
        if stem:  # "man", "woman" and "person" leave nothing
            stems.setdefault(stem, []).append(item.id)
    return [members for members in stems.values() if len(members) > 1]


@pytest.mark.parametrize(("seed", "parts"), list(itertools.product(SEEDS, PARTS)))
def test_no_item_is_in_two_splits_and_sizes_are_exact(seed: int, parts: int) -> None:
    cut = splits.make_splits(emoji_families(), parts=parts, pairs=None, seed=seed)
    assert sorted(cut) == sorted(["test", *(f"d{i + 1}" for i in range(parts))])
    seen: set[str] = set()
    for name, ids in cut.items():
        assert len(ids) == (300 if name == "test" else (1644 - 300) // parts)
        assert len(set(ids)) == len(ids)
        assert not seen & set(ids)
        seen |= set(ids)
    assert seen <= set(collection.items())


@pytest.mark.parametrize(("seed", "parts"), list(itertools.product(SEEDS, PARTS)))
def test_near_duplicates_are_in_one_split(seed: int, parts: int) -> None:
    cut = splits.make_splits(emoji_families(), parts=parts, pairs=200 if parts < 5 else 100, seed=seed)
    place = {item: name for name, ids in cut.items() for item in ids}
    groups = near_duplicates_by_name()
    assert len(groups) > 70
    assert max(map(len, groups)) >= 24  # the clock faces, half hours included
    for members in groups:
        assert len({place.get(member, "unused") for member in members}) == 1, members


def test_families_hold_the_variants_that_have_code_points_of_their_own() -> None:
    family = emoji_families()
    clocks = [f"{0x1F550 + i:X}" for i in range(24)]
    for members in (
        clocks,
        ["1F9D1", "1F468", "1F469"],
        ["1FAC5", "1F934", "1F478"],
        ["1F385", "1F936"],
        ["1F57A", "1F483"],
    ):
        assert len({family[member] for member in members}) == 1, members
    assert family["1F436"] == "1F436"  # a dog face has no near-duplicate
    assert family["1F468-200D-1F373"] != family["1F468-200D-1F33E"]  # a cook is not a farmer


def test_default_is_two_parts_of_672() -> None:
    cut = splits.make_splits(emoji_families(), parts=2, pairs=None, seed=0)
    assert {name: len(ids) for name, ids in cut.items()} == {"d1": 672, "d2": 672, "test": 300}


@pytest.mark.parametrize("pairs", [1, 17, 100, 671, 672])
def test_pairs_are_exactly_as_asked(pairs: int) -> None:
    cut = splits.make_splits(emoji_families(), parts=2, pairs=pairs, seed=3)
    assert (len(cut["d1"]), len(cut["d2"]), len(cut["test"])) == (pairs, pairs, 300)


def test_test_split_depends_on_the_seed_alone() -> None:
    first = splits.make_splits(emoji_families(), parts=2, pairs=None, seed=4)
    other = splits.make_splits(emoji_families(), parts=5, pairs=50, seed=4)
    changed = splits.make_splits(emoji_families(), parts=2, pairs=None, seed=5)
    assert set(first["test"]) == set(other["test"])
    assert set(first["test"]) != set(changed["test"])


def test_cut_is_the_same_on_every_machine() -> None:
    cut = splits.make_splits(emoji_families(), parts=2, pairs=None, seed=0)
    text = "|".join(f"{name}:{','.join(cut[name])}" for name in sorted(cut))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "8b7576e450e6c1cb87f64f1760f30e034834e88ea7d2ef6ee76a1f705259f3d1"
    )


def test_every_family_can_come_into_every_split() -> None:
    clock = "1F550"
    homes = set()
    for seed in range(40):
        cut = splits.make_splits(emoji_families(), parts=2, pairs=None, seed=seed)
        homes |= {name for name, ids in cut.items() if clock in ids}
    assert homes == {"d1", "d2", "test"}


@pytest.mark.parametrize(
    ("parts", "pairs", "got", "expected"),
    [
        (2, 673, 673, "1 to 672"),
        (3, 449, 449, "1 to 448"),
        (1345, None, 1345, "1 to 1344"),
        (2, 0, 0, "1 to 672"),
    ],
)
def test_too_much_asked_says_what_would_fit(parts: int, pairs: int | None, got: int, expected: str) -> None:
    with pytest.raises(anybind.UsageError) as caught:
        splits.make_splits(emoji_families(), parts=parts, pairs=pairs, seed=0)
    assert caught.value.got == got
    assert caught.value.expected == expected
    assert "data set emoji" in str(caught.value.where)


def test_parts_too_small_for_a_family_are_refused() -> None:
    with pytest.raises(anybind.UsageError, match="near-duplicates") as caught:
        splits.make_splits(emoji_families(), parts=1344, pairs=1, seed=0)
    assert caught.value.got == "1344 part(s) of 1 pairs"
    assert caught.value.hint
