"""Rows for heads: centred by what is trained on, scaled, zeros where missing; and the fold to judge by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from anybind.fit_data import Sample
from anybind.training.rows import held_out_fold, prepared

Make = Callable[..., Sample]


def test_data_sets_are_centred_by_their_own_training_rows(make_sample: Make) -> None:
    samples = {"d1": make_sample(1, 60, {"a": 4, "b": 3}), "d2": make_sample(2, 50, {"b": 3})}
    rows = prepared(samples, ["a", "b"], 0, fewest=1)
    for name, sample in samples.items():
        out = (sample.folds == 0).numpy()
        for space, vectors in sample.vectors.items():
            values = vectors.numpy().astype(np.float64)
            centred = (values - values[~out].mean(0)) / rows.units[space]
            np.testing.assert_allclose(rows.train.vectors[name][space], centred[~out], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(rows.held_out.vectors[name][space], centred[out], rtol=1e-5, atol=1e-6)


def test_spaces_are_scaled_to_a_mean_variance_of_one(make_sample: Make) -> None:
    sample = make_sample(1, 200, {"a": 4, "b": 3})
    sample = replace(sample, vectors={"a": sample.vectors["a"] * 1e-9, "b": sample.vectors["b"] * 1e9})
    rows = prepared({"d": sample}, ["a", "b"], None)
    for space in "ab":
        assert abs(float(rows.train.vectors["d"][space].square().mean()) - 1) < 1e-5
    assert len(rows.held_out.vectors["d"]["a"]) == 0


def test_missing_rows_are_zeros_and_do_not_count(make_sample: Make) -> None:
    has = np.arange(30) % 3 > 0
    sample = make_sample(1, 30, {"a": 4, "b": 3, "c": 2}, a=has)
    sample.vectors["a"][~has] = float("nan")
    rows = prepared({"d": sample}, ["a", "b", "c"], None)
    assert (rows.train.vectors["d"]["a"][~has] == 0).all()
    assert torch.allclose(rows.train.vectors["d"]["a"].mean(0), torch.zeros(4), atol=1e-6)
    assert rows.train.count("a") == has.sum()
    assert rows.train.stacked("a").shape == (20, 4)
    assert torch.equal(rows.train.present["d"]["a"], torch.as_tensor(has))


def test_rows_that_show_too_little_are_left_out(make_sample: Make) -> None:
    has = np.arange(30) % 3 > 0
    samples = {"d": make_sample(1, 30, {"a": 4, "b": 3}, a=has), "alone": make_sample(2, 9, {"b": 3})}
    assert prepared(samples, ["a", "b"], None).train.size("d") == 20
    assert [*prepared(samples, ["a", "b"], None).train.vectors] == ["d"]
    one = prepared(samples, ["a", "b"], None, fewest=1).train
    assert (one.size("d"), one.size("alone")) == (30, 9)


def test_a_space_without_training_rows_is_left_out_of_its_data_set(make_sample: Make) -> None:
    sample = make_sample(1, 40, {"a": 4, "b": 3, "c": 2})
    sample = replace(sample, present={**sample.present, "c": sample.folds == 0})
    rows = prepared({"d": sample, "e": make_sample(2, 9, {"b": 3, "c": 2})}, ["a", "b", "c"], 0)
    assert [*rows.train.vectors["d"]] == [*rows.held_out.vectors["d"]] == ["a", "b"]


def test_the_fold_to_judge_by_has_enough_pairs_and_leaves_some(make_sample: Make) -> None:
    sample = make_sample(1, 200, {"a": 4, "b": 3})
    assert held_out_fold({"d": sample}, ["a", "b"], 5) == 0
    few = replace(sample, folds=torch.where(torch.arange(200) < 19, 0, 3))
    assert held_out_fold({"d": few}, ["a", "b"], 5) == 3, "19 pairs are too few"
    assert held_out_fold({"d": replace(sample, folds=torch.zeros(200).long())}, ["a", "b"], 5) is None
    tiny = replace(make_sample(2, 2, {"b": 3, "c": 2}), folds=torch.tensor([0, 1]))
    assert held_out_fold({"d": sample, "tiny": tiny}, ["a", "b", "c"], 5) == 2, "what a tiny data set has is kept"
    assert held_out_fold({"d": make_sample(1, 60, {"a": 4, "b": 3})}, ["a", "b"], 5) is None
    assert held_out_fold({"d": sample}, ["a"], 5) is None


def test_held_out_rows_may_come_from_elsewhere(make_sample: Make) -> None:
    sample = make_sample(1, 60, {"a": 4, "b": 3})
    other = replace(sample, vectors={space: rows + 1 for space, rows in sample.vectors.items()})
    plain, moved = (prepared({"d": sample}, ["a", "b"], 0, unseen=u) for u in (None, {"d": other}))
    for space in "ab":
        assert torch.equal(moved.train.vectors["d"][space], plain.train.vectors["d"][space])
        shift = moved.held_out.vectors["d"][space] - plain.held_out.vectors["d"][space]
        torch.testing.assert_close(shift, torch.full_like(shift, 1 / plain.units[space]), rtol=1e-4, atol=1e-4)
