"""space_map: the affine map of a space, pooled means, and refusing spaces that do not vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anybind.errors import ArtifactError, DataError
from anybind.fit_data import FitData
from anybind.methods.space_map import SpaceMap, pooled_means, require_variance

Make = Callable[..., FitData]


def double(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def test_maps_rows_in_double_precision() -> None:
    mean, matrix, rows = double(0, 4), double(1, 4, 2), double(2, 3, 4).to(torch.float32)
    mapped = SpaceMap(mean, matrix)(rows)
    assert mapped.dtype == torch.float64
    for row, result in zip(rows.double(), mapped, strict=True):
        expected = [sum((row[i] - mean[i]) * matrix[i, j] for i in range(4)) for j in range(2)]
        torch.testing.assert_close(result, torch.stack(expected))


def test_no_rows_map_to_no_rows() -> None:
    assert SpaceMap(double(0, 4), double(1, 4, 2))(torch.zeros(0, 4)).shape == (0, 2)


def test_saved_and_restored_exactly() -> None:
    linear = SpaceMap(double(0, 4), double(1, 4, 2))
    restored = SpaceMap.restore("a", linear.tensors("a"), width=2)
    assert torch.equal(restored.mean, linear.mean)
    assert torch.equal(restored.matrix, linear.matrix)


@pytest.mark.parametrize(
    ("mean", "matrix", "width"),
    [((4,), (3, 2), 2), ((4,), (4, 3), 2), ((4, 1), (4, 2), 2), ((4,), (8,), None)],
)
def test_wrong_shapes_are_refused(mean: tuple[int, ...], matrix: tuple[int, ...], width: int | None) -> None:
    tensors = {"a/mean": double(0, *mean), "a/map": double(1, *matrix)}
    with pytest.raises(ArtifactError, match="wrong shape") as error:
        SpaceMap.restore("a", tensors, width=width)
    assert "'a'" in str(error.value.where)


def test_pooled_mean_is_the_mean_of_all_rows_that_have_the_space(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(30, 3)), 5 + random.normal(size=(7, 3))
    mask = np.arange(7) < 4
    data = fit_data(
        {"d1": {"a": first}, "d2": {"a": second, "b": random.normal(size=(7, 2))}},
        present={"d2": {"a": mask}},
    )
    expected = np.concatenate([first, second[mask]]).mean(0)
    np.testing.assert_allclose(pooled_means(data.moments)["a"], expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("normalise", [True, False])
def test_equal_rows_are_refused_whatever_the_rounding(fit_data: Make, seed: int, normalise: bool) -> None:
    random = np.random.default_rng(seed)
    constant = np.repeat(100 * random.normal(size=(1, 6)), 60, axis=0)
    data = fit_data({"d": {"a": constant, "b": random.normal(size=(60, 6))}}, normalise=normalise)
    require_variance(data.moments.groups(), "b")
    with pytest.raises(DataError, match="does not vary") as error:
        require_variance(data.moments.groups(), "a")
    assert "'a'" in str(error.value.where)


def test_rows_that_differ_by_rounding_only_are_refused(fit_data: Make) -> None:
    rows = 1e7 + np.random.default_rng(0).normal(size=(60, 6))
    data = fit_data({"d": {"a": rows}}, normalise=True)
    assert torch.linalg.matrix_rank(data.moments.groups()[0].covariance) > 0
    with pytest.raises(DataError, match="does not vary"):
        require_variance(data.moments.groups(), "a")


def test_small_variance_on_a_large_mean_is_variance(fit_data: Make) -> None:
    rows = 1e4 + np.random.default_rng(0).normal(size=(60, 6))
    require_variance(fit_data({"d": {"a": rows}}).moments.groups(), "a")


def test_a_space_without_rows_is_refused(fit_data: Make) -> None:
    rows: Any = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(DataError) as error:
        require_variance(fit_data({"d": {"a": rows}}).moments.groups(), "z")
    assert error.value.got == "no rows"
