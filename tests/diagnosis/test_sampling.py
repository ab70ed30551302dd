"""One pass: counts over all rows, and a sample that does not depend on their order."""

import numpy as np

from anybind.array_input import array_source
from anybind.diagnosis.sampling import sample_rows


def test_dead_vectors_are_counted_over_all_rows_and_named():
    rows = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    rows[7], rows[9_000], rows[12_345, 1] = 0, 0, np.nan
    source = array_source("d", {"a": rows}, present={"a": np.arange(20_000) != 9_000})
    tally = sample_rows(source, 50).tallies["a"]
    assert (tally.rows, tally.missing, tally.zero, tally.not_finite) == (19_999, 1, 1, 1)
    assert tally.dead_ids == ("d:7", "d:12345")
    assert tally.dead_dims == 0


def test_dims_that_never_change_are_counted():
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    rows[:, 2] = 3.5
    assert sample_rows(array_source("d", {"a": rows}), 50).tallies["a"].dead_dims == 1


def test_the_sample_is_bounded_and_the_same_in_any_order():
    rows = np.random.default_rng(1).normal(size=(9_000, 3)).astype(np.float32)
    ids = [f"item-{row}" for row in range(9_000)]
    order = np.random.default_rng(2).permutation(9_000)
    here = sample_rows(array_source("d", {"a": rows}, ids=ids), 100)
    there = sample_rows(array_source("e", {"a": rows[order]}, ids=[ids[row] for row in order]), 100)
    assert here.n_rows == 9_000
    assert here.ids == there.ids
    assert len(here.ids) == 100
    assert (here.raw["a"] == there.raw["a"]).all()
    picked = [int(item.removeprefix("item-")) for item in here.ids]
    assert (here.raw["a"].numpy() == rows[picked]).all(), "ids and vectors belong together"
    assert sample_rows(array_source("d", {"a": rows}, ids=ids), 100, seed=1).ids != here.ids


def test_only_sound_vectors_are_measured_on_and_they_have_unit_length(sampled):
    rows = np.full((4, 2), 3e30, np.float32)
    rows[1], rows[2, 0] = 0, np.inf
    sample = sampled({"a": rows, "b": np.ones((4, 1), np.float32)}, present={"b": np.array([True, True, True, False])})
    assert sorted(item for item, s in zip(sample.ids, sample.sound["a"].tolist(), strict=True) if s) == [
        "first:0", "first:3"]  # fmt: skip
    np.testing.assert_allclose(sample.of("a").norm(dim=1), 1, rtol=1e-6)
    one, other, groups = sample.paired("a", "b")
    assert (len(one), len(other), groups) == (1, 1, ["first:0"])
