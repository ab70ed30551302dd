"""latent: noise that is diagonal or isotropic, and data sets with their own covariance of z."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA, FactorAnalysis

from anybind.fit_data import FitData
from anybind.methods.latent import Start, em_step, log_likelihood, run_em
from anybind.methods.noise import NOISE_SHAPES
from anybind.moments import Group, Moments

Array = NDArray[np.float64]
Make = Callable[..., FitData]


def stacked(seed: int, dims: Sequence[int], rank: int, n: int = 400) -> Array:
    """n rows of a factor model with unequal noise, the spaces side by side."""
    random = np.random.default_rng(seed)
    width = sum(dims)
    noise = random.normal(size=(n, width)) * random.uniform(0.5, 1.5, width)
    return random.normal(size=(n, rank)) @ random.normal(size=(rank, width)) + noise


def groups_of(rows: Array, dims: Sequence[int]) -> list[Group]:
    names = "abcd"[: len(dims)]
    moments = Moments(dict(zip(names, dims, strict=True)), folds=1)
    parts = np.split(rows, np.cumsum(dims)[:-1], axis=1)
    vectors = {s: torch.tensor(x) for s, x in zip(names, parts, strict=True)}
    moments.update("d", vectors, torch.zeros(len(rows), dtype=torch.long))
    return moments.groups()


def test_diagonal_noise_is_factor_analysis() -> None:
    rows = stacked(0, (4, 3), rank=2)
    groups = groups_of(rows, (4, 3))
    model = run_em(Start.of(groups).model(2, "diagonal"), groups, 0.0, 400)
    oracle = FactorAnalysis(2, tol=1e-10, max_iter=5000, svd_method="lapack").fit(rows)
    assert log_likelihood(model, groups) / 400 == pytest.approx(oracle.score(rows), abs=1e-4)
    loadings = torch.cat([model.loadings["a"], model.loadings["b"]])
    covariance = loadings @ loadings.T + torch.block_diag(model.noise["a"], model.noise["b"])
    np.testing.assert_allclose(covariance, oracle.get_covariance(), atol=0.01)


def test_isotropic_noise_of_one_space_is_probabilistic_pca() -> None:
    """Tipping & Bishop (1999), equations 7 and 8, as scikit-learn has them."""
    rows = stacked(1, (6,), rank=2)
    groups = groups_of(rows, (6,))
    model = run_em(Start.of(groups).model(2, "isotropic"), groups, 0.0, 300)
    values = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    np.testing.assert_allclose(model.noise["a"], values[2:].mean() * np.eye(6), atol=1e-6)
    found = np.linalg.eigvalsh(model.loadings["a"] @ model.loadings["a"].T)[::-1][:2]
    np.testing.assert_allclose(found, values[:2] - values[2:].mean(), rtol=1e-5)
    oracle = PCA(2).fit(rows).get_covariance() * 399 / 400  # scikit-learn divides by n - 1
    np.testing.assert_allclose(model.loadings["a"] @ model.loadings["a"].T + model.noise["a"], oracle, atol=1e-4)


PATTERNS = ("a", "b", "ab", "bc", "ac", "abc")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(NOISE_SHAPES),
    own_priors=st.booleans(),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4),
)
def test_likelihood_never_falls_for_any_kind(seed: int, shape: str, own_priors: bool, patterns: list[str]) -> None:
    random = np.random.default_rng(seed)
    moments = Moments({"a": 4, "b": 3, "c": 5}, folds=1)
    for number, pattern in enumerate(patterns):
        rows = {s: torch.tensor(random.normal(size=(30, moments.dims[s])).cumsum(1)) for s in pattern}
        moments.update(f"d{number % 2}", rows, torch.zeros(30, dtype=torch.long))
    groups = moments.groups()
    model = Start.of(groups).model(2, shape, own_priors=own_priors)
    before = log_likelihood(model, groups)
    for _ in range(8):
        model = em_step(model, groups, 0.0)
        after = log_likelihood(model, groups)
        assert after >= before - 1e-8 * abs(before)
        before = after


@pytest.mark.parametrize("shape", ["diagonal", "isotropic"])
@pytest.mark.parametrize("shrinkage", [0.0, 1.0])
def test_noise_keeps_its_shape(fit_data: Make, chain: Any, shape: str, shrinkage: float) -> None:
    groups = fit_data(chain[1]).moments.groups()
    model = run_em(Start.of(groups).model(3, shape), groups, shrinkage, 3)
    for noise in model.noise.values():
        allowed = torch.diag(noise.diagonal()) if shape == "diagonal" else noise[0, 0] * torch.eye(len(noise))
        torch.testing.assert_close(noise, allowed.to(noise))


def test_own_priors_find_how_each_data_set_spreads(truth: Any) -> None:
    """Same loadings and noise; the latent of data set d2 is three times as wide along one axis, narrow in another."""
    world = truth(0, {"a": 6, "b": 5}, rank=2, reliability=0.8)
    spread = {"d1": np.array([1.0, 1.0]), "d2": np.array([3.0, 0.3])}
    moments = Moments({"a": 6, "b": 5}, folds=1)
    random = np.random.default_rng(1)
    for dataset, scale in spread.items():
        z = random.normal(size=(20_000, 2)) * scale
        rows = {s: z @ world.loadings[s].T + random.multivariate_normal(np.zeros(d), world.noise[s], 20_000)
                for s, d in moments.dims.items()}  # fmt: skip
        moments.update(dataset, {s: torch.tensor(x) for s, x in rows.items()}, torch.zeros(20_000, dtype=torch.long))
    groups = moments.groups()
    own, shared = (run_em(Start.of(groups).model(2, own_priors=o), groups, 0.0, 60) for o in (True, False))
    assert log_likelihood(own, groups) > log_likelihood(shared, groups) + 1000
    for dataset, scale in spread.items():
        expected = world.loadings["a"] * scale**2 @ world.loadings["b"].T
        found = (own.loadings["a"] @ own.priors[dataset] @ own.loadings["b"].T).numpy()
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    mean = torch.stack([*own.priors.values()]).mean(0)
    torch.testing.assert_close(mean, torch.eye(2, dtype=torch.float64), atol=1e-3, rtol=0)


def test_shrinkage_draws_own_priors_to_the_identity(fit_data: Make, chain: Any) -> None:
    groups = fit_data(chain[1]).moments.groups()
    start = Start.of(groups).model(3, own_priors=True)
    identity = torch.eye(3, dtype=torch.float64)
    free, drawn = (run_em(start, groups, shrinkage, 5).priors["d1"] for shrinkage in (0.0, 1e6))
    assert (free - identity).norm() > 0.01
    torch.testing.assert_close(drawn, identity, atol=1e-3, rtol=0)
