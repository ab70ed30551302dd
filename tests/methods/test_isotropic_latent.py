"""The latent model with isotropic noise: brute-force Gaussians, scikit-learn's probabilistic PCA, monotone EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from anybind.methods.isotropic_latent import IsotropicModel, Start, em_sweep, imputation_error
from anybind.methods.pattern_sums import PatternSums

DIMS = {"a": 5, "b": 3, "c": 4}
NO_FLOOR = dict.fromkeys(DIMS, 1e-12)


def random_model(seed: int = 0, rank: int = 2) -> IsotropicModel:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return IsotropicModel(
        {s: normal(d, rank) for s, d in DIMS.items()},
        {s: normal(d) for s, d in DIMS.items()},
        {"a": 0.1, "b": 0.5, "c": 1.3},
    )


def draw(model: IsotropicModel, n: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, model.rank, generator=generator, dtype=torch.float64)
    return {
        s: model.means[s] + z @ model.loadings[s].T
        + model.noise[s] ** 0.5 * torch.randn(n, d, generator=generator, dtype=torch.float64)
        for s, d in DIMS.items()
    }  # fmt: skip


def masks(n: int, seed: int, share: float = 0.6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.rand(n, generator=generator) < share for s in DIMS}


def stacked(model: IsotropicModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of all spaces of a row."""
    loadings = torch.cat([model.loadings[s] for s in DIMS])
    noise = torch.cat([torch.full((d,), model.noise[s], dtype=torch.float64) for s, d in DIMS.items()])
    return model.mean(tuple(DIMS)), loadings @ loadings.T + torch.diag(noise)


def columns(pattern: Any) -> list[int]:
    starts = dict(zip(DIMS, np.cumsum([0, *DIMS.values()]), strict=False))
    return [starts[s] + i for s in pattern for i in range(DIMS[s])]


@pytest.mark.parametrize("pattern", [("a",), ("b", "c"), ("a", "b", "c")])
def test_the_gain_is_gaussian_conditioning(pattern: tuple[str, ...]) -> None:
    model = random_model()
    _, covariance = stacked(model)
    shown = columns(pattern)
    loadings = torch.cat([model.loadings[s] for s in pattern])
    expected = loadings.T @ torch.linalg.inv(covariance[shown][:, shown])
    gain = model.gain(pattern)
    torch.testing.assert_close(gain.matrix, expected)
    torch.testing.assert_close(gain.covariance, torch.eye(2, dtype=torch.float64) - expected @ loadings)


def test_nothing_shown_leaves_the_prior() -> None:
    gain = random_model().gain(())
    assert gain.matrix.shape == (2, 0)
    torch.testing.assert_close(gain.covariance, torch.eye(2, dtype=torch.float64))


