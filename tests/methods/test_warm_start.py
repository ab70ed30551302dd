"""warm_start: going on from a fit with more data; and fitting from moments that were merged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import SelectionError, ShapeError, UsageError
from anybind.fit_data import FitData
from anybind.methods.latent import LatentModel, Start, log_likelihood, run_em
from anybind.methods.pcca import PCCA
from anybind.methods.warm_start import warm_start
from anybind.moments import Group, Moments

Array = NDArray[np.float64]
Rows = dict[str, Array]
Tensor = Callable[[Array], torch.Tensor]
METHOD = PCCA(rank=3, shrinkage=1.0)


@pytest.fixture
def world(truth: Any) -> Any:
    return truth(0, {"a": 8, "b": 7, "c": 6, "e": 5, "f": 6}, rank=3, reliability=0.8)


def moments_of(datasets: dict[str, Rows]) -> Moments:
    moments = Moments({s: x.shape[1] for rows in datasets.values() for s, x in rows.items()})
    for name, rows in datasets.items():
        n = len(next(iter(rows.values())))
        moments.update(name, {s: torch.tensor(x) for s, x in rows.items()}, torch.arange(n) % 5)
    return moments


def table(fitted: PCCA, rows: Rows, tensor: Tensor, a: str = "a", c: str = "c") -> torch.Tensor:
    return fitted.score(a, tensor(rows[a]), c, tensor(rows[c]))


# ------------------------------------------------------------------------------------- merging


@pytest.mark.parametrize("method", [METHOD, PCCA()], ids=["given", "chosen"])
def test_moments_merged_from_two_machines_fit_as_all_of_them(world: Any, tensor: Tensor, method: PCCA) -> None:
    rows = {"d1": world.draw(300, ["a", "b"], 1), "d2": world.draw(300, ["b", "c"], 2)}
    # one machine has three fifths of d1, the other the rest of it and all of d2; folds go with the rows
    first = {"d1": {s: x[:180] for s, x in rows["d1"].items()}}
    second = {"d1": {s: x[180:] for s, x in rows["d1"].items()}, "d2": rows["d2"]}
    merged = moments_of(first).merge(moments_of(second))
    whole, parts = method.fit_moments(moments_of(rows)), method.fit_moments(merged)
    assert (parts.rank, parts.shrinkage) == (whole.rank, whole.shrinkage)
    test = world.draw(30, ["a", "c"], 3)
    torch.testing.assert_close(table(parts, test, tensor), table(whole, test, tensor), atol=1e-5, rtol=1e-5)


def test_fit_moments_is_fit(world: Any, tensor: Tensor, fit_data: Callable[..., FitData]) -> None:
    data = fit_data({"d1": world.draw(300, ["a", "b"], 1), "d2": world.draw(300, ["b", "c"], 2)})
    fitted, from_moments = METHOD.fit(data), METHOD.fit_moments(data.moments)
    assert all(torch.equal(t, from_moments.tensors()[name]) for name, t in fitted.tensors().items())


# ------------------------------------------------------------------------------------- going on


def test_the_start_explains_each_spaces_own_covariance(world: Any) -> None:
    groups = moments_of({"d1": world.draw(500, ["a", "b"], 1)}).groups()
    model = run_em(Start.of(groups).model(3), groups, 0.0, 5)
    start = warm_start(model.loadings, groups, 0.0)
    for space, loading in start.loadings.items():
        own = groups[0].block(space, space)
        torch.testing.assert_close(loading @ loading.T + start.noise[space], own, atol=1e-9, rtol=1e-9)


def test_loadings_that_explain_too_much_leave_positive_noise(world: Any) -> None:
    groups = moments_of({"d1": world.draw(500, ["a", "b"], 1)}).groups()
    known = {s: 100 * torch.tensor(world.loadings[s]) for s in "ab"}
    for noise_shape in ("full", "diagonal", "isotropic"):
        model = run_em(warm_start(known, groups, 0.0, noise_shape), groups, 0.0, 20)
        assert all(torch.linalg.eigvalsh(noise).min() > 0 for noise in model.noise.values())


ADDED: dict[str, Sequence[tuple[str, str, int]]] = {
    "more rows": [("d1", "ab", 200)],
    "a data set": [("d3", "ac", 200)],
    "a space": [("d3", "ce", 200)],
    "a chain of two spaces": [("d3", "ce", 300), ("d4", "ef", 300)],
}


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("latent", ["shared", "own"])
def test_going_on_arrives_where_a_fresh_fit_does(
    world: Any, tensor: Tensor, plain_mrr: Any, added: str, latent: str
) -> None:
    old = moments_of({"d1": world.draw(400, ["a", "b"], 1), "d2": world.draw(400, ["b", "c"], 2)})
    new = moments_of({name: world.draw(n, list(spaces), 7 + i) for i, (name, spaces, n) in enumerate(ADDED[added])})
    both, method = old.merge(new), replace(METHOD, latent=latent)
    gone_on, fresh = method.fit_moments(old).partial_fit(both), method.fit_moments(both)
    assert gone_on.config() == fresh.config()
    test = world.draw(150, list("abcef"), 9)
    for c in ("c", *(s for s in "ef" if s in fresh.spaces)):
        scores = [table(each, test, tensor, "a", c) for each in (gone_on, fresh)]
        assert plain_mrr(scores[0]) > plain_mrr(scores[1]) - 0.02
        assert torch.corrcoef(torch.stack([each.flatten() for each in scores]))[0, 1] > 0.98


@pytest.mark.parametrize(("noise_shape", "own_priors"), [("full", False), ("full", True), ("diagonal", False)])
def test_five_steps_from_a_fit_are_worth_twenty_from_scratch(world: Any, noise_shape: str, own_priors: bool) -> None:
    old = {"d1": world.draw(400, ["a", "b"], 1), "d2": world.draw(400, ["b", "c"], 2)}
    before, after = moments_of(old).groups(), moments_of({**old, "d3": world.draw(100, ["b", "c"], 3)}).groups()

    def scratch(groups: Sequence[Group], steps: int) -> LatentModel:
        return run_em(Start.of(groups).model(3, noise_shape, own_priors=own_priors), groups, 0.0, steps)

    start = warm_start(scratch(before, 20).loadings, after, 0.0, noise_shape, own_priors=own_priors)
    models = run_em(start, after, 0.0, 5), scratch(after, 1), scratch(after, 20)
    gone_on, early, late = (log_likelihood(model, after) / 900 for model in models)
    assert gone_on > late - 0.005  # nats per row
    assert gone_on > early + 0.01


def test_a_part_that_joins_nothing_old_is_fitted_from_scratch(world: Any, tensor: Tensor) -> None:
    old = moments_of({"d1": world.draw(200, ["a", "b"], 1)})
    both = old.merge(moments_of({"d2": world.draw(200, ["e", "f"], 2)}))
    gone_on, fresh = METHOD.fit_moments(old).partial_fit(both), METHOD.fit_moments(both)
    test = world.draw(20, ["e", "f"], 3)
    assert torch.equal(table(gone_on, test, tensor, "e", "f"), table(fresh, test, tensor, "e", "f"))


def test_going_on_leaves_the_old_fit_as_it_was_and_survives_saving(world: Any, tensor: Tensor) -> None:
    old = moments_of({"d1": world.draw(200, ["a", "b"], 1)})
    both = old.merge(moments_of({"d2": world.draw(200, ["b", "c"], 2)}))
    fitted = METHOD.fit_moments(old)
    kept = {name: tensor.clone() for name, tensor in fitted.tensors().items()}
    restored = PCCA.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    test = world.draw(20, ["a", "c"], 3)
    assert torch.equal(
        table(restored.partial_fit(both), test, tensor), table(fitted.partial_fit(both), test, tensor)
    )
    assert all(torch.equal(t, kept[name]) for name, t in fitted.tensors().items())


def test_what_cannot_go_on_says_so(world: Any) -> None:
    rows = {"d1": world.draw(200, ["a", "b"], 1)}
    fitted = METHOD.fit_moments(moments_of(rows))
    with pytest.raises(UsageError, match="no fit to go on from"):
        PCCA().partial_fit(moments_of(rows))
    with pytest.raises(ShapeError) as error:
        fitted.partial_fit(moments_of({"d1": {"a": rows["d1"]["a"][:, :5], "b": rows["d1"]["b"]}}))
    assert (error.value.got, error.value.expected) == (5, 8)
    with pytest.raises(SelectionError, match="rank"):
        fitted.partial_fit(moments_of({"d1": {s: x[:2] for s, x in rows["d1"].items()}}))
