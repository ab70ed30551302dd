"""Reliability tables against scikit-learn's, and the calibration error where it is known."""

import json

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from anybind.errors import ShapeError, UsageError
from anybind.evaluation.reliability import reliability


def drawn(n=6000, seed=0, power=1.0):
    """Probabilities and truths; they come true with their own ``power``."""
    random = np.random.default_rng(seed)
    p = random.beta(0.6, 2.0, n)
    return torch.from_numpy(p), torch.from_numpy(random.random(n) < p**power)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_table_is_scikit_learns(power):
    p, same = drawn(power=power)
    prior = float(same.double().mean())
    table = reliability(p, same, prior=prior, bins=10)
    observed, predicted = calibration_curve(same.numpy(), p.numpy(), n_bins=10, strategy="quantile")
    assert [b["observed"] for b in table["bins"]] == pytest.approx(observed, abs=3e-3)
    assert [b["predicted"] for b in table["bins"]] == pytest.approx(predicted, abs=1e-3)
    assert {b["count"] for b in table["bins"]} == {600}
    assert table["ece"] == pytest.approx(float(np.abs(observed - predicted).mean()), abs=1e-3)
    assert json.loads(json.dumps(table)) == table


def test_what_comes_true_has_no_error_and_what_does_not_has_a_known_one():
    p, same = drawn(60000, power=1.0)
    assert reliability(p, same, prior=float(same.double().mean()))["ece"] < 0.01
    p, same = drawn(60000, power=2.0)
    expected = float((p - p**2).mean())  # |p - p^2| is its own sign throughout
    assert reliability(p, same, prior=float(same.double().mean()))["ece"] == pytest.approx(expected, abs=0.005)


def test_pairs_are_weighted_to_the_prior():
    """Posteriors at one half, among pairs of which one in 21 is right: weighting makes them come true."""
    random = np.random.default_rng(1)
    right, wrong = random.normal(1, 1, 3000), random.normal(0, 1, 60000)
    scores = torch.from_numpy(np.concatenate([right, wrong]))
    same = torch.arange(63000) < 3000
    p = torch.sigmoid(scores - 0.5)  # log ratio of N(1, 1) to N(0, 1)
    table = reliability(p, same, prior=0.5)
    assert table["ece"] < 0.02
    assert [b["observed"] for b in table["bins"]] == pytest.approx([b["predicted"] for b in table["bins"]], abs=0.05)
    assert reliability(p, same, prior=3000 / 63000)["ece"] > 0.3


def test_equal_probabilities_share_a_bin():
    p = torch.tensor([0.01] * 90 + [0.5] * 10)
    same = torch.tensor([False] * 89 + [True] + [True, False] * 5)
    table = reliability(p, same, prior=0.06)
    assert [(b["low"], b["count"]) for b in table["bins"]] == [(pytest.approx(0.01), 90), (0.5, 10)]
    assert table["ece"] == pytest.approx(0.9 * abs(1 / 90 - 0.01), abs=1e-6)


def test_what_makes_no_table_is_refused():
    p = torch.tensor([0.2, 0.7])
    with pytest.raises(ShapeError):
        reliability(p, torch.tensor([True]), prior=0.5)
    for wrong in (torch.tensor([True, True]), torch.tensor([False, False])):
        with pytest.raises(UsageError, match="right pairs and wrong"):
            reliability(p, wrong, prior=0.5)
    same = torch.tensor([False, True])
    for bad in (torch.tensor([0.2, 1.7]), torch.tensor([0.2, float("nan")])):
        with pytest.raises(UsageError, match="range"):
            reliability(bad, same, prior=0.5)
    with pytest.raises(UsageError, match="prior"):
        reliability(p, same, prior=1.0)
