"""latent: EM for the low-rank model with missing blocks, against row-wise EM, densities, CCA, known truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.latent import (
    LatentModel,
    Start,
    em_step,
    log_likelihood,
    pooled_covariances,
    posterior_map,
    run_em,
    space_by_space,
)
from anybind.moments import Group, Moments

Array = NDArray[np.float64]
Make = Callable[..., FitData]
SPACES = ("a", "b", "c")
DIMS = {"a": 4, "b": 3, "c": 5}


def random_model(seed: int, rank: int = 2) -> LatentModel:
    random = np.random.default_rng(seed)
    roots = {s: random.normal(size=(d, d + 2)) for s, d in DIMS.items()}
    loadings = {s: torch.tensor(random.normal(size=(d, rank))) for s, d in DIMS.items()}
    return LatentModel(loadings, {s: torch.tensor(r @ r.T / 4) for s, r in roots.items()})


def patterned_rows(seed: int, patterns: Mapping[str, Sequence[str]], n: int = 40) -> dict[str, list[dict[str, Array]]]:
    """Data set -> rows; a row holds the spaces that its pattern (a text of space names) names."""
    random = np.random.default_rng(seed)
    mixing = {s: random.normal(size=(2, d)) for s, d in DIMS.items()}
    result = {}
    for dataset, of_rows in patterns.items():
        rows = []
        for i in range(n):
            z = random.normal(size=2)
            rows.append({s: z @ mixing[s] + random.normal(size=DIMS[s]) for s in of_rows[i % len(of_rows)]})
        result[dataset] = rows
    return result


def groups_of(rows: Mapping[str, list[dict[str, Array]]]) -> list[Group]:
    moments = Moments(DIMS, folds=1)
    for dataset, of_rows in rows.items():
        spaces = sorted({s for row in of_rows for s in row})
        vectors = {s: torch.tensor(np.stack([row.get(s, np.zeros(DIMS[s])) for row in of_rows])) for s in spaces}
        present = {s: torch.tensor([s in row for row in of_rows]) for s in spaces}
        moments.update(dataset, vectors, torch.zeros(len(of_rows), dtype=torch.long), present)
    return moments.groups()


def centred(rows: Mapping[str, list[dict[str, Array]]]) -> list[dict[str, Array]]:
    """All rows, each space less its mean over its data set."""
    result = []
    for of_rows in rows.values():
        means = {s: np.mean([r[s] for r in of_rows if s in r], axis=0) for s in SPACES if any(s in r for r in of_rows)}
        result += [{s: x - means[s] for s, x in row.items()} for row in of_rows]
    return result


CHAIN = {"d1": ["ab"], "d2": ["bc"]}
LOOP = {"d1": ["ab"], "d2": ["bc"], "d3": ["ac"]}
HOLES = {"d1": ["ab", "a", "abc", "b"], "d2": ["bc", "abc", "c"]}


def naive_em_step(model: LatentModel, rows: list[dict[str, Array]]) -> tuple[dict[str, Array], dict[str, Array]]:
    """One step of EM row by row: posterior of z from the joint Gaussian of z and the row, then plain sums.

    As parameter-expanded EM: the covariance of z is re-estimated too and then put back to the identity.
    """
    loadings = {s: w.numpy() for s, w in model.loadings.items()}
    noise = {s: p.numpy() for s, p in model.noise.items()}
    rank = model.rank
    sum_zz = {s: np.zeros((rank, rank)) for s in loadings}
    sum_xz = {s: np.zeros((len(w), rank)) for s, w in loadings.items()}
    moments = []
    for row in rows:
        x = np.concatenate([row[s] for s in row])
        w = np.concatenate([loadings[s] for s in row])
        blocks = [[noise[s] if s == t else np.zeros((len(noise[s]), len(noise[t]))) for t in row] for s in row]
        covariance = w @ w.T + np.block(blocks)
        mean = w.T @ np.linalg.inv(covariance) @ x
        second = np.eye(rank) - w.T @ np.linalg.inv(covariance) @ w + np.outer(mean, mean)
        moments.append((row, mean, second))
        for s in row:
            sum_zz[s] += second
            sum_xz[s] += np.outer(row[s], mean)
    new = {s: sum_xz[s] @ np.linalg.inv(sum_zz[s]) for s in loadings}
    new_noise = {}
    for s, w in new.items():
        held = [(row[s], mean, second) for row, mean, second in moments if s in row]
        total = sum(
            np.outer(x, x) - w @ np.outer(mean, x) - np.outer(x, mean) @ w.T + w @ second @ w.T
            for x, mean, second in held
        )
        new_noise[s] = total / len(held)
    root = np.linalg.cholesky(np.mean([second for _, _, second in moments], axis=0))
    return {s: w @ root for s, w in new.items()}, new_noise


@pytest.mark.parametrize("patterns", [CHAIN, LOOP, HOLES], ids=["chain", "loop", "holes"])
def test_one_step_is_row_wise_em(patterns: Mapping[str, Sequence[str]]) -> None:
    rows, model = patterned_rows(1, patterns), random_model(2)
    stepped = em_step(model, groups_of(rows), 0.0)
    loadings, noise = naive_em_step(model, centred(rows))
    for s in SPACES:
        # the latent may be turned by a rotation: compare what does not depend on it
        for t in SPACES:
            np.testing.assert_allclose(
                stepped.loadings[s] @ stepped.loadings[t].T, loadings[s] @ loadings[t].T, atol=1e-9
            )
        np.testing.assert_allclose(stepped.noise[s], noise[s], atol=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    rank=st.integers(1, 4),
    patterns=st.dictionaries(
        st.sampled_from(["d1", "d2", "d3"]),
        st.lists(st.sampled_from(["a", "b", "c", "ab", "bc", "ac", "abc"]), min_size=1, max_size=3),
        min_size=1,
    ),
)
def test_likelihood_never_falls_without_shrinkage(seed: int, rank: int, patterns: dict[str, list[str]]) -> None:
    groups = groups_of(patterned_rows(seed, patterns))
    model = Start.of(groups).model(rank)
    before = log_likelihood(model, groups)
    for _ in range(8):
        model = em_step(model, groups, 0.0)
        after = log_likelihood(model, groups)
        assert after >= before - 1e-8 * abs(before)
        before = after


def test_shrinkage_gives_up_likelihood() -> None:
    groups = groups_of(patterned_rows(3, CHAIN))
    free = shrunken = Start.of(groups).model(2)
    for _ in range(30):
        free, shrunken = em_step(free, groups, 0.0), em_step(shrunken, groups, 5.0)
    assert log_likelihood(shrunken, groups) < log_likelihood(free, groups)


@pytest.mark.parametrize("patterns", [CHAIN, LOOP, HOLES], ids=["chain", "loop", "holes"])
def test_log_likelihood_is_the_sum_of_the_rows_densities(patterns: Mapping[str, Sequence[str]]) -> None:
    rows, model = patterned_rows(4, patterns), random_model(5)
    total = 0.0
    for row in centred(rows):
        w = torch.cat([model.loadings[s] for s in row])
        covariance = w @ w.T + torch.block_diag(*[model.noise[s] for s in row])
        total += scipy.stats.multivariate_normal.logpdf(np.concatenate(list(row.values())), cov=covariance.numpy())
    assert log_likelihood(model, groups_of(rows)) == pytest.approx(total, rel=1e-11)


def test_space_by_space_rows_have_the_likelihood_of_independent_spaces() -> None:
    rows, model = patterned_rows(4, HOLES), random_model(5)
    total = 0.0
    for row in centred(rows):
        for s, x in row.items():
            covariance = (model.loadings[s] @ model.loadings[s].T + model.noise[s]).numpy()
            total += scipy.stats.multivariate_normal.logpdf(x, cov=covariance)
    assert log_likelihood(model, space_by_space(groups_of(rows))) == pytest.approx(total, rel=1e-11)


@pytest.fixture(scope="module")
def paired() -> tuple[Array, Array]:
    random = np.random.default_rng(6)
    z = random.normal(size=(300, 2))
    a = z @ random.normal(size=(2, 4)) + random.normal(size=(300, 4)) @ random.normal(size=(4, 4))
    return a, z @ random.normal(size=(2, 3)) + random.normal(size=(300, 3))


def test_two_paired_spaces_converge_to_classical_cca(paired: tuple[Array, Array]) -> None:
    """Bach & Jordan (2005), theorem 2: the likeliest model has the sample's canonical correlations."""
    moments = Moments({"a": 4, "b": 3}, folds=1)
    rows = {s: torch.tensor(x) for s, x in zip("ab", paired, strict=True)}
    moments.update("d", rows, torch.zeros(300, dtype=torch.long))
    groups = moments.groups()
    model = Start.of(groups).model(2)
    for _ in range(1500):
        model = em_step(model, groups, 0.0)
    bases = [np.linalg.qr(x - x.mean(0))[0] for x in paired]
    expected = np.linalg.svd(bases[0].T @ bases[1])[1][:2]
    np.testing.assert_allclose(model_correlations(model, "a", "b")[:2], expected, atol=1e-4)
    scores = CCA(n_components=2, scale=False, tol=1e-10, max_iter=5000).fit(*paired).transform(*paired)
    sklearns = [np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(2)]
    np.testing.assert_allclose(model_correlations(model, "a", "b")[:2], sklearns, atol=1e-4)


