"""Distribution shift: the statistic by brute force, the p-value on data with and without a shift."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from anybind.diagnosis.pivots import between_share, mmd_test, shift_report


def test_the_statistic_is_the_one_of_the_paper(draws):
    a, b = draws(40, 5), draws(50, 5, 1) + 0.4
    pooled = torch.cat([a, b])
    width = float(torch.pdist(pooled).square().median())
    kernel = rbf_kernel(pooled.numpy(), gamma=1 / (2 * width))
    np.fill_diagonal(kernel, 0)
    expected = (kernel[:40, :40].sum() / (40 * 39) + kernel[40:, 40:].sum() / (50 * 49)
                - 2 * kernel[:40, 40:].sum() / (40 * 50))  # fmt: skip
    assert mmd_test(a, b, permutations=3)[0] == pytest.approx(expected, rel=1e-9)


def test_the_p_value_counts_divisions_by_hand(draws):
    a, b = draws(6, 2), draws(7, 2, 1) + 0.7
    observed, p_value = mmd_test(a, b, permutations=99, seed=4)
    generator = torch.Generator().manual_seed(4)
    pooled, hits = torch.cat([a, b]), 1
    for _ in range(99):
        order = torch.randperm(13, generator=generator)
        hits += mmd_test(pooled[order[:6]], pooled[order[6:]], permutations=1)[0] >= observed - 1e-12
    assert p_value == pytest.approx(hits / 100)


def test_one_distribution_gives_even_p_values(draws):
    samples = [(draws(40, 6, seed), draws(60, 6, seed + 500)) for seed in range(60)]
    found = [mmd_test(*pair, permutations=99, seed=seed)[1] for seed, pair in enumerate(samples)]
    assert np.mean(np.array(found) <= 0.1) < 0.2
    assert 0.38 < np.mean(found) < 0.62


def test_a_moved_mean_and_another_spread_are_seen(draws):
    assert mmd_test(draws(100, 6), draws(100, 6, 1) + 0.5)[1] == pytest.approx(1 / 500)
    assert mmd_test(draws(100, 6), 2 * draws(100, 6, 1))[1] == pytest.approx(1 / 500)


def test_near_duplicates_are_no_evidence_of_a_shift(draws):
    """Twenty items a side, each ten times: as rows they differ surely, as groups they do not."""
    p_rows, p_groups = [], []
    for seed in range(10):
        a, b = (draws(20, 5, seed + place).repeat_interleave(10, 0) for place in (0, 300))
        groups = [str(row // 10) for row in range(200)]
        p_rows.append(mmd_test(a, b, permutations=99)[1])
        p_groups.append(mmd_test(a, b, groups, groups, permutations=99)[1])
    assert max(p_rows) <= 0.05
    assert np.mean(p_groups) > 0.25


def test_the_share_between_means(draws):
    found = between_share(draws(4000, 3), draws(4000, 3, 1) + 1.0)
    assert found == pytest.approx(0.75 / (0.75 + 3), abs=0.02)  # |shift|^2 / 4 = .75, variance within 3
    assert between_share(draws(20, 400), draws(20, 400, 1)) < 0.01, "a finite sample's own distance is taken off"
    assert between_share(torch.ones(5, 2), torch.ones(5, 2)) == 0


def test_a_pivot_of_two_data_sets(views, sampled):
    one, alike = sampled(views(200)), sampled(views(250, seed=1), "second")
    same = shift_report(one, alike, "b")
    assert (same.datasets, same.rows) == (("first", "second"), (200, 250))
    assert same.p_value > 0.01
    assert same.mean_share < 0.02
    moved = shift_report(one, sampled(views(250, seed=1, shift=1.5), "second"), "b")
    assert moved.p_value <= 0.01
    assert moved.mean_share > 0.1
    assert shift_report(one, sampled(views(19, seed=1), "second"), "b") is None
    assert shift_report(one, sampled(views(100), "second", groups=["g"] * 100), "b") is None


def test_the_same_items_in_both_are_no_shift(views, sampled):
    assert shift_report(sampled(views(200)), sampled(views(200), "second"), "b").p_value > 0.9
