"""Cutting the collection into disjoint splits of exact size, near-duplicates always together."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

import anybind

T = TypeVar("T")
TEST_SIZE = 300
_REST = ""  # the bucket of items that no split takes
_HINT = "give fewer pairs or fewer parts"


def make_splits(
    families: Mapping[str, str], *, parts: int, pairs: int | None, seed: int
) -> dict[str, list[str]]:
    """The splits ``d1`` ... ``dN`` and ``test``.

    The test split depends on the seed alone, so that changing parts or pairs keeps it.

    Args:
        families: Item id -> family id, for every item of the collection.
        parts: How many training parts, at least 1.
        pairs: Items in each part; None takes as many as fit.
        seed: Seeds the assignment and the order within each split.

    Returns:
        Split name -> item ids; disjoint, ``test`` of TEST_SIZE ids, every other of ``pairs``.

    Raises:
        anybind.UsageError: that many items do not exist, or cannot be cut that way with families whole.
    """
    most = (len(families) - TEST_SIZE) // parts
    if most < 1:
        raise anybind.UsageError(
            "The emoji cannot be cut into that many parts.",
            where="data set emoji, option parts",
            got=parts,
            expected=f"1 to {len(families) - TEST_SIZE}",
        )
    size = most if pairs is None else pairs
    if not 1 <= size <= most:
        raise anybind.UsageError(
            f"There are not that many emoji for {parts} part(s) and {TEST_SIZE} test pairs.",
            where="data set emoji, option pairs",
            got=size,
            expected=f"1 to {most}",
            hint=_HINT,
        )
    cut = _cut(families, parts=parts, size=size, generator=random.Random(seed))  # noqa: S311 - no secret
    if cut is None:
        raise anybind.UsageError(
            "The emoji cannot be cut that way: a family of near-duplicates fits into no part as a whole.",
            where="data set emoji, options parts and pairs",
            got=f"{parts} part(s) of {size} pairs",
            expected="parts that hold whole families, the largest of which has 30 items",
            hint=_HINT,
        )
    return cut


def _cut(
    families: Mapping[str, str], *, parts: int, size: int, generator: random.Random
) -> dict[str, list[str]] | None:
    groups: dict[str, list[str]] = {}
    for item, family in families.items():
        groups.setdefault(family, []).append(item)
    first = _fill(list(groups.values()), {"test": TEST_SIZE, _REST: len(families) - TEST_SIZE}, generator)
    if first is None:
        return None
    rooms = {f"d{i + 1}": size for i in range(parts)}
    rooms[_REST] = len(families) - TEST_SIZE - parts * size
    second = _fill(first[_REST], rooms, generator)
    if second is None:
        return None
    buckets = {**second, "test": first["test"]}
    return {
        name: _shuffled([item for group in held for item in group], generator)
        for name, held in buckets.items()
        if name != _REST
    }


def _fill(
    groups: Sequence[list[str]], rooms: Mapping[str, int], generator: random.Random
) -> dict[str, list[list[str]]] | None:
    """Put whole groups into rooms that add up to all items: large groups first, singles fill the gaps.

    None when a group fits into no room any more.
    """
    left = dict(rooms)
    filled: dict[str, list[list[str]]] = {name: [] for name in rooms}
    for group in sorted(_shuffled(groups, generator), key=len, reverse=True):
        open_rooms = {name: room for name, room in left.items() if room >= len(group)}
        if not open_rooms:
            return None
        name = _pick(open_rooms, generator)
        filled[name].append(group)
        left[name] -= len(group)
    return filled


def _pick(rooms: Mapping[str, int], generator: random.Random) -> str:
    """A room at random, by how much room it has left."""
    names = list(rooms)
    mark = generator.random() * sum(rooms.values())
    for name in names[:-1]:
        mark -= rooms[name]
        if mark < 0:
            return name
    return names[-1]


def _shuffled(values: Sequence[T], generator: random.Random) -> list[T]:
    # Only random() is promised to give the same numbers in every version of Python; shuffle() is not.
    keys = [generator.random() for _ in values]
    return [values[i] for i in sorted(range(len(values)), key=keys.__getitem__)]


def split_names(parts: int) -> tuple[str, ...]:
    """Every name that option ``split`` takes."""
    return (*(f"d{i + 1}" for i in range(parts)), "test", "oracle", "all")