def test_log_likelihood_is_that_of_the_stacked_gaussian() -> None:
    model = random_model()
    rows, present = draw(random_model(1), 40, 0), masks(40, 1)
    mean, covariance = stacked(model)
    expected = 0.0
    for i in range(40):
        shown = columns([s for s in DIMS if present[s][i]])
        if shown:
            x = torch.cat([rows[s][i] for s in DIMS])[shown]
            expected += multivariate_normal.logpdf(x, mean[shown], covariance[shown][:, shown])
    assert model.log_likelihood(PatternSums.of(rows, present)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_log_likelihood_never_falls_under_random_masks(seed: int, rank: int) -> None:
    statistics = PatternSums.of(draw(random_model(seed), 80, seed), masks(80, seed + 100))
    floors = {"a": 1e-12, "b": 0.6, "c": 1e-12}  # the second one holds
    model = Start.of(statistics).model(rank, 1e-4)
    model, _ = em_sweep(model, statistics, floors)
    before = model.log_likelihood(statistics)
    for _ in range(25):
        model, said = em_sweep(model, statistics, floors)
        assert said == pytest.approx(before)
        after = model.log_likelihood(statistics)
        assert after >= before - 1e-9 * abs(before)
        before = after
    assert model.noise["b"] >= 0.6


def one_row_sweep(model: IsotropicModel, rows: Any, present: Any) -> IsotropicModel:
    """The same EM step written over rows and spaces, with an inverse per row; then z is standardised."""
    q = model.rank
    cross = {s: torch.zeros(d, q + 1, dtype=torch.float64) for s, d in DIMS.items()}
    gram = {s: torch.zeros(q + 1, q + 1, dtype=torch.float64) for s in DIMS}
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = {s: [] for s in DIMS}
    seconds = []
    for i in range(len(rows["a"])):
        shown = [s for s in DIMS if present[s][i]]
        precision = torch.eye(q, dtype=torch.float64)
        weighted = torch.zeros(q, dtype=torch.float64)
        for s in shown:
            precision += model.loadings[s].T @ model.loadings[s] / model.noise[s]
            weighted += model.loadings[s].T @ (rows[s][i] - model.means[s]) / model.noise[s]
        v = torch.linalg.inv(precision)
        m = torch.cat([v @ weighted, torch.ones(1, dtype=torch.float64)])
        second = torch.outer(m, m)
        second[:q, :q] += v
        seconds += [second] if shown else []
        for s in shown:
            cross[s] += torch.outer(rows[s][i], m)
            gram[s] += second
            seen[s].append((rows[s][i], m, v))
    solved = {s: cross[s] @ torch.linalg.inv(gram[s]) for s in DIMS}
    noise = {}
    for s, both in solved.items():
        errors = [
            float((x - both @ m).square().sum() + (both[:, :q] @ v @ both[:, :q].T).trace()) for x, m, v in seen[s]
        ]
        noise[s] = sum(errors) / (len(errors) * DIMS[s])
    mean = torch.stack(seconds).mean(0)
    centre = mean[:q, q]
    root = torch.linalg.cholesky(mean[:q, :q] - torch.outer(centre, centre))
    means = {s: b[:, q] + b[:, :q] @ centre for s, b in solved.items()}
    return IsotropicModel({s: b[:, :q] @ root for s, b in solved.items()}, means, noise)


def test_a_sweep_over_patterns_is_a_sweep_over_rows() -> None:
    rows, present = draw(random_model(1), 50, 0), masks(50, 1)
    model = random_model(2, rank=3)
    (fast, _), slow = em_sweep(model, PatternSums.of(rows, present), NO_FLOOR), one_row_sweep(model, rows, present)
    for s in DIMS:
        torch.testing.assert_close(fast.loadings[s], slow.loadings[s])
        torch.testing.assert_close(fast.means[s], slow.means[s])
        assert fast.noise[s] == pytest.approx(slow.noise[s])


def test_whole_rows_of_one_space_give_probabilistic_pca() -> None:
    """Whose maximum is known in closed form: scikit-learn's, with n for n - 1 in the covariance."""
    rows = draw(random_model(), 200, 0)["a"]
    statistics = PatternSums.of({"a": rows})
    model = Start.of(statistics).model(2, 1e-6)
    for _ in range(300):
        model, _ = em_sweep(model, statistics, {"a": 1e-12})
    oracle = PCA(2).fit(rows.numpy())
    expected = oracle.get_covariance() * 199 / 200
    found = model.loadings["a"] @ model.loadings["a"].T + model.noise["a"] * torch.eye(5, dtype=torch.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.means["a"], oracle.mean_, atol=1e-6)


def test_whole_rows_of_equal_noise_give_probabilistic_pca_of_the_stack() -> None:
    truth = IsotropicModel(random_model().loadings, random_model().means, dict.fromkeys(DIMS, 0.2))
    rows = draw(truth, 20_000, 0)
    statistics = PatternSums.of(rows)
    model = Start.of(statistics).model(2, 1e-6)
    for _ in range(100):
        model, _ = em_sweep(model, statistics, NO_FLOOR)
    oracle = PCA(2).fit(torch.cat([rows[s] for s in DIMS], dim=1).numpy())
    np.testing.assert_allclose(stacked(model)[1], oracle.get_covariance(), atol=0.02)


def test_the_start_is_at_the_scale_of_the_data() -> None:
    """Loadings of 0 are a saddle that EM does not leave."""
    for scale in (1e-3, 1.0, 1e3):
        rows = {s: scale * x for s, x in draw(random_model(), 300, 0).items()}
        model = Start.of(PatternSums.of(rows)).model(2, 1e-4)
        for s in DIMS:
            explained = float(model.loadings[s].square().sum() / rows[s].var(0).sum())
            assert 0.1 < explained < 1.2


def test_imputation_error_is_that_of_the_rows_one_by_one() -> None:
    model = random_model()
    rows, present = draw(random_model(1), 30, 0), masks(30, 3)
    errors: dict[str, list[float]] = {s: [] for s in DIMS}
    variances: dict[str, list[float]] = {s: [] for s in DIMS}
    for i in range(30):
        shown = [s for s in DIMS if present[s][i]]
        for s in shown if len(shown) > 1 else ():
            others = tuple(o for o in shown if o != s)
            x = torch.cat([rows[o][i] for o in others]) - model.mean(others)
            deviation = rows[s][i] - model.means[s]
            predicted = model.loadings[s] @ model.gain(others).matrix @ x
            errors[s].append(float((deviation - predicted).square().sum()))
            variances[s].append(float(deviation.square().sum()))
    expected = np.mean([sum(errors[s]) / sum(variances[s]) for s in DIMS])
    assert imputation_error(model, PatternSums.of(rows, present)) == pytest.approx(expected)
    assert np.isnan(imputation_error(model, PatternSums.of({"a": rows["a"]})))
