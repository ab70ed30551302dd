"""principal: a space's leading directions and the way back, against numpy's SVD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from anybind.errors import DataError
from anybind.fit_data import FitData
from anybind.methods.principal import principal_axes, projections
from anybind.moments import Moments

Make = Callable[..., FitData]


def test_principal_axes_give_uncorrelated_leading_directions(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 6)) @ np.diag([9, 5, 3, 1, 0.5, 0.1]) @ np.linalg.qr(random.normal(size=(6, 6)))[0]
    data = fit_data({"d": {"a": rows, "b": random.normal(size=(300, 2))}})
    axes = principal_axes(data.moments, 3)["a"]
    assert axes.into.shape == (6, 3)
    projected = (rows - rows.mean(0)) @ axes.into.numpy()
    covariance = projected.T @ projected / 300
    values = np.linalg.svd(rows - rows.mean(0))[1][:3] ** 2 / 300
    np.testing.assert_allclose(covariance, np.diag(values / values.mean()), atol=1e-6)


def test_principal_axes_drop_directions_without_variance(fit_data: Make) -> None:
    codes = np.eye(5)[np.random.default_rng(0).integers(0, 5, 100)]  # rows sum to 1: four directions vary
    assert principal_axes(fit_data({"d": {"a": codes}}).moments, 384)["a"].into.shape == (5, 4)


def test_the_way_back_is_the_pseudo_inverse_and_knows_what_is_lost(fit_data: Make) -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 6)) * [9, 5, 3, 1, 0.5, 0.1]
    data = fit_data({"d": {"a": rows, "b": random.normal(size=(300, 2))}})
    axes = principal_axes(data.moments, 3)["a"]
    assert projections({"a": axes})["a"] is axes.into
    np.testing.assert_allclose(axes.back, np.linalg.pinv(axes.into.numpy()), atol=1e-9)
    centred = rows - rows.mean(0)
    lost = centred - centred @ axes.into.numpy() @ axes.back.numpy()
    np.testing.assert_allclose(axes.dropped, lost.var(0), atol=1e-5)


def test_a_space_without_rows_is_an_error() -> None:
    moments = Moments({"a": 3, "b": 2})
    moments.update("d", {"a": torch.randn(9, 3)}, torch.arange(9) % 5)
    with pytest.raises(DataError) as error:
        principal_axes(moments, 384)
    assert "'b'" in str(error.value.where)
