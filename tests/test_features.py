"""Kernel features against the exact kernels, kernel PCA and exact kernel ridge regression, and strict loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.decomposition import KernelPCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel

from anybind.errors import ArtifactError
from anybind.features import FeatureMap, FeatureOptions, feature_map, kernel, restored_features


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def made(rows: torch.Tensor, kind: str = "nystroem", kernel: str = "gaussian", width: float = 1.0,
         dims: int = 1024, seed: int = 0) -> FeatureMap:  # fmt: skip
    features = feature_map(rows, FeatureOptions(kind, kernel, width, dims=dims), seed)
    assert features is not None
    return features


def exact(a: torch.Tensor, b: torch.Tensor, landmarks: torch.Tensor, name: str, width: float) -> np.ndarray:
    """The kernel as the module defines it, with distances by scipy."""
    between = cdist(landmarks, landmarks, "sqeuclidean")
    median = np.median(between[between > 0])
    squared = cdist(a, b, "sqeuclidean") / median
    return np.exp(-width * (squared if name == "gaussian" else np.sqrt(squared)))


@pytest.mark.parametrize("gamma", [0.01, 0.5, 20.0])
def test_the_gaussian_is_that_of_scikit_learn(gamma: float) -> None:
    a, b = normal(0, 20, 3).double(), normal(1, 15, 3).double()
    np.testing.assert_allclose(kernel(a, b, "gaussian", gamma), rbf_kernel(a, b, gamma=gamma), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
@pytest.mark.parametrize("width", [0.5, 2.0])
def test_inner_products_are_the_kernel_where_every_row_is_a_landmark(name: str, width: float) -> None:
    rows = normal(0, 60, 4)
    found = made(rows, kernel=name, width=width)(rows)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found @ found.T, exact(rows, rows, rows, name, width), atol=2e-4)


def test_with_every_row_a_landmark_it_is_kernel_pca() -> None:
    rows = normal(0, 60, 4)
    features = made(rows)
    found = features(rows)
    oracle = KernelPCA(kernel="rbf", gamma=features.gamma, n_components=5).fit(rows.numpy())  # type: ignore[union-attr]
    centred = found - found.mean(0)
    np.testing.assert_allclose(torch.linalg.svdvals(centred)[:5] ** 2, oracle.eigenvalues_, rtol=1e-3)


def test_fewer_features_are_the_leading_ones() -> None:
    rows = normal(0, 60, 4)
    found = made(rows, dims=7)(rows)
    values, vectors = np.linalg.eigh(exact(rows, rows, rows, "gaussian", 1.0))
    assert found.shape == (60, 7)
    np.testing.assert_allclose(found @ found.T, (vectors[:, -7:] * values[-7:]) @ vectors[:, -7:].T, atol=1e-4)


@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_a_linear_fit_on_all_landmarks_is_the_exact_kernel_solution(name: str) -> None:
    rows, unseen, goals = normal(0, 80, 5), normal(1, 30, 5), normal(2, 80, 3)
    features = made(rows, kernel=name, width=1.0)
    linear = Ridge(alpha=0.3, fit_intercept=False).fit(features(rows).numpy(), goals)
    by_kernel = KernelRidge(alpha=0.3, kernel="precomputed").fit(exact(rows, rows, rows, name, 1.0), goals)
    expected = by_kernel.predict(exact(unseen, rows, rows, name, 1.0))
    np.testing.assert_allclose(linear.predict(features(unseen).numpy()), expected, atol=2e-4)


@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_random_features_come_close_and_closer_with_more(name: str) -> None:
    rows, a, b = normal(0, 50, 3), normal(1, 40, 3), normal(2, 30, 3)
    truth = exact(a, b, rows, name, 1.0)
    errors = []
    for count in (64, 16384):
        features = made(rows, "fourier", name, dims=count)
        assert features(a).shape == (40, count)
        errors.append(np.abs((features(a) @ features(b).T).numpy() - truth).max())
    assert errors[1] < 0.05 < errors[0]


def test_random_features_go_by_their_seed_and_keep_no_rows() -> None:
    rows = normal(0, 50, 3)
    one, same, other = (made(rows, "fourier", dims=8, seed=seed)(rows) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    assert {name: tuple(t.shape) for name, t in made(rows, "fourier", dims=7).tensors().items()} == {
        "frequencies": (3, 4)
    }


def test_few_landmarks_come_close_for_rows_they_have_not_seen() -> None:
    landmarks, rows = normal(0, 150, 2), normal(1, 50, 2)
    found = made(landmarks, width=0.3)(rows)
    np.testing.assert_allclose(found @ found.T, exact(rows, rows, landmarks, "gaussian", 0.3), atol=0.05)


@pytest.mark.parametrize(("name", "power"), [("gaussian", 2), ("laplacian", 1)])
def test_width_is_in_units_of_the_median_distance(name: str, power: int) -> None:
    rows = normal(0, 40, 3)
    one, two = made(rows, kernel=name, width=1.0), made(rows * 10, kernel=name, width=2.0)
    median = float((torch.pdist(rows.double()) ** 2).median())
    assert one.gamma == pytest.approx(median ** (-power / 2), rel=0.02)  # type: ignore[union-attr]
    assert two.gamma == pytest.approx(2 * one.gamma / 10**power, rel=1e-5)  # type: ignore[union-attr]


def test_features_do_not_depend_on_how_many_rows_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("nystroem", "fourier"):
        features = made(normal(0, 20, 3), kind, dims=10)
        whole = features(normal(1, 10, 3))
        with monkeypatch.context() as patch:
            patch.setattr("anybind.features._ROWS_AT_ONCE", 3)
            torch.testing.assert_close(features(normal(1, 10, 3)), whole)
        assert features(torch.zeros(0, 3)).shape == (0, features.width)


def test_equal_rows_have_no_features() -> None:
    options = FeatureOptions()
    assert feature_map(torch.ones(5, 3), options, 0) is None
    assert feature_map(torch.ones(5, 3) + 1e-8 * normal(0, 5, 3), options, 0) is None
    assert feature_map(normal(0, 1, 3), options, 0) is None
    assert feature_map(torch.cat([normal(0, 2, 3)] * 5), options, 0) is not None


@pytest.mark.parametrize("kind", ["nystroem", "fourier"])
@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_features_come_back_from_their_tensors(kind: str, name: str) -> None:
    rows = normal(1, 10, 3)
    features = made(normal(0, 20, 3), kind, name, dims=10)
    again = restored_features(features.tensors(), 3, "a")
    assert again is not None
    assert torch.equal(again(rows), features(rows))
    assert restored_features({}, 3, "a") is None


@pytest.mark.parametrize("kind", ["nystroem", "fourier"])
def test_features_that_do_not_fit_are_refused(kind: str) -> None:
    saved = made(normal(0, 20, 3), kind, dims=10).tensors()
    broken = [saved] if kind == "fourier" else [saved, *({k: v for k, v in saved.items() if k != n} for n in saved)]
    for tensors, dim in zip(broken, [4, 3, 3, 3], strict=False):
        with pytest.raises(ArtifactError, match="features do not fit"):
            restored_features(tensors, dim, "a")
    if kind == "nystroem":
        with pytest.raises(ArtifactError, match="features do not fit"):
            restored_features({**saved, "rate": saved["gamma"]}, 3, "a")
        with pytest.raises(ArtifactError, match="features do not fit"):
            restored_features({**saved, "gamma": -saved["gamma"]}, 3, "a")


def test_a_landmark_without_its_own_part_is_like_a_row_that_was_never_seen() -> None:
    rows = normal(0, 40, 4)
    features, without = made(rows), made(rows[1:], width=1.0)
    # the same kernel for both, whatever their medians
    without = feature_map(rows[1:], FeatureOptions(width=features.gamma / without.gamma, dims=1024), 0)  # type: ignore[union-attr,assignment]
    found = features(rows) - features.own_parts()  # type: ignore[union-attr]
    unseen = without(rows)
    np.testing.assert_allclose(found[0] @ features(rows)[1:].T, unseen[0] @ unseen[1:].T, atol=1e-4)
    np.testing.assert_allclose(found[0] @ found[0], unseen[0] @ unseen[0], atol=1e-4)
    assert float(features(rows)[0] @ features(rows)[0]) > float(found[0] @ found[0]) + 1e-3
