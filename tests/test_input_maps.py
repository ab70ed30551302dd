"""Input maps: unit length at any scale, kernel features against scikit-learn, and strict loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import KernelPCA
from sklearn.metrics.pairwise import rbf_kernel

from anybind.errors import ArtifactError
from anybind.input_maps import InputMap, KernelMap, gaussian, kernel_map


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


# -------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1.0, 1e25, 1e37])
def test_unit_length_at_any_scale(scale: float) -> None:
    rows = torch.tensor([[3.0, -4.0], [0.6, 0.8], [0.0, 2.0]]) * scale
    expected = torch.tensor([[0.6, -0.8], [0.6, 0.8], [0.0, 1.0]])
    torch.testing.assert_close(InputMap(True)(rows), expected, rtol=1e-5, atol=1e-6)


def test_a_row_of_zeros_stays_zero_and_projection_comes_last() -> None:
    rows = torch.tensor([[0.0, 0.0], [0.0, 5.0]])
    assert InputMap(True)(rows).tolist() == [[0.0, 0.0], [0.0, 1.0]]
    projection = torch.tensor([[1.0], [2.0]])
    assert InputMap(True, projection=projection)(rows.double()).tolist() == [[0.0], [2.0]]
    assert InputMap(False, projection=projection)(rows).tolist() == [[0.0], [10.0]]
    assert rows.tolist() == [[0.0, 0.0], [0.0, 5.0]]


# ------------------------------------------------------------------------------------ kernel features


@pytest.mark.parametrize("gamma", [0.01, 0.5, 20.0])
def test_the_kernel_is_that_of_scikit_learn(gamma: float) -> None:
    a, b = normal(0, 20, 3).double(), normal(1, 15, 3).double()
    np.testing.assert_allclose(gaussian(a, b, gamma), rbf_kernel(a, b, gamma=gamma), rtol=1e-9, atol=1e-12)


def test_inner_products_of_features_are_the_kernel_where_every_row_is_a_landmark() -> None:
    rows = normal(0, 60, 4)
    features = kernel_map(rows, width=1.0)
    assert features is not None
    found = features(rows)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found @ found.T, rbf_kernel(rows, gamma=features.gamma), atol=1e-4)
    oracle = KernelPCA(kernel="rbf", gamma=features.gamma, n_components=5).fit(rows.numpy())
    centred = found - found.mean(0)
    np.testing.assert_allclose(torch.linalg.svdvals(centred)[:5] ** 2, oracle.eigenvalues_, rtol=1e-3)


def test_few_landmarks_come_close_for_rows_they_have_not_seen() -> None:
    features = kernel_map(normal(0, 150, 2), width=0.3)
    assert features is not None
    rows = normal(1, 50, 2)
    found = features(rows)
    np.testing.assert_allclose(found @ found.T, rbf_kernel(rows, gamma=features.gamma), atol=0.05)


def test_width_is_in_units_of_the_median_squared_distance() -> None:
    rows = normal(0, 40, 3)
    one, two = kernel_map(rows, 1.0), kernel_map(rows * 10, 2.0)
    assert one is not None
    assert two is not None
    distances = torch.pdist(rows.double()) ** 2
    assert one.gamma == pytest.approx(1 / float(distances.median()), rel=0.02)
    assert two.gamma == pytest.approx(one.gamma / 50, rel=1e-5)


def test_features_do_not_depend_on_how_many_rows_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features = kernel_map(normal(0, 20, 3), 1.0)
    assert features is not None
    whole = features(normal(1, 10, 3))
    monkeypatch.setattr("anybind.input_maps._ROWS_AT_ONCE", 4)
    torch.testing.assert_close(features(normal(1, 10, 3)), whole)
    assert features(torch.zeros(0, 3)).shape == (0, whole.shape[1])


def test_equal_landmarks_do_no_harm_and_nothing_else_makes_no_map() -> None:
    rows = normal(0, 12, 3)
    single, double = kernel_map(rows, 1.0), kernel_map(torch.cat([rows, rows]), 1.0)
    assert single is not None
    assert double is not None
    assert double.root.shape[1] == single.root.shape[1] == 12
    assert torch.isfinite(double(rows)).all()
    assert kernel_map(rows[:1].repeat(5, 1), 1.0) is None
    assert kernel_map(rows[:1], 1.0) is None
    assert kernel_map(rows[:0], 1.0) is None


# ------------------------------------------------------------------------------------------- loading


def whole_map() -> InputMap:
    features = kernel_map(normal(0, 9, 4), 1.0)
    assert features is not None
    return InputMap(True, features, normal(1, features.root.shape[1], 3))


@pytest.mark.parametrize(
    "made",
    [InputMap(True), InputMap(False, projection=normal(0, 4, 2)), whole_map()],
    ids=["plain", "narrow", "all"],
)
def test_a_restored_map_gives_the_same_bits(made: InputMap) -> None:
    restored = InputMap.restore(made.normalise, 4, made.tensors(), "image")
    rows = normal(5, 6, 4)
    assert torch.equal(restored(rows), made(rows))
    assert restored.width(4) == made.width(4) == made(rows).shape[1]
    assert restored.tensors().keys() == made.tensors().keys()


@pytest.mark.parametrize(
    "change",
    [
        {"landmarks": None},
        {"root": None},
        {"gamma": None},
        {"landmarks": normal(0, 9, 5)},
        {"landmarks": normal(0, 8, 4)},
        {"landmarks": normal(0, 4)},
        {"root": normal(0, 9)},
        {"gamma": torch.tensor([0.0], dtype=torch.float64)},
        {"gamma": torch.tensor(1.0, dtype=torch.float64)},
        {"gamma": torch.ones(2, dtype=torch.float64)},
        {"projection": normal(0, 4, 3)},
        {"projection": normal(0, 9)},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, torch.Tensor | None]) -> None:
    parts = {**whole_map().tensors(), **change}
    with pytest.raises(ArtifactError, match="fit") as caught:
        InputMap.restore(True, 4, {name: part for name, part in parts.items() if part is not None}, "image")
    assert caught.value.where == "space 'image'"


def test_a_kernel_map_is_plain_data() -> None:
    features = KernelMap(torch.tensor([[0.0], [1.0]]), torch.eye(2), gamma=1.0)
    np.testing.assert_allclose(features(torch.tensor([[0.0]])), [[1.0, np.exp(-1)]], rtol=1e-6)
