"""pcca: the whole method, against densities, explicit posteriors, and baselines in a world of known truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import ArtifactError, NoPathError
from anybind.fit_data import FitData
from anybind.methods.latent import Start, em_step
from anybind.methods.pcca import PCCA
from anybind.methods.principal import principal_axes, projections
from anybind.methods.ridge_chain import RidgeChain

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]


def scores_of(fitted: Any, rows: dict[str, Any], tensor: Tensor) -> torch.Tensor:
    result: torch.Tensor = fitted.score("a", tensor(rows["a"]), "c", tensor(rows["c"]))
    return result


# ------------------------------------------------------------------------------------- the fitted method


def test_embed_is_the_posterior_mean_of_the_latent(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    model, rows = chain
    data = fit_data(rows)
    fitted = PCCA(rank=3, shrinkage=0.5, steps=7).fit(data)
    maps = projections(principal_axes(data.moments, 384))
    groups = data.moments.projected(maps).groups()
    em = Start.of(groups).model(3)
    for _ in range(7):
        em = em_step(em, groups, 0.5)
    test = model.draw(9, ["b"], 3)["b"]
    mean = np.concatenate([rows["d1"]["b"], rows["d2"]["b"]]).mean(0)
    w, psi = em.loadings["b"].numpy(), em.noise["b"].numpy()
    gain = w.T @ np.linalg.inv(w @ w.T + psi)  # of the joint Gaussian of z and x, not of the information form
    expected = (test - mean) @ maps["b"].numpy() @ gain.T
    embedded = fitted.embed("b", tensor(test))
    assert embedded.dtype == torch.float32
    np.testing.assert_allclose(embedded, expected, atol=1e-5)


def test_retrieval_is_perfect_where_the_answer_is_exact(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    random = np.random.default_rng(0)
    mixing = {s: random.normal(size=(8, 12)) for s in "abc"}
    z = random.normal(size=(500, 8))
    rows = {s: z @ mixing[s] + 1e-3 * random.normal(size=(500, 12)) for s in "abc"}
    data = fit_data({"d1": {s: rows[s][:200] for s in "ab"}, "d2": {s: rows[s][200:400] for s in "bc"}})
    for similarity in ("cosine", "llr"):
        fitted = PCCA(rank=8, shrinkage=0.1, similarity=similarity).fit(data)
        for a, c in (("a", "c"), ("a", "b"), ("c", "b"), ("a", "a")):
            scores = fitted.score(a, tensor(rows[a][400:]), c, tensor(rows[c][400:]))
            assert plain_mrr(scores) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_beats_ridge_chain_and_isotropic_noise_in_a_shifted_world(
    fit_data: Make, world: Any, tensor: Tensor, plain_mrr: MRR, seed: int
) -> None:
    place = world(seed)
    data = fit_data({"d1": place.draw(2000, "ab", 0, 1), "d2": place.draw(2000, "bc", 1, 2)}, normalise=True)
    pairs = fit_data({"true": place.draw(2000, "ac", 0, 3)}, normalise=True)
    test = place.draw(300, "ac", 0, 4)

    def mrr(method: Any, fitted_on: FitData) -> float:
        a, c = (fitted_on.inputs[s](tensor(test[s])) for s in "ac")
        return plain_mrr(method.score("a", a, "c", c))

    oracle = mrr(PCCA().fit(pairs), pairs)
    assert 0.7 < oracle <= 1
    # the world is hard: what ignores the pivot's noise, or takes nuisance for signal, fails in it
    assert mrr(RidgeChain().fit(data, targets=[("a", "c")]), data) < 0.35 * oracle
    assert mrr(PCCA(rank=16, noise="isotropic").fit(data), data) < 0.35 * oracle
    assert mrr(PCCA().fit(data), data) > 0.93 * oracle
    assert mrr(PCCA(similarity="llr").fit(data), data) > 0.85 * oracle
    assert mrr(PCCA(means="pooled").fit(data), data) > 0.75 * oracle


@pytest.mark.parametrize("seed", [0, 1])
def test_two_hundred_rows_per_data_set_will_do(
    fit_data: Make, world: Any, tensor: Tensor, plain_mrr: MRR, seed: int
) -> None:
    """The right shrinkage is far from the usual one here, and is found."""
    place = world(seed)
    data = fit_data({"d1": place.draw(200, "ab", 0, 1), "d2": place.draw(200, "bc", 1, 2)}, normalise=True)
    test = place.draw(300, "ac", 0, 4)
    rows = {s: data.inputs[s](tensor(test[s])) for s in "ac"}

    def mrr(method: PCCA) -> float:
        return plain_mrr(method.fit(data).score("a", rows["a"], "c", rows["c"]))

    assert mrr(PCCA()) > 0.65 > 0.15 > mrr(PCCA(shrinkage=1.0))


@pytest.mark.parametrize("true", [True, False], ids=["true pairs", "wrong pairs"])
def test_a_few_extra_pairs_do_no_harm(fit_data: Make, world: Any, tensor: Tensor, plain_mrr: MRR, true: bool) -> None:
    place = world(0)
    big = {"d1": place.draw(2000, "ab", 0, 1), "d2": place.draw(2000, "bc", 1, 2)}
    few = place.draw(20, "ac", 0, 9)
    if not true:
        few["c"] = few["c"][::-1].copy()
    test = place.draw(300, "ac", 0, 4)

    def mrr(datasets: Any) -> float:
        data = fit_data(datasets, normalise=True)
        fitted = PCCA(rank=16, shrinkage=1.0).fit(data)
        return plain_mrr(
            fitted.score("a", data.inputs["a"](tensor(test["a"])), "c", data.inputs["c"](tensor(test["c"])))
        )

    assert mrr({**big, "d3": few}) > mrr(big) - 0.02


@pytest.mark.parametrize("options", [{"noise": "diagonal"}, {"noise": "isotropic"}, {"latent": "own"}])
def test_every_kind_of_model_binds_and_tiny_wrong_data_sets_do_not_steer_it(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: MRR, options: dict[str, str]
) -> None:
    model = truth(3, {"a": 10, "b": 10, "c": 10}, rank=5, reliability=0.95)
    big = {"d1": model.draw(1000, ["a", "b"], 1), "d2": model.draw(1000, ["b", "c"], 2)}
    wrong = {"a": model.draw(20, ["a"], 3)["a"], "c": model.draw(20, ["c"], 4)["c"]}
    test = model.draw(200, ["a", "c"], 5)
    alone, beside = (
        plain_mrr(scores_of(PCCA(rank=5, shrinkage=1.0, **options).fit(fit_data(rows)), test, tensor))
        for rows in (big, {**big, "d3": wrong})
    )
    assert alone > 3 * np.mean(1 / np.arange(1, 201))
    assert beside > alone - 0.02


@pytest.mark.parametrize("similarity", ["cosine", "llr"])
def test_an_index_of_inner_products_finds_what_scores_find(
    fit_data: Make, chain: Any, tensor: Tensor, similarity: str
) -> None:
    model, rows = chain
    fitted = PCCA(rank=3, shrinkage=1.0, similarity=similarity).fit(fit_data(rows))
    test = {s: tensor(x) for s, x in model.draw(40, ["a", "c"], 3).items()}
    product = fitted.as_inner_product("a", "c")
    left, right = product.left(test["a"]), product.right(test["c"])
    assert left.dtype == right.dtype == torch.float32
    assert left.shape == right.shape == (40, 3 if similarity == "cosine" else 5)
    torch.testing.assert_close(left @ right.T, scores_of(fitted, test, tensor), atol=1e-4, rtol=1e-4)
    with pytest.raises(NoPathError):
        fitted.as_inner_product("a", "e")


# ------------------------------------------------------------------------------------- invariance


@pytest.mark.parametrize("similarity", ["cosine", "llr"])
def test_rotating_and_scaling_spaces_changes_nothing(
    fit_data: Make, chain: Any, tensor: Tensor, similarity: str
) -> None:
    model, rows = chain
    test = model.draw(20, ["a", "c"], 3)
    random = np.random.default_rng(0)
    change = {
        s: 10.0**k * np.linalg.qr(random.normal(size=(d, d)))[0] for s, d, k in (("a", 8, 3), ("b", 7, -4), ("c", 6, 1))
    }
    changed = {name: {s: x @ change[s] for s, x in spaces.items()} for name, spaces in rows.items()}
    method = PCCA(rank=3, shrinkage=1.0, similarity=similarity)
    before = scores_of(method.fit(fit_data(rows)), test, tensor)
    after = scores_of(method.fit(fit_data(changed)), {s: test[s] @ change[s] for s in "ac"}, tensor)
    torch.testing.assert_close(after, before, atol=2e-5, rtol=2e-5)


def test_row_order_changes_nothing(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    model, rows = chain
    random = np.random.default_rng(0)
    orders = {name: random.permutation(600) for name in rows}
    ids = {name: [f"{name}-{i}" for i in range(600)] for name in rows}
    shuffled = {name: {s: x[orders[name]] for s, x in spaces.items()} for name, spaces in rows.items()}
    shuffled_ids = {name: [ids[name][i] for i in orders[name]] for name in rows}
    test = model.draw(20, ["a", "c"], 3)
    first = PCCA().fit(fit_data(rows, ids=ids))
    second = PCCA().fit(fit_data(shuffled, ids=shuffled_ids))
    assert (first.rank, first.shrinkage) == (second.rank, second.shrinkage)
    torch.testing.assert_close(scores_of(second, test, tensor), scores_of(first, test, tensor), atol=1e-5, rtol=1e-5)


def test_an_offset_of_a_whole_data_set_changes_no_map(fit_data: Make, chain: Any) -> None:
    """Data sets are centred one by one, so a shift between them is not read as covariance."""
    _, rows = chain
    shifted = {**rows, "d2": {s: x + 50 for s, x in rows["d2"].items()}}
    method = PCCA(rank=3, shrinkage=1.0)
    before, after = (method.fit(fit_data(d)).tensors() for d in (rows, shifted))
    for space in "abc":
        torch.testing.assert_close(after[f"{space}/map"].abs(), before[f"{space}/map"].abs(), atol=1e-4, rtol=1e-4)


def test_a_large_common_offset_costs_little(fit_data: Make, chain: Any, tensor: Tensor, plain_mrr: MRR) -> None:
    model, rows = chain
    test = model.draw(200, ["a", "c"], 3)
    far = {name: {s: x + 1e4 for s, x in spaces.items()} for name, spaces in rows.items()}
    method = PCCA(rank=3, shrinkage=1.0)
    near_mrr = plain_mrr(scores_of(method.fit(fit_data(rows)), test, tensor))
    far_mrr = plain_mrr(scores_of(method.fit(fit_data(far)), {s: x + 1e4 for s, x in test.items()}, tensor))
    assert near_mrr > 0.1
    assert far_mrr == pytest.approx(near_mrr, abs=0.01)


def test_fit_leaves_the_method_as_it_was(fit_data: Make, chain: Any) -> None:
    method = PCCA()
    fitted = method.fit(fit_data(chain[1]))
    assert method == PCCA()
    assert isinstance(fitted.rank, int)
    assert isinstance(fitted.shrinkage, float)


# ------------------------------------------------------------------------------------- shapes of the graph


GRAPHS = {
    "chain of four": {"d1": "ab", "d2": "bc", "d3": "cd"},
    "star": {"d1": "ab", "d2": "ac", "d3": "ad"},
    "loop": {"d1": "ab", "d2": "bc", "d3": "cd", "d4": "ad"},
    "wide rows": {"d1": "abc", "d2": "bcd"},
    "parallel data sets": {"d1": "ab", "d2": "ab", "d3": "bcd"},
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_connected_pair_is_bound(fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: MRR, name: str) -> None:
    model = truth(1, dict.fromkeys("abcd", 8), rank=4, reliability=0.95)
    rows = {d: model.draw(700, list(spaces), i) for i, (d, spaces) in enumerate(GRAPHS[name].items())}
    fitted = PCCA(rank=4, shrinkage=0.3).fit(fit_data(rows))
    test = model.draw(100, list("abcd"), 99)
    chance = np.mean(1 / np.arange(1, 101))
    for a in "abcd":
        for b in "abcd":
            assert plain_mrr(fitted.score(a, tensor(test[a]), b, tensor(test[b]))) > 8 * chance


def test_rows_with_missing_spaces_count(fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: MRR) -> None:
    """One data set in which c is paired with b only where a is missing binds a to c."""
    model = truth(2, {"a": 8, "b": 8, "c": 8}, rank=4, reliability=0.95)
    rows = model.draw(1200, list("abc"), 0)
    first = np.arange(1200) < 600
    rows["a"][~first], rows["c"][first] = np.nan, np.nan
    data = fit_data({"d": rows}, present={"d": {"a": first, "c": ~first}})
    assert data.moments.pairs("a", "c") == 0
    fitted = PCCA(rank=4, shrinkage=0.3).fit(data)
    test = model.draw(100, ["a", "c"], 1)
    assert plain_mrr(scores_of(fitted, test, tensor)) > 0.4


def test_spaces_of_one_dim(fit_data: Make, tensor: Tensor) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(400, 1))
    rows = {s: k * z + 0.3 * random.normal(size=(400, 1)) for s, k in (("a", 1), ("b", -2), ("c", 3))}
    data = fit_data({"d1": {s: rows[s][:150] for s in "ab"}, "d2": {s: rows[s][150:300] for s in "bc"}})
    fitted = PCCA().fit(data)
    latent = [fitted.embed(s, tensor(rows[s][300:]))[:, 0].numpy() for s in "ac"]
    assert np.corrcoef(*latent)[0, 1] > 0.85


def test_two_rows_per_data_set_with_given_options(fit_data: Make, tensor: Tensor) -> None:
    random = np.random.default_rng(0)
    rows = {
        "d1": {s: random.normal(size=(2, 5)) for s in "ab"},
        "d2": {s: random.normal(size=(2, 5)) for s in "bc"},
    }
    fitted = PCCA(rank=1, shrinkage=1.0).fit(fit_data(rows))
    scores = fitted.score("a", tensor(rows["d1"]["a"]), "b", tensor(rows["d1"]["b"]))
    assert torch.isfinite(scores).all()
    assert (scores.diagonal() > scores.fliplr().diagonal()).all()


# ------------------------------------------------------------------------------------- saving


def test_restored_from_json_and_tensors_exactly(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    model, rows = chain
    test = model.draw(10, ["a", "c"], 3)
    fitted = PCCA(similarity="llr").fit(fit_data(rows))
    restored = PCCA.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    assert restored.tensors().keys() == fitted.tensors().keys()
    assert all(torch.equal(t, fitted.tensors()[name]) for name, t in restored.tensors().items())
    assert torch.equal(scores_of(restored, test, tensor), scores_of(fitted, test, tensor))
    assert torch.equal(restored.embed("a", tensor(test["a"])), fitted.embed("a", tensor(test["a"])))


@pytest.mark.parametrize("name", ["a/mean", "a/map", "a/precision", "a/loading", "a/variance"])
def test_tensors_of_the_wrong_shape_are_refused(fit_data: Make, chain: Any, name: str) -> None:
    fitted = PCCA(rank=3, shrinkage=1.0).fit(fit_data(chain[1]))
    tensors = {**fitted.tensors(), name: torch.zeros(2, 2, dtype=torch.float64)}
    with pytest.raises(ArtifactError, match="wrong shape"):
        PCCA.restore(fitted.config(), tensors)
