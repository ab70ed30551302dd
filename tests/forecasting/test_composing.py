"""The composed separation, against Gaussians whose covariances are known."""

import pytest
import torch

from anybind.forecasting.composing import Estimate, PivotRows, composed_separation

DIMS, CORRELATION = 30, 0.7


def drawn(seed):
    random = torch.Generator().manual_seed(seed)
    return lambda n: torch.randn(n, DIMS, generator=random, dtype=torch.float64)


def bridge(seed, fitted, held_out=400):
    """A and C show each axis of B with some correlation; B's covariance is that of few fitted rows."""
    normal = drawn(seed)
    before, after = normal(held_out), normal(held_out)
    covariances = tuple(rows.T @ rows / fitted for rows in (normal(fitted), normal(fitted)))
    rest = (1 - CORRELATION**2) ** 0.5
    a, c = (CORRELATION * b + rest * normal(held_out) for b in (before, after))
    return a @ c.T, PivotRows(before, after, covariances)


@pytest.mark.parametrize("fitted", [60, 5000])
def test_it_is_that_of_the_covariances_however_few_rows_the_pivots_covariance_comes_from(fitted):
    """E[a'c] = sum of rho^2 over the axes, in standard deviations of sqrt(axes)."""
    found = [composed_separation(scores, [pivot]) for scores, pivot in (bridge(seed, fitted) for seed in range(8))]
    assert Estimate.mean(found, 8).value == pytest.approx(CORRELATION**2 * DIMS**0.5, rel=0.08)


def test_its_error_is_how_far_it_scatters():
    found = [composed_separation(scores, [pivot]) for scores, pivot in (bridge(seed, 5000, 60) for seed in range(80))]
    scatter = torch.tensor([each.value for each in found]).std()
    assert Estimate.mean(found, 1).error == pytest.approx(float(scatter), rel=0.25)


def test_it_is_nothing_where_the_ends_show_different_axes():
    scores, pivot = bridge(1, 100)
    unrelated = drawn(2)(len(scores))[:, :1] @ drawn(3)(len(scores))[:, :1].T
    assert composed_separation(unrelated, [pivot]).value == pytest.approx(0, abs=0.1)


def test_a_shift_between_the_data_sets_is_not_taken_for_noise():
    """B varies differently in its two data sets; what A and C are given B is the same in both.

    A test of true pairs would show tr S1 in the first and tr S2 in the second, in standard deviations of the scores.
    """
    scale = torch.linspace(0.25, 4, DIMS, dtype=torch.float64)
    variances = scale, scale.flip(0)
    found = []
    for seed in range(8):
        normal = drawn(seed)
        before, after = (normal(600) * v.sqrt() for v in variances)
        pivot = PivotRows(before, after, tuple(torch.diag(v) for v in variances))
        found.append(composed_separation(before @ after.T, [pivot]).value)
    deviation = float((variances[0] * variances[1]).sum() ** 0.5)
    truth = float(sum(v.sum() for v in variances) / 2) / deviation
    pooled = float((2 * variances[0] * variances[1] / (variances[0] + variances[1])).sum()) / deviation
    assert sum(found) / len(found) == pytest.approx(truth, rel=0.1)
    assert pooled < 0.8 * truth
