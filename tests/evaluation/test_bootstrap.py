"""Intervals against scipy and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from anybind.errors import EvaluationError, ShapeError
from anybind.evaluation import bootstrap_intervals, paired_difference, student_t_quantile


@pytest.mark.parametrize("df", [1, 2, 3, 9, 29, 500, 1e6])
@pytest.mark.parametrize("probability", [1e-6, 0.025, 0.4999, 0.5, 0.9, 0.975, 0.9995])
def test_t_quantile_equals_scipy(df, probability):
    expected = scipy.stats.t.ppf(probability, df)
    assert student_t_quantile(probability, df) == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_paired_difference_equals_scipy():
    generator = np.random.default_rng(0)
    b = generator.normal(0.3, 0.05, 10)
    a = b + generator.normal(0.02, 0.01, 10)
    difference = paired_difference(a.tolist(), b.tolist())
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert difference.mean == pytest.approx(float(np.mean(a - b)), rel=1e-12)
    assert difference.interval == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert difference.n == 10
    assert difference.to_dict()["interval"] == list(difference.interval)
    swapped = paired_difference(b.tolist(), a.tolist())
    assert swapped.interval == pytest.approx((-expected.high, -expected.low), rel=1e-9)


def test_paired_difference_sees_through_what_splits_have_in_common():
    hard_and_easy = [0.1, 0.5, 0.2, 0.9]
    difference = paired_difference([x + 0.01 for x in hard_and_easy], hard_and_easy)
    assert difference.interval == pytest.approx((0.01, 0.01), abs=1e-12)


def test_bootstrap_coverage_is_nominal():
    """Reciprocal ranks of a known distribution: 90 % intervals hold the true mean about 9 times in 10."""
    generator = np.random.default_rng(0)
    n_repeats, n_items = 400, 150
    truth = sum(1 / r for r in range(1, 21)) / 20
    covered = 0
    for seed in range(n_repeats):
        values = torch.from_numpy(1 / generator.integers(1, 21, (n_items, 1)))
        (low, high), = bootstrap_intervals(values, n_boot=300, seed=seed, confidence=0.9)
        covered += low <= truth <= high
    # Binomial standard deviation is 1.5 points; a percentile interval at this n is a little short.
    assert 0.84 <= covered / n_repeats <= 0.94


def test_bootstrap_equals_scipy_in_width():
    values = np.random.default_rng(1).random(200)
    (low, high), = bootstrap_intervals(torch.from_numpy(values)[:, None], n_boot=4000, seed=0)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2)
    expected = theirs.confidence_interval
    assert low == pytest.approx(expected.low, abs=0.004)
    assert high == pytest.approx(expected.high, abs=0.004)


def test_bootstrap_is_seeded_and_draws_columns_together():
    values = torch.rand(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table = torch.cat([values, values, 1 - values], dim=1)
    first, same, mirrored = bootstrap_intervals(table, seed=3)
    assert first == same
    assert mirrored == pytest.approx((1 - first[1], 1 - first[0]), abs=1e-12)
    assert bootstrap_intervals(table, seed=3)[0] == first
    assert bootstrap_intervals(table, seed=4)[0] != first


def test_items_that_agree_leave_no_doubt():
    assert bootstrap_intervals(torch.full((5, 1), 0.25)) == [(0.25, 0.25)]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: bootstrap_intervals(torch.zeros(0, 1)), ShapeError),
        (lambda: bootstrap_intervals(torch.zeros(3)), ShapeError),
        (lambda: bootstrap_intervals(torch.tensor([[math.nan]])), EvaluationError),
        (lambda: bootstrap_intervals(torch.zeros(3, 1), n_boot=0), EvaluationError),
        (lambda: bootstrap_intervals(torch.zeros(3, 1), seed=-1), EvaluationError),
        (lambda: bootstrap_intervals(torch.zeros(3, 1), confidence=95), EvaluationError),
        (lambda: paired_difference([1.0], [2.0]), EvaluationError),
        (lambda: paired_difference([1.0, 2.0], [2.0]), ShapeError),
        (lambda: paired_difference([1.0, math.nan], [2.0, 1.0]), EvaluationError),
        (lambda: paired_difference([1.0, 2.0], [2.0, 1.0], confidence=1.0), EvaluationError),
        (lambda: student_t_quantile(1.0, 3), EvaluationError),
        (lambda: student_t_quantile(0.9, 0), EvaluationError),
    ],
)
def test_bad_input_is_a_clear_error(call, error):
    with pytest.raises(error):
        call()
