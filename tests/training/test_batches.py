"""Batches: an order that only seed, epoch and rows decide; equal shares; no row twice in a step."""

from __future__ import annotations

import math
from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.training.batches import batches, generator, steps_per_epoch

SIZES = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 90), min_size=1)


def drawn(sizes: dict[str, int], batch_size: int, seed: int = 0, epoch: int = 0) -> list[dict[str, list[int]]]:
    return [{name: rows.tolist() for name, rows in step.items()} for step in batches(sizes, batch_size, seed, epoch)]


@given(SIZES, st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_every_step_takes_as_much_of_every_data_set_and_no_row_twice(sizes: dict[str, int], batch_size: int) -> None:
    steps = drawn(sizes, batch_size)
    assert len(steps) == steps_per_epoch(sizes, batch_size) >= 4
    most = max(len(rows) for rows in steps[0].values())
    assert most <= batch_size
    for step in steps:
        for name, size in sizes.items():
            assert len(step[name]) == min(most, size)
            assert len(set(step[name])) == len(step[name])
            assert set(step[name]) <= set(range(size))


@given(st.integers(1, 300), st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_a_pass_covers_the_largest_data_set(size: int, batch_size: int) -> None:
    per_pass = math.ceil(size / batch_size)
    steps = drawn({"large": size, "small": 1}, batch_size)
    assert len(steps) % per_pass == 0, "whole passes"
    for first in range(0, len(steps), per_pass):
        seen = [row for step in steps[first : first + per_pass] for row in step["large"]]
        assert len(set(seen)) == len(seen) > size - per_pass


def test_smaller_data_sets_are_cycled_through_evenly() -> None:
    counts = Counter(row for step in drawn({"large": 400, "small": 60}, 20) for row in step["small"])
    assert len(counts) == 60
    assert set(counts.values()) <= {6, 7}


def test_orders_follow_seed_and_epoch_only() -> None:
    sizes = {"a": 50, "b": 30}
    assert drawn(sizes, 10, 3, 5) == drawn(sizes, 10, 3, 5)
    assert drawn(sizes, 10, 3, 5) == drawn({"b": 30, "a": 50}, 10, 3, 5)
    assert drawn(sizes, 10, 3, 5) != drawn(sizes, 10, 3, 6)
    assert drawn(sizes, 10, 3, 5) != drawn(sizes, 10, 4, 5)


def test_generators_differ_by_key_and_stay() -> None:
    def numbers(*key: object) -> list[float]:
        return torch.rand(3, generator=generator(*key)).tolist()

    assert numbers("noise", 0, 1) == numbers("noise", 0, 1)
    assert len({tuple(numbers(*key)) for key in [("noise", 0, 1), ("noise", 1, 0), ("mix", 0, 1), ("noise", 0)]}) == 4