def model_correlations(model: LatentModel, a: str, b: str) -> Array:
    """Canonical correlations of two spaces under a model, by generalised eigenvalues."""
    wa, wb = model.loadings[a].numpy(), model.loadings[b].numpy()
    ca, cb = wa @ wa.T + model.noise[a].numpy(), wb @ wb.T + model.noise[b].numpy()
    cross = wa @ wb.T
    squared = scipy.linalg.eigh(cross @ np.linalg.solve(cb, cross.T), ca, eigvals_only=True)[::-1]
    return np.sqrt(squared.clip(min=0))


def fitted(data: FitData, rank: int, steps: int, shrinkage: float = 0.0) -> LatentModel:
    groups = data.moments.groups()
    model = Start.of(groups).model(rank)
    for _ in range(steps):
        model = em_step(model, groups, shrinkage)
    return model


def distance(estimate: Any, expected: Array) -> float:
    return float(np.linalg.norm(np.asarray(estimate) - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("seed", range(3))
def test_two_readings_of_the_pivot_identify_what_was_never_seen_together(fit_data: Make, truth: Any, seed: int) -> None:
    """Two pivot spaces with independent noise: the A-C covariance is identified, and found."""
    dims = {"a": 5, "b": 4, "b2": 4, "c": 5}
    world = truth(seed, dims, rank=2, reliability={"a": 0.7, "b": 0.4, "b2": 0.5, "c": 0.6})
    data = fit_data({"d1": world.draw(20_000, ["a", "b", "b2"], 10), "d2": world.draw(20_000, ["b", "b2", "c"], 11)})
    model = fitted(data, rank=2, steps=150)
    expected = world.covariance("a", "c")
    assert distance(model.loadings["a"] @ model.loadings["c"].T, expected) < 0.06
    pivot = ["b", "b2"]
    ab = np.hstack([world.covariance("a", p) for p in pivot])
    bc = np.vstack([world.covariance(p, "c") for p in pivot])
    bb = np.block([[world.covariance(p, q) for q in pivot] for p in pivot])
    assert distance(ab @ np.linalg.inv(bb) @ bc, expected) > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_one_noisy_pivot_composition_attenuates_and_the_model_does_not(fit_data: Make, truth: Any, seed: int) -> None:
    """One pivot: not identified in general, but found where the spaces are about equally reliable."""
    world = truth(seed, {"a": 6, "b": 6, "c": 6}, rank=2, reliability=0.5)
    data = fit_data({"d1": world.draw(20_000, ["a", "b"], 12), "d2": world.draw(20_000, ["b", "c"], 13)})
    model = fitted(data, rank=2, steps=20)
    expected = world.covariance("a", "c")
    composed = world.covariance("a", "b") @ np.linalg.inv(world.covariance("b", "b")) @ world.covariance("b", "c")
    assert distance(composed, expected) == pytest.approx(0.5)  # every direction loses the pivot's reliability
    assert distance(model.loadings["a"] @ model.loadings["c"].T, expected) < 0.15


def test_a_loop_finds_the_same_covariances_as_full_rows(fit_data: Make, truth: Any) -> None:
    world = truth(4, {"a": 5, "b": 4, "c": 5}, rank=2)
    loop = fit_data({f"d{i}": world.draw(20_000, pair, 20 + i) for i, pair in enumerate(["ab", "bc", "ac"])})
    model = fitted(loop, rank=2, steps=150)
    for s, t in ("ab", "bc", "ac"):
        assert distance(model.loadings[s] @ model.loadings[t].T, world.covariance(s, t)) < 0.05
    for s in "abc":
        assert distance(model.noise[s], world.noise[s]) < 0.05


@pytest.mark.parametrize("rows", [4, 16])
def test_a_tiny_data_set_does_not_steer_the_start(fit_data: Make, truth: Any, rows: int) -> None:
    world = truth(5, {"a": 16, "b": 16, "c": 16}, rank=2, reliability=0.8)
    big = {"d1": world.draw(4000, ["a", "b"], 1), "d2": world.draw(4000, ["b", "c"], 2)}
    lies = {"a": world.draw(rows, ["a"], 3)["a"], "c": world.draw(rows, ["c"], 4)["c"]}
    alone, with_lies = (Start.of(fit_data(d).moments.groups()).model(2) for d in (big, {**big, "d3": lies}))
    cross = [(m.loadings["a"] @ m.loadings["c"].T).numpy() for m in (alone, with_lies)]
    assert distance(cross[1], cross[0]) < 0.5


def test_start_explains_each_spaces_own_covariance() -> None:
    groups = groups_of(patterned_rows(6, CHAIN, n=4000))
    model, own = Start.of(groups).model(1), pooled_covariances(groups, SPACES)
    for s in SPACES:
        total = model.loadings[s] @ model.loadings[s].T + model.noise[s]
        torch.testing.assert_close(total, own[s], rtol=0.02, atol=0.02)
        assert torch.linalg.eigvalsh(model.noise[s]).min() > 0


def test_pooled_covariance_weights_groups_by_rows() -> None:
    rows = {**patterned_rows(7, {"d1": ["ab"]}, n=30), **patterned_rows(8, {"d2": ["ac", "c"]}, n=10)}
    held = np.stack([row["a"] for row in centred(rows) if "a" in row])
    assert len(held) == 35
    np.testing.assert_allclose(pooled_covariances(groups_of(rows), ["a"])["a"], held.T @ held / 35, atol=1e-12)


def test_information_is_psi_inverse_w() -> None:
    model = random_model(9)
    weighted, precision = model.information("a")
    w, psi = model.loadings["a"].numpy(), model.noise["a"].numpy()
    np.testing.assert_allclose(weighted, np.linalg.inv(psi) @ w, atol=1e-9)
    np.testing.assert_allclose(precision, w.T @ np.linalg.inv(psi) @ w, atol=1e-9)
    assert model.rank == 2


def test_singular_noise_is_an_error_that_names_the_space() -> None:
    model = random_model(10)
    singular = LatentModel(model.loadings, {**model.noise, "b": torch.zeros(3, 3, dtype=torch.float64)})
    groups = groups_of(patterned_rows(10, CHAIN))
    for use in (lambda: em_step(singular, groups, 1.0), lambda: singular.information("b")):
        with pytest.raises(SelectionError) as error:
            use()
        assert "'b'" in str(error.value)


def test_fewer_rows_than_dims_stays_finite_with_shrinkage() -> None:
    groups = groups_of(patterned_rows(11, CHAIN, n=3))
    model = Start.of(groups).model(3)
    for _ in range(50):
        model = em_step(model, groups, 1.0)
    assert all(torch.isfinite(w).all() for w in (*model.loadings.values(), *model.noise.values()))


def test_run_em_takes_the_steps_it_is_told() -> None:
    groups = groups_of(patterned_rows(12, CHAIN))
    start = Start.of(groups).model(2)
    expected = em_step(em_step(start, groups, 1.0), groups, 1.0)
    stepped = run_em(start, groups, 1.0, 2)
    assert all(torch.equal(stepped.loadings[s], expected.loadings[s]) for s in SPACES)
    assert run_em(start, groups, 1.0, 0) is start


def test_posterior_map_is_the_conditional_mean_of_the_joint_gaussian() -> None:
    model = random_model(13)
    matrix, covariance = posterior_map(model, "b")
    w, psi = model.loadings["b"].numpy(), model.noise["b"].numpy()
    gain = w.T @ np.linalg.inv(w @ w.T + psi)
    np.testing.assert_allclose(matrix, gain.T, atol=1e-9)
    np.testing.assert_allclose(covariance, gain @ w, atol=1e-9)
