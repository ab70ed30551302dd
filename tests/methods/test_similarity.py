"""similarity: scores against densities, correlations against eigenvalues, inner products against scores."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.stats import multivariate_normal

from anybind.methods.latent import LatentModel, posterior_map
from anybind.methods.similarity import canonical_pair


def random_model(seed: int, dims: dict[str, int], rank: int) -> LatentModel:
    random = np.random.default_rng(seed)
    roots = {s: random.normal(size=(d, d + 3)) for s, d in dims.items()}
    loadings = {s: torch.tensor(random.normal(size=(d, rank))) for s, d in dims.items()}
    return LatentModel(loadings, {s: torch.tensor(r @ r.T / 3) for s, r in roots.items()})


@pytest.mark.parametrize(("d_a", "d_c", "rank"), [(5, 4, 2), (3, 4, 6), (1, 1, 1), (1, 6, 3)])
def test_llr_is_the_log_density_ratio_of_joint_and_independent_gaussians(d_a: int, d_c: int, rank: int) -> None:
    model = random_model(1, {"a": d_a, "c": d_c}, rank)
    (map_a, own_a), (map_c, own_c) = posterior_map(model, "a"), posterior_map(model, "c")
    random = np.random.default_rng(2)
    a, c = 2 * random.normal(size=(7, d_a)), 2 * random.normal(size=(6, d_c))
    scores = canonical_pair(own_a, own_c).score(torch.tensor(a) @ map_a, torch.tensor(c) @ map_c, "llr")
    wa, wc = model.loadings["a"].numpy(), model.loadings["c"].numpy()
    sa, sc = wa @ wa.T + model.noise["a"].numpy(), wc @ wc.T + model.noise["c"].numpy()
    joint = multivariate_normal(cov=np.block([[sa, wa @ wc.T], [wc @ wa.T, sc]]))
    for i in range(7):
        for j in range(6):
            expected = joint.logpdf(np.concatenate([a[i], c[j]]))
            expected -= multivariate_normal.logpdf(a[i], cov=sa) + multivariate_normal.logpdf(c[j], cov=sc)
            assert scores[i, j].item() == pytest.approx(expected, abs=1e-8)


def test_canonical_correlations_are_those_of_the_model() -> None:
    model = random_model(3, {"a": 5, "c": 4}, 3)
    pair = canonical_pair(posterior_map(model, "a")[1], posterior_map(model, "c")[1])
    wa, wc = model.loadings["a"].numpy(), model.loadings["c"].numpy()
    sa, sc = wa @ wa.T + model.noise["a"].numpy(), wc @ wc.T + model.noise["c"].numpy()
    squared = scipy.linalg.eigh(wa @ wc.T @ np.linalg.solve(sc, wc @ wa.T), sa, eigvals_only=True)[::-1][:3]
    np.testing.assert_allclose(pair.rho, np.sqrt(squared), atol=1e-9)


def test_cosine_weighs_each_canonical_direction_by_what_it_tells() -> None:
    model = random_model(8, {"a": 5, "c": 4}, 3)
    pair = canonical_pair(posterior_map(model, "a")[1], posterior_map(model, "c")[1])
    random = np.random.default_rng(6)
    a, c = random.normal(size=(7, 3)), random.normal(size=(6, 3))
    scores = pair.score(torch.tensor(a), torch.tensor(c), "cosine")
    u, v, rho = a @ pair.left.numpy(), c @ pair.right.numpy(), pair.rho.numpy()
    weight = rho / (1 - rho**2)
    for i in range(7):
        for j in range(6):
            length = np.sqrt((weight * u[i] ** 2).sum() * (weight * v[j] ** 2).sum())
            assert scores[i, j].item() == pytest.approx((weight * u[i] * v[j]).sum() / length, abs=1e-9)


def test_canonical_directions_have_unit_variance_and_correlation_rho() -> None:
    model = random_model(4, {"a": 5, "c": 4}, 3)
    own_a, own_c = posterior_map(model, "a")[1], posterior_map(model, "c")[1]
    pair = canonical_pair(own_a, own_c)
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(pair.left.T @ own_a @ pair.left, identity, atol=1e-9, rtol=0)
    torch.testing.assert_close(pair.right.T @ own_c @ pair.right, identity, atol=1e-9, rtol=0)
    torch.testing.assert_close(pair.left.T @ own_a @ own_c @ pair.right, torch.diag(pair.rho), atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["cosine", "llr"])
def test_pair_scores_do_not_depend_on_which_space_comes_first(kind: str) -> None:
    model = random_model(5, {"a": 5, "c": 4}, 3)
    own = {s: posterior_map(model, s)[1] for s in "ac"}
    random = np.random.default_rng(6)
    a, c = torch.tensor(random.normal(size=(7, 3))), torch.tensor(random.normal(size=(6, 3)))
    forward = canonical_pair(own["a"], own["c"]).score(a, c, kind)
    backward = canonical_pair(own["c"], own["a"]).score(c, a, kind)
    torch.testing.assert_close(forward, backward.T, atol=1e-9, rtol=0)


def test_perfectly_correlated_and_unrelated_directions_stay_finite() -> None:
    certain, nothing = torch.eye(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    rows = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for own in (certain, nothing, torch.diag(torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64))):
        for kind in ("cosine", "llr"):
            assert torch.isfinite(canonical_pair(own, own).score(rows, rows, kind)).all()
    assert not canonical_pair(nothing, certain).rho.any()


@pytest.mark.parametrize(("kind", "width"), [("cosine", 3), ("llr", 5)])
def test_a_score_is_one_inner_product(kind: str, width: int) -> None:
    """Each side is made without the other; two extra coordinates hold what is a side's own."""
    model = random_model(9, {"a": 5, "c": 4}, 3)
    pair = canonical_pair(posterior_map(model, "a")[1], posterior_map(model, "c")[1])
    random = np.random.default_rng(10)
    a, c = torch.tensor(random.normal(size=(7, 3))), torch.tensor(random.normal(size=(6, 3)))
    left, right = pair.left_vectors(a, kind), pair.right_vectors(c, kind)
    assert left.shape == (7, width)
    assert right.shape == (6, width)
    torch.testing.assert_close(left @ right.T, pair.score(a, c, kind))
    torch.testing.assert_close(pair.left_vectors(a[2:3], kind), left[2:3])
    torch.testing.assert_close(pair.right_vectors(c[4:], kind), right[4:])
