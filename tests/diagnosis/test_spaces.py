"""Rank, hubs and equal vectors, against scikit-learn, scipy, brute force and theorems."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from anybind.diagnosis.spaces import covariance_spectrum, effective_rank, participation_ratio, space_report


@pytest.mark.parametrize(("n", "d"), [(200, 30), (30, 200)])
def test_the_spectrum_is_that_of_pca(n, d, draws):
    rows = draws(n, d) * torch.linspace(1, 3, d)
    found = covariance_spectrum(rows).flip(0)[: min(n - 1, d)].numpy()
    expected = PCA().fit(rows.numpy()).explained_variance_[: len(found)]
    np.testing.assert_allclose(found * n / (n - 1), expected, rtol=1e-9)


@pytest.mark.parametrize("r", [1, 5, 40])
def test_r_equal_directions_have_rank_r(r):
    spectrum = torch.cat([torch.full((r,), 2.5), torch.zeros(60 - r)]).double()
    assert effective_rank(spectrum) == pytest.approx(r)
    assert participation_ratio(spectrum) == pytest.approx(r)


def test_ranks_by_their_definitions():
    shares = np.array([0.7, 0.2, 0.1])
    spectrum = torch.from_numpy(shares * 42)
    assert effective_rank(spectrum) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert participation_ratio(spectrum) == pytest.approx(1 / (shares**2).sum())


def test_a_collapsed_space_has_a_low_rank_and_a_full_one_has_not(sampled, draws):
    full = draws(400, 200).numpy().astype(np.float32)
    low = (draws(400, 4) @ draws(4, 200, 1) + 0.01 * draws(400, 200, 2)).numpy().astype(np.float32)
    report = space_report(sampled({"full": full, "low": low}), "full")
    assert report.effective_rank > 100
    assert report.participation_ratio > 100
    report = space_report(sampled({"full": full, "low": low}), "low")
    assert 3 < report.effective_rank < 6
    assert 3 < report.participation_ratio < 5


def test_equal_vectors_are_found_also_when_zeros_have_signs(sampled, draws):
    rows = draws(60, 5).numpy().astype(np.float32)
    rows[1] = rows[0]
    rows[10:13] = rows[9]
    rows[20, 0], rows[21] = 0.0, rows[20]
    rows[21, 0] = -0.0
    groups = [f"g{row}" for row in range(60)]
    groups[1] = "g0"
    report = space_report(sampled({"a": rows}, groups=groups), "a")
    assert (report.equal, report.equal_apart, report.equal_most) == (8, 6, 4)
    assert sorted(report.equal_ids) == ["first:10", "first:11", "first:12", "first:9"]


def test_constant_and_few_rows_give_no_rank(sampled, draws):
    constant = space_report(sampled({"a": np.full((50, 6), 0.3, np.float32)}), "a")
    assert constant.constant
    assert (constant.effective_rank, constant.participation_ratio, constant.hubness) == (None, None, None)
    few = space_report(sampled({"a": draws(19, 6).numpy()}), "a")
    assert not few.constant
    assert (few.effective_rank, few.hubness) == (None, None)
