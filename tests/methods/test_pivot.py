"""pivot: ridge regressions of scikit-learn onto the whitened pivot, and the places where routes meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from anybind.fit_data import FitData
from anybind.methods.meeting import Meeting, middle
from anybind.methods.pivot import Pivot
from anybind.methods.ridge_chain import RidgeChain

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]


def regression(rows: dict[str, Array], a: str, b: str, ridge: float) -> Array:
    """scikit-learn's ridge of b on a; the strength is relative to the mean variance of a's dims."""
    variance = np.cov(rows[a].T, bias=True).trace() / rows[a].shape[1]
    result: Array = Ridge(alpha=ridge * variance * len(rows[a]), solver="svd").fit(rows[a], rows[b]).coef_.T
    return result


def unit(rows: Array) -> Array:
    result: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


@pytest.fixture
def datasets(truth: Any) -> dict[str, dict[str, Array]]:
    """A chain a-b, b-c, c-d of 150 rows each."""
    model = truth(0, {"a": 6, "b": 5, "c": 4, "d": 7}, rank=3, reliability=0.9)
    return {f"d{i}": model.draw(150, list(pair), i) for i, pair in enumerate(("ab", "bc", "cd"))}


def test_both_ends_are_regressed_onto_the_whitened_pivot(fit_data: Make, datasets: Any, tensor: Tensor) -> None:
    fitted = Pivot(ridge=0.3, whitening=0.2).fit(fit_data(datasets), targets=[("a", "c")])
    parts = [datasets[d]["b"] - datasets[d]["b"].mean(0) for d in ("d0", "d1")]
    covariance = sum(x.T @ x for x in parts) / 300
    shrunk = covariance + 0.2 * covariance.trace() / 5 * np.eye(5)
    white = np.linalg.inv(np.linalg.cholesky(shrunk)).T  # white white' = shrunk^-1, as any whitening
    a = (datasets["d0"]["a"] - datasets["d0"]["a"].mean(0)) @ regression(datasets["d0"], "a", "b", 0.3) @ white
    every_c = np.concatenate([datasets["d1"]["c"], datasets["d2"]["c"]])
    c = (datasets["d1"]["c"] - every_c.mean(0)) @ regression(datasets["d1"], "c", "b", 0.3) @ white
    scores = fitted.score("a", tensor(datasets["d0"]["a"]), "c", tensor(datasets["d1"]["c"]))
    np.testing.assert_allclose(scores, unit(a) @ unit(c).T, atol=1e-4)


def test_a_direct_pair_meets_at_both_ends(fit_data: Make, datasets: Any, tensor: Tensor) -> None:
    """With hardly any whitening that is ridge-chain."""
    data = fit_data(datasets)
    a, b = (tensor(datasets["d0"][s]) for s in "ab")
    expected = RidgeChain(ridge=0.3).fit(data).score("a", a, "b", b)
    scores = Pivot(ridge=0.3, whitening=1e6).fit(data).score("a", a, "b", b)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


def test_a_longer_route_is_carried_hop_by_hop_to_both_middles(fit_data: Make, datasets: Any, tensor: Tensor) -> None:
    fitted = Pivot(ridge=0.3, whitening=1e6).fit(fit_data(datasets), targets=[("a", "d")])
    hops = {(a, b): regression(datasets[d], a, b, 0.3) for d, p in (("d0", "ab"), ("d1", "bc"), ("d2", "cd"))
            for a, b in (p, p[::-1])}  # fmt: skip
    a, d = (datasets[n][s] - datasets[n][s].mean(0) for n, s in (("d0", "a"), ("d2", "d")))
    in_b = unit(a @ hops["a", "b"]) @ unit(d @ hops["d", "c"] @ hops["c", "b"]).T
    in_c = unit(a @ hops["a", "b"] @ hops["b", "c"]) @ unit(d @ hops["d", "c"]).T
    scores = fitted.score("a", tensor(datasets["d0"]["a"]), "d", tensor(datasets["d2"]["d"]))
    np.testing.assert_allclose(scores, (in_b + in_c) / 2, atol=1e-4)


def test_meeting_in_the_pivot_beats_predicting_an_end_of_noise(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: MRR
) -> None:
    """The ends are mostly noise of their own, and the pivot is clean."""
    model = truth(3, dict.fromkeys("abc", 12), rank=6, reliability={"a": 0.5, "b": 0.95, "c": 0.5})
    data = fit_data({"d1": model.draw(1500, ["a", "b"], 1), "d2": model.draw(1500, ["b", "c"], 2)})
    test = model.draw(200, ["a", "c"], 3)
    mrr = [
        plain_mrr(method.fit(data, targets=[("a", "c")]).score("a", tensor(test["a"]), "c", tensor(test["c"])))
        for method in (Pivot(), RidgeChain())
    ]
    assert mrr[0] > mrr[1] + 0.02


def test_whitening_is_chosen_when_nuisance_dominates_the_pivot(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(400, 6))
    scale = np.r_[np.full(6, 1.0), np.full(6, 30.0)]
    loud = {"a": z, "b": np.c_[z, random.normal(size=(400, 6))] * scale}
    even = {"a": z, "b": z + 0.5 * random.normal(size=(400, 6))}
    strength = {}
    for name, rows in (("loud", loud), ("even", even)):
        chosen = Pivot().fit(fit_data({"d": rows}), targets=[("a", "b")]).chosen
        assert chosen is not None
        strength[name] = chosen["whitening b"]
    assert strength["loud"] == 0.1
    assert strength["even"] >= strength["loud"]


def test_recovers_an_exact_linear_chain(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(6, 6)), random.normal(size=(6, 6))
    a, b = random.normal(size=(40, 6)), random.normal(size=(40, 6))
    a, b = a - a.mean(0), b - b.mean(0)
    data = fit_data({"d1": {"a": a, "b": a @ first}, "d2": {"b": b, "c": b @ second}})
    fitted = Pivot(ridge=0.0, whitening=0.1).fit(data)
    test = random.normal(size=(50, 6))
    scores = fitted.score("a", tensor(test), "c", tensor(test @ first @ second))
    assert plain_mrr(scores) == 1
    np.testing.assert_allclose(scores.diagonal(), 1, atol=1e-4)


# ------------------------------------------------------------------------------------- meeting


@pytest.mark.parametrize(("route", "expected"), [("ab", "ab"), ("abc", "b"), ("abcd", "bc"), ("abcde", "c")])
def test_the_middle_of_a_route(route: str, expected: str) -> None:
    assert middle(tuple(route)) == tuple(expected)
    assert middle(tuple(route[::-1])) == tuple(expected[::-1])


def test_ways_lead_from_both_ends_to_the_middle_and_from_everywhere_to_the_hub(fit_data: Make, datasets: Any) -> None:
    meeting = Meeting.of(fit_data(datasets).moments, [("a", "c"), ("d", "b")], {})
    assert meeting.hub == "b"
    assert meeting.places == {("a", "c"): ("b",), ("b", "d"): ("c",)}
    ways = ("b", "ab", "cb", "dcb", "bc", "dc")
    assert meeting.ways == {(way[0], way[-1]): tuple(way) for way in ways}
    assert meeting.hops() == [("a", "b"), ("b", "c"), ("c", "b"), ("d", "c")]


@pytest.mark.parametrize(("target", "hub"), [("ad", "c"), ("da", "b"), ("ab", "b"), ("ba", "a"), ("bd", "c")])
def test_the_hub_is_the_middle_nearer_to_the_goal(fit_data: Make, datasets: Any, target: str, hub: str) -> None:
    assert Meeting.of(fit_data(datasets).moments, [(target[0], target[1])], {}).hub == hub


def test_without_targets_every_pair_has_its_places(fit_data: Make, datasets: Any) -> None:
    meeting = Meeting.of(fit_data(datasets).moments, (), {})
    assert meeting.places["a", "d"] == ("b", "c")
    assert len(meeting.places) == 6
    for (a, b), places in meeting.places.items():
        assert all((end, place) in meeting.ways or end == place for end in (a, b) for place in places)
