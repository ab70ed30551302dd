"""Likelihood ratios against those of known densities, and what they must never claim."""

import math

import pytest
import torch
from sklearn.isotonic import IsotonicRegression

from anybind.errors import UsageError
from anybind.forecasting.likelihood_ratio import LikelihoodRatio, isotonic

FAR = torch.tensor([-1e6, -50.0, 50.0, 1e6])


def normal(n, seed, mean=0.0, deviation=1.0):
    return mean + deviation * torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("mean", "deviation"), [(2.0, 1.0), (3.0, 1.5)])
def test_log_ratios_are_those_of_two_normal_densities(mean, deviation):
    found = LikelihoodRatio.of(normal(4000, 1, mean, deviation), normal(200000, 2), pairs=4000)
    at = torch.linspace(0, 3.5, 15, dtype=torch.float64)
    exact = -((at - mean) ** 2) / (2 * deviation**2) - math.log(deviation) + at**2 / 2
    assert float((found.log_ratio(at) - exact).abs().max()) < 0.35
    assert float((found.log_ratio(at) - exact).abs().mean()) < 0.15


@pytest.mark.parametrize("warp", [torch.exp, lambda x: x**3 + x])
def test_log_ratios_do_not_depend_on_the_scale_of_scores(warp):
    right, wrong, at = normal(2000, 3, 2), normal(100000, 4), torch.linspace(-1, 3.5, 10, dtype=torch.float64)
    plain = LikelihoodRatio.of(right, wrong, 2000).log_ratio(at)
    warped = LikelihoodRatio.of(warp(right), warp(wrong), 2000).log_ratio(warp(at))
    assert torch.allclose(plain, warped, atol=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_a_higher_score_never_speaks_less_for_the_same_item(seed):
    right = torch.cat([normal(30, seed, 3, 0.4), normal(3, seed + 9, -3)])  # few, in two humps
    found = LikelihoodRatio.of(right, normal(3000, seed + 20), 33)
    ratios = found.log_ratio(torch.linspace(-30, 30, 500))
    assert bool((ratios.diff() >= 0).all())


@pytest.mark.parametrize(("pairs", "unrelated"), [(30, 300), (300, 90000)])
def test_no_score_is_certain_beyond_what_the_counts_support(pairs, unrelated):
    found = LikelihoodRatio.of(normal(pairs, 5, 12), normal(unrelated, 6), pairs)
    ratios = found.log_ratio(FAR).exp()
    assert float(ratios[-1]) == pytest.approx(unrelated / 3, rel=0.01)
    assert float(ratios[0]) == pytest.approx(1 / (pairs + 2), rel=0.01)
    assert float(found.exceeded(FAR)[-1]) == pytest.approx(3 / unrelated)


def test_scores_that_tell_nothing_leave_the_prior_as_it_is():
    found = LikelihoodRatio.of(normal(600, 7), normal(50000, 8), 600)
    at = normal(10000, 9)
    assert float(found.log_ratio(at).abs().mean()) < 0.1
    assert float(found.log_ratio(at).exp().max()) < 3


def test_a_threshold_is_exceeded_as_often_as_stated():
    skewed = normal(100000, 10).exp()
    found = LikelihoodRatio.of(skewed + 5, skewed, 500)
    fresh = normal(400000, 11).exp()
    for rate in (0.2, 0.01, 0.001):
        threshold = found.threshold(rate)
        assert float((fresh > threshold).double().mean()) == pytest.approx(rate, rel=0.15)
        assert float(found.exceeded(torch.tensor([threshold]))) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.0, 2.0, 1e-6, float("nan")])
def test_rates_that_nothing_supports_are_refused(rate):
    found = LikelihoodRatio.of(normal(100, 12, 3), normal(1000, 13), 100)
    with pytest.raises(UsageError, match="false matches") as caught:
        found.threshold(rate)
    assert "0.003" in str(caught.value)


def test_isotonic_regression_is_scikit_learns():
    random = torch.Generator().manual_seed(14)
    values, weights = (torch.rand(200, generator=random, dtype=torch.float64) for _ in range(2))
    values = values + torch.linspace(0, 1, 200)
    weights = weights + 0.01
    expected = IsotonicRegression().fit_transform(range(200), values.numpy(), sample_weight=weights.numpy())
    assert isotonic(values, weights).numpy() == pytest.approx(expected)


def test_it_is_read_back_as_it_was():
    found = LikelihoodRatio.of(normal(100, 15, 3), normal(1000, 16), 100)
    again = LikelihoodRatio.from_dict(found.to_dict())
    at = torch.linspace(-3, 6, 30)
    assert torch.allclose(found.log_ratio(at), again.log_ratio(at), atol=1e-3)
