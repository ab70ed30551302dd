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


def test_two_pivots_are_joined_by_their_own_pairs():
    """A - B - C - D with one correlation throughout: E[a'd] = sum of rho^3."""
    rest, found = (1 - CORRELATION**2) ** 0.5, []
    for seed in range(12):
        normal = drawn(seed)
        before, b, after = normal(300), normal(600), normal(200)
        c = CORRELATION * b + rest * normal(600)
        a, d = CORRELATION * before + rest * normal(300), CORRELATION * after + rest * normal(200)
        plain = (torch.eye(DIMS, dtype=torch.float64),) * 2
        found.append(composed_separation(a @ d.T, [PivotRows(before, b, plain), PivotRows(c, after, plain)]))
    assert Estimate.mean(found, 12).value == pytest.approx(CORRELATION**3 * DIMS**0.5, rel=0.1)


def shifted(variances, weights, seeds=8, rows=600):
    """B's axes vary so in its two data sets; A and C show them as they are, and are scored with these weights."""
    found = []
    for seed in range(seeds):
        normal = drawn(seed)
        before, after = (normal(rows) * v.sqrt() for v in variances)
        pivot = PivotRows(before, after, tuple(torch.diag(v) for v in variances))
        found.append(composed_separation(before @ (weights[:, None] * after.T), [pivot]))
    return Estimate.mean(found, seeds).value


def test_a_shift_between_the_data_sets_is_not_taken_for_noise():
    """What A and C are given B is the same in both data sets, and so is how much B varies on the whole.

    A test of true pairs would show tr W S1 in the first and tr W S2 in the second; the mean is expected.
    """
    variances = torch.linspace(0.1, 1.9, DIMS, dtype=torch.float64), torch.ones(DIMS, dtype=torch.float64)
    weights = variances[0]
    deviation = float((weights.square() * variances[0] * variances[1]).sum() ** 0.5)
    first, last = (float((weights * each).sum()) / deviation for each in variances)
    assert shifted(variances, weights) == pytest.approx((first + last) / 2, rel=0.05)
    assert abs(first - last) > 0.2 * last


@pytest.mark.parametrize("times", [0.01, 1.0, 100.0])
def test_how_much_the_pivot_varies_on_the_whole_makes_no_difference(times):
    axes, same = torch.linspace(0.5, 1.5, DIMS, dtype=torch.float64), torch.ones(DIMS, dtype=torch.float64)
    assert shifted((axes, times * axes), same) == pytest.approx(shifted((axes, axes), same), rel=0.01)


def test_a_pivot_that_is_the_same_for_all_rows_of_a_data_set_joins_nothing():
    normal = drawn(4)
    rows, dead = normal(200), torch.ones(200, DIMS, dtype=torch.float64)
    pivot = PivotRows(rows, dead, (torch.eye(DIMS, dtype=torch.float64), torch.zeros(DIMS, DIMS, dtype=torch.float64)))
    assert composed_separation(rows @ normal(200).T, [pivot]).value == pytest.approx(0, abs=1e-9)
