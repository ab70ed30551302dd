"""The composed separation, against a Gaussian whose covariances are known."""

import pytest
import torch

from anybind.forecasting.composing import PivotRows, composed_separation

DIMS, CORRELATION = 30, 0.7


def bridge(seed, fitted, held_out=400):
    """A and C show each axis of B with some correlation; B's covariance is that of few fitted rows."""
    random = torch.Generator().manual_seed(seed)

    def normal(n):
        return torch.randn(n, DIMS, generator=random, dtype=torch.float64)

    before, after, seen = normal(held_out), normal(held_out), normal(fitted)
    rest = (1 - CORRELATION**2) ** 0.5
    a, c = (CORRELATION * b + rest * normal(held_out) for b in (before, after))
    return a @ c.T, PivotRows(before, after, seen.T @ seen / fitted)


@pytest.mark.parametrize("fitted", [60, 5000])
def test_it_is_that_of_the_covariances_however_few_rows_the_pivots_covariance_comes_from(fitted):
    """E[a'c] = sum of rho^2 over the axes, in standard deviations of sqrt(axes)."""
    found = [composed_separation(scores, [pivot]) for scores, pivot in (bridge(seed, fitted) for seed in range(8))]
    assert sum(found) / len(found) == pytest.approx(CORRELATION**2 * DIMS**0.5, rel=0.08)


def test_it_is_nothing_where_the_ends_show_different_axes():
    scores, pivot = bridge(1, 100)
    random = torch.Generator().manual_seed(2)
    unrelated = torch.randn(scores.shape, generator=random, dtype=torch.float64)
    assert composed_separation(unrelated, [pivot]) == pytest.approx(0, abs=0.1)
