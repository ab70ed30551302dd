"""mean_shift: means of spaces from different data sets in one population, against the formula and known truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.fit_data import FitData
from anybind.methods.joined import connected_parts
from anybind.methods.latent import LatentModel
from anybind.methods.mean_shift import latent_shifts
from anybind.methods.pcca import PCCA
from anybind.moments import Moments

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]


def model_of(world: Any) -> LatentModel:
    tensors = ({s: torch.tensor(x) for s, x in part.items()} for part in (world.loadings, world.noise))
    return LatentModel(*tensors)


def moments_of(datasets: dict[str, dict[str, Array]], dims: dict[str, int]) -> Moments:
    moments = Moments(dims, folds=1)
    for name, rows in datasets.items():
        n = len(next(iter(rows.values())))
        moments.update(name, {s: torch.tensor(x) for s, x in rows.items()}, torch.zeros(n, dtype=torch.long))
    return moments


def test_a_chain_of_two_data_sets_gives_the_posterior_mean_of_the_shift(truth: Any) -> None:
    """dz = (I + W' Psi^-1 W)^-1 W' Psi^-1 (mean_b2 - mean_b1), from scratch."""
    world = truth(0, {"a": 5, "b": 6, "c": 4}, rank=3)
    rows = {"d1": world.draw(70, ["a", "b"], 1), "d2": world.draw(30, ["b", "c"], 2)}
    rows["d2"]["b"] += np.random.default_rng(0).normal(size=6)
    moments = moments_of(rows, {"a": 5, "b": 6, "c": 4})
    shifts = latent_shifts(model_of(world), moments.groups(), connected_parts(moments))
    w, inverse = world.loadings["b"], np.linalg.inv(world.noise["b"])
    apart = rows["d2"]["b"].mean(0) - rows["d1"]["b"].mean(0)
    dz = np.linalg.solve(np.eye(3) + w.T @ inverse @ w, w.T @ inverse @ apart)
    np.testing.assert_allclose(shifts["a"] - shifts["c"], dz, atol=1e-9)
    assert not shifts["b"].abs().max() > 1e-12  # the pivot was seen in all rows
    np.testing.assert_allclose(0.7 * shifts["a"] + 0.3 * shifts["c"], 0, atol=1e-12)  # d1 has 70 rows of 100


def test_parts_that_nothing_joins_do_not_move_each_other(truth: Any) -> None:
    world = truth(1, dict.fromkeys("abcde", 5), rank=2)
    chain = {"d1": world.draw(50, ["a", "b"], 1), "d2": world.draw(60, ["b", "c"], 2)}
    other = {"d3": {s: x + 9 for s, x in world.draw(500, ["d", "e"], 3).items()}}
    shifts = []
    for datasets in (chain, {**chain, **other}):
        moments = moments_of(datasets, dict.fromkeys("abcde", 5))
        shifts.append(latent_shifts(model_of(world), moments.groups(), connected_parts(moments)))
    for space in "abc":
        torch.testing.assert_close(shifts[0][space], shifts[1][space])
    assert not shifts[1]["d"].any()


def shifted_rows(world: Any, latent_means: dict[str, Array], spaces: dict[str, str]) -> dict[str, dict[str, Array]]:
    """Data sets whose items differ in the mean of z."""
    rows = {}
    for seed, (name, shown) in enumerate(spaces.items()):
        drawn = world.draw(3000, list(shown), seed)
        rows[name] = {s: x + latent_means[name] @ world.loadings[s].T for s, x in drawn.items()}
    return rows


@pytest.mark.parametrize(
    "spaces", [{"d1": "ab", "d2": "bc"}, {"d1": "ab", "d2": "bd", "d3": "cd"}], ids=["chain", "two pivots"]
)
def test_affine_means_find_pairs_that_a_shift_had_moved_apart(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any, spaces: dict[str, str]
) -> None:
    world = truth(2, dict.fromkeys("abcd", 12), rank=4, reliability=0.9)
    random = np.random.default_rng(3)
    latent_means = {name: 1.5 * random.normal(size=4) for name in spaces}
    data = fit_data(shifted_rows(world, latent_means, spaces))
    test = world.draw(200, ["a", "c"], 99)

    def mrr(**options: Any) -> float:
        fitted = PCCA(rank=4, shrinkage=0.1, **options).fit(data)
        # items of one data set: both spaces carry its mean
        rows = {s: tensor(x + latent_means["d1"] @ world.loadings[s].T) for s, x in test.items()}
        return float(plain_mrr(fitted.score("a", rows["a"], "c", rows["c"])))

    assert mrr() == mrr(means="affine") > 1.2 * mrr(means="pooled")
    assert mrr(means="pooled", centring="batch") > 1.2 * mrr(means="pooled")


def test_affine_means_hardly_move_for_nuisance_of_the_pivot(fit_data: Make, chain: Any) -> None:
    """A shift of the pivot across its signal, within its noise, is no shift of the items."""
    world, rows = chain
    w, noise = world.loadings["b"], world.noise["b"]
    across = np.linalg.svd(np.linalg.solve(noise, w).T)[2][-1]  # a direction b in which W' Psi^-1 b = 0
    moved = {**rows, "d2": {**rows["d2"], "b": rows["d2"]["b"] + 3 * across}}
    method = PCCA(rank=3, shrinkage=0.1)
    before, after = (method.fit(fit_data(d)).spaces["c"].encode.mean for d in (rows, moved))
    signal = {**rows, "d2": {**rows["d2"], "b": rows["d2"]["b"] + w @ np.ones(3)}}
    told = method.fit(fit_data(signal)).spaces["c"].encode.mean
    assert (after - before).norm() < 0.2 * (told - before).norm()
    pooled = PCCA(rank=3, shrinkage=0.1, means="pooled").fit(fit_data(rows)).spaces["c"].encode.mean
    np.testing.assert_allclose(pooled, rows["d2"]["c"].mean(0), atol=1e-5)


def test_batch_centring_needs_twenty_rows_of_each(fit_data: Make, chain: Any, tensor: Tensor) -> None:
    world, rows = chain
    data = fit_data(rows)
    training, batch = (PCCA(rank=3, shrinkage=1.0, centring=c).fit(data) for c in ("training", "batch"))
    test = {s: tensor(x) for s, x in world.draw(40, ["a", "c"], 5).items()}
    few = {s: x[:19] for s, x in test.items()}
    assert torch.equal(batch.score("a", test["a"], "c", few["c"]), training.score("a", test["a"], "c", few["c"]))
    assert torch.equal(batch.score("a", few["a"], "c", test["c"]), training.score("a", few["a"], "c", test["c"]))
    table = batch.score("a", test["a"], "c", test["c"])
    assert not torch.allclose(table, training.score("a", test["a"], "c", test["c"]), atol=1e-3)
    offset = batch.score("a", test["a"] + 5, "c", test["c"] - 3)
    torch.testing.assert_close(offset, table, atol=1e-4, rtol=1e-4)
    assert torch.equal(batch.embed("a", test["a"]), training.embed("a", test["a"]))
