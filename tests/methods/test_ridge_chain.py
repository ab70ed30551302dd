"""ridge-chain: regressions of scikit-learn, composed hop by hop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from anybind.errors import DataError, NoPathError, SelectionError
from anybind.fit_data import FitData
from anybind.methods.ridge_chain import RidgeChain

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
SPACES = {"a": 6, "b": 5, "c": 4, "d": 7}


@pytest.fixture
def datasets(truth: Any) -> dict[str, dict[str, Array]]:
    """A chain a-b, b-c, c-d of 150 rows each."""
    model = truth(0, SPACES, rank=3, reliability=0.9)
    return {f"d{i}": model.draw(150, list(pair), i) for i, pair in enumerate(("ab", "bc", "cd"))}


def sklearn_map(rows: dict[str, Array], a: str, b: str, ridge: float) -> Array:
    """Ridge regression of b on a; the strength is relative to the mean variance of a's dims."""
    variance = np.cov(rows[a].T, bias=True).trace() / rows[a].shape[1]
    fitted = Ridge(alpha=ridge * variance * len(rows[a]), solver="svd").fit(rows[a], rows[b])
    result: Array = fitted.coef_.T
    return result


def test_maps_are_products_of_ridge_regressions(fit_data: Make, datasets: Any) -> None:
    tensors = RidgeChain(ridge=0.3).fit(fit_data(datasets), targets=[("a", "d")]).tensors()
    hops = {"ab": "d0", "bc": "d1", "cd": "d2"}
    forward = [sklearn_map(datasets[d], *hop, 0.3) for hop, d in hops.items()]
    backward = [sklearn_map(datasets[d], *hop[::-1], 0.3) for hop, d in hops.items()][::-1]
    np.testing.assert_allclose(tensors["a/to/d"], forward[0] @ forward[1] @ forward[2], atol=1e-5)
    np.testing.assert_allclose(tensors["d/to/a"], backward[0] @ backward[1] @ backward[2], atol=1e-5)
    np.testing.assert_allclose(tensors["b/to/d"], forward[1] @ forward[2], atol=1e-5)


def test_embed_is_in_the_space_of_the_targets_goal(fit_data: Make, datasets: Any, tensor: Tensor) -> None:
    fitted = RidgeChain(ridge=0.3).fit(fit_data(datasets), targets=[("a", "c")])
    rows = datasets["d0"]["a"][:5]
    mean = np.concatenate([datasets[d]["a"] for d in ("d0",)]).mean(0)
    carried = (rows - mean) @ sklearn_map(datasets["d0"], "a", "b", 0.3) @ sklearn_map(datasets["d1"], "b", "c", 0.3)
    expected = carried / np.linalg.norm(carried, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.embed("a", tensor(rows)), expected, atol=1e-5)
    for space, dim in SPACES.items():
        assert fitted.embed(space, torch.ones(2, dim)).shape == (2, SPACES["c"])


def test_scores_are_symmetric_and_better_than_chance(
    fit_data: Make, datasets: Any, truth: Any, tensor: Tensor, plain_mrr: Callable[[Any], float]
) -> None:
    test = truth(0, SPACES, rank=3, reliability=0.9).draw(100, ["a", "d"], 9)
    fitted = RidgeChain().fit(fit_data(datasets))
    scores = fitted.score("a", tensor(test["a"]), "d", tensor(test["d"]))
    torch.testing.assert_close(fitted.score("d", tensor(test["d"]), "a", tensor(test["a"])), scores.T)
    assert scores.abs().max() <= 1 + 1e-6
    assert plain_mrr(scores) > 3 * np.mean(1 / np.arange(1, 101))


def test_every_hop_gets_its_own_ridge(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(120, 40))
    clean = {"a": z, "b": z @ random.normal(size=(40, 40)) + 0.3 * random.normal(size=(120, 40))}
    signal = random.normal(size=(120, 3)) @ random.normal(size=(3, 40))
    noisy = {s: signal + random.normal(size=(120, 40)) for s in "bc"}
    fitted = RidgeChain().fit(fit_data({"d1": clean, "d2": noisy}))
    assert fitted.chosen is not None
    assert fitted.chosen.keys() == {"a to b", "b to a", "b to c", "c to b"}
    assert fitted.chosen["b to c"] > 10 * fitted.chosen["a to b"]


def test_recovers_an_exact_linear_chain(fit_data: Make, tensor: Tensor, plain_mrr: Callable[[Any], float]) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(6, 6)), random.normal(size=(6, 6))
    a, b = random.normal(size=(40, 6)), random.normal(size=(40, 6))
    a, b = a - a.mean(0), b - b.mean(0)  # so that both data sets have the pivot's mean
    data = fit_data({"d1": {"a": a, "b": a @ first}, "d2": {"b": b, "c": b @ second}})
    fitted = RidgeChain(ridge=0.0).fit(data)
    np.testing.assert_allclose(fitted.tensors()["a/to/c"], first @ second, atol=1e-4)
    test = random.normal(size=(50, 6))
    assert plain_mrr(fitted.score("a", tensor(test), "c", tensor(test @ first @ second))) == 1


def test_restored_from_json_and_tensors_exactly(fit_data: Make, datasets: Any, tensor: Tensor) -> None:
    fitted = RidgeChain().fit(fit_data(datasets), targets=[("d", "a")])
    restored = RidgeChain.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    assert restored.chosen == fitted.chosen
    a, d = tensor(datasets["d0"]["a"]), tensor(datasets["d2"]["d"])
    assert torch.equal(restored.score("a", a, "d", d), fitted.score("a", a, "d", d))
    assert torch.equal(restored.embed("d", d), fitted.embed("d", d))


def test_fit_leaves_the_method_as_it_was(fit_data: Make, datasets: Any) -> None:
    method = RidgeChain(ridge=0.1)
    method.fit(fit_data(datasets))
    assert method == RidgeChain(ridge=0.1)


def test_two_rows_per_data_set_with_a_given_ridge(fit_data: Make, tensor: Tensor) -> None:
    random = np.random.default_rng(0)
    data = fit_data(
        {name: {s: random.normal(size=(2, 5)) for s in pair} for name, pair in (("d1", "ab"), ("d2", "bc"))}
    )
    fitted = RidgeChain(ridge=0.1).fit(data)
    assert torch.isfinite(fitted.score("a", torch.ones(3, 5), "c", torch.ones(2, 5))).all()
    with pytest.raises(SelectionError, match="too few"):
        RidgeChain().fit(data)


@pytest.mark.parametrize("ridge", [0.0, 0.1, "auto"])
def test_a_space_that_does_not_vary_is_an_error(fit_data: Make, ridge: Any) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d1": {"a": np.ones((60, 4)), "b": random.normal(size=(60, 4))}})
    with pytest.raises(DataError, match="does not vary"):
        RidgeChain(ridge=ridge).fit(data)


def test_spaces_in_different_parts_have_no_route(fit_data: Make, datasets: Any) -> None:
    parts = {"d0": datasets["d0"], "d2": datasets["d2"], "d3": {"e": np.eye(3)}}
    fitted = RidgeChain(ridge=0.1).fit(fit_data(parts))
    assert fitted.score("c", torch.ones(2, 4), "d", torch.ones(3, 7)).shape == (2, 3)
    for other, dim in (("c", 4), ("e", 3)):
        with pytest.raises(NoPathError):
            fitted.score("a", torch.ones(2, 6), other, torch.ones(2, dim))
    with pytest.raises(NoPathError):
        RidgeChain(ridge=0.1).fit(fit_data({"d3": {"e": np.eye(3)}, "d4": {"f": np.eye(3)}}))
