"""The modality gap: right where there is one, nothing where there is none."""

import numpy as np
import pytest
import torch

from anybind.diagnosis.gap import gap_report, squared_gap


def towers(n, offset, seed=0):
    """Two views of items on a sphere of 20 dims, the second moved by ``offset`` along one axis."""
    generator = np.random.default_rng(seed)
    items = generator.normal(size=(n, 20))
    other = items + 0.5 * generator.normal(size=(n, 20))
    items[:, 0] += offset
    return {"a": items.astype(np.float32), "b": other.astype(np.float32)}


def test_a_gap_is_measured_and_centring_removes_what_it_costs(sampled):
    report = gap_report(sampled(towers(300, 12.0)), "a", "b")
    assert report.distance > 0.6
    assert report.share > 0.4
    assert report.mrr_centred > report.mrr + 0.05
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in towers(300, 12.0).items()}
    assert report.distance == pytest.approx(np.linalg.norm(unit["a"].mean(0) - unit["b"].mean(0)), rel=0.01)


def test_without_a_gap_none_is_claimed(sampled):
    report = gap_report(sampled(towers(300, 0.0)), "a", "b")
    assert report.distance < 0.05
    assert report.share < 0.01
    assert report.mrr_centred == pytest.approx(report.mrr, abs=0.02)


def test_the_squared_gap_is_unbiased(draws):
    """The plain squared distance of the means would be above the truth by the variance over n."""
    found = [squared_gap(draws(30, 10, seed) + 0.2, draws(30, 10, seed + 1000))[0] for seed in range(300)]
    assert np.mean(found) == pytest.approx(10 * 0.2**2, rel=0.15)
    assert squared_gap(torch.ones(5, 2), torch.ones(5, 2)) == (0.0, 0.0)


def test_few_pairs_have_no_gap(sampled):
    assert gap_report(sampled(towers(40, 3.0)), "a", "b") is None
