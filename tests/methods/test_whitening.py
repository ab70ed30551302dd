"""whitening: identity covariances, pooled over data sets, and the same on a subspace that holds the rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import DataError
from anybind.fit_data import FitData
from anybind.methods.whitening import Whitening, pooled_covariance

Array = NDArray[np.float64]
Make = Callable[..., FitData]


def rows(seed: int, n: int, spaces: str, dim: int = 5) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {s: random.normal(size=(n, dim)) @ random.normal(size=(dim, dim)) + seed for s in spaces}


def test_covariances_are_pooled_within_data_sets_by_their_rows(fit_data: Make) -> None:
    first, second = rows(0, 50, "ab"), rows(40, 20, "abc")
    groups = fit_data({"d1": first, "d2": second, "d3": rows(2, 30, "a")}).groups()
    parts = [{s: x - x.mean(0) for s, x in part.items()} for part in (first, second)]
    cross = sum(part["a"].T @ part["b"] for part in parts) / 70
    np.testing.assert_allclose(pooled_covariance(groups, "a", "b"), cross, atol=1e-4)


@pytest.mark.parametrize("n", [60, 4])
def test_whitened_rows_have_covariance_one(fit_data: Make, n: int) -> None:
    held = rows(0, n, "ab")
    whitening = Whitening.of(fit_data({"d": held}).groups(), "ab", [("a", "b")])
    white = {s: (x - x.mean(0)) @ whitening.map(s, 0.0).numpy() for s, x in held.items()}
    kept = min(n - 1, 5)
    for x in white.values():
        np.testing.assert_allclose(x.T @ x / n, np.eye(kept), atol=1e-4)
    np.testing.assert_allclose(whitening.correlation(("a", "b"), 0, 0), white["a"].T @ white["b"] / n, atol=1e-4)


def test_shrinkage_is_in_units_of_the_mean_variance(fit_data: Make) -> None:
    held = rows(1, 60, "a")["a"]
    covariance = np.cov(held.T, bias=True)
    white = Whitening.of(fit_data({"d": {"a": held, "b": held}}).groups(), "a").map("a", 0.3).numpy()
    shrunk = covariance + 0.3 * covariance.trace() / 5 * np.eye(5)
    np.testing.assert_allclose(white @ white.T, np.linalg.inv(shrunk), rtol=1e-3)


def test_a_subspace_that_holds_the_rows_changes_nothing(fit_data: Make) -> None:
    data = fit_data({"d": rows(3, 15, "ab", dim=30)})
    whole = Whitening.of(data.groups(), "ab", [("a", "b")])
    groups = data.groups(without_fold=1)
    narrow, full = (Whitening.of(groups, "ab", [("a", "b")], within) for within in (whole, None))
    for shrinkage in (0.0, 0.5):
        outer = [w.map("a", shrinkage) @ w.correlation(("a", "b"), shrinkage, shrinkage) @ w.map("b", shrinkage).T
                 for w in (narrow, full)]  # fmt: skip
        torch.testing.assert_close(*outer, atol=1e-6, rtol=1e-5)


def test_a_space_that_does_not_vary_is_refused(fit_data: Make) -> None:
    groups = fit_data({"d": {**rows(0, 20, "a"), "b": np.ones((20, 3))}}).groups()
    with pytest.raises(DataError, match="does not vary"):
        Whitening.of(groups, "ab")
