"""What a held-out fold shows of a hop, against rows that truly are new."""

import numpy as np
import pytest
import torch

from anybind.array_input import array_sources
from anybind.bridging import routes_for
from anybind.fit_data import collect
from anybind.forecasting.evidence import gather
from anybind.forecasting.forecast import forecast_basis
from anybind.forecasting.held_out import held_out_folds
from anybind.forecasting.ranks import standardised
from anybind.methods.cca_chain import CCAChain

DIM, FAMILY = 40, 4


def families(n, seed):
    """Two spaces of a latent of 10, much noise, in families of four near-duplicates."""
    maps = np.random.default_rng(3).normal(size=(2, 10, DIM)) / 10**0.5
    random = np.random.default_rng([4, seed])
    z = np.repeat(random.normal(size=(n // FAMILY, 10)), FAMILY, 0) + 0.1 * random.normal(size=(n, 10))
    rows = [z @ each + 0.7 * random.normal(size=(n, DIM)) for each in maps]
    return {"a": rows[0], "b": rows[1]}, [f"f{seed}-{i // FAMILY}" for i in range(n)]


def fit(n, seed):
    rows, groups = families(n, seed)
    data = collect(array_sources({"d": rows}, present=None, ids=None, groups={"d": groups}, from_nan=False))
    routes = routes_for(data.moments, [("a", "b")])
    return CCAChain(features="identity").fit(data, targets=[("a", "b")], routes=routes), data, routes


def evidence(method, data, routes):
    return gather(held_out_folds(method, data, [("a", "b")], routes, 0), [("a", "b")]).hops["a", "b"]


@pytest.fixture(scope="module")
def hop():
    """A fit, its data, and routes."""
    return fit(200, 0)


def new_rows(data, seed, n=200):
    rows, _ = families(n, seed)
    return {space: data.inputs[space](torch.from_numpy(each).to(torch.float32)) for space, each in rows.items()}


def true_table(method, data, seed):
    rows = new_rows(data, seed)
    return method.score("a", rows["a"], "b", rows["b"])


def true_separation(method, data):
    tables = [true_table(method, data, seed) for seed in range(1, 11)]
    return float(torch.cat([standardised(table)[0] for table in tables]).mean())


def test_the_separation_is_that_of_new_rows(hop):
    found, truth = evidence(*hop), true_separation(*hop[:2])
    assert found.pairs == 200
    assert found.separation == pytest.approx(truth, abs=2 * found.error)
    assert found.error < 0.15 * truth


def test_it_is_that_of_the_fit_of_all_rows_which_folds_do_not_reach():
    found, reached = [], []
    for seed in range(20, 28):
        method, data, routes = fit(80, seed)
        hop, truth = evidence(method, data, routes), true_separation(method, data)
        found.append(hop.separation / truth)
        reached.append(hop.measured / truth)
    assert np.mean(reached) < 0.9
    assert np.mean(found) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("gallery", [20, 150])
def test_families_are_as_frequent_in_the_forecasts_gallery_as_in_a_real_one(hop, gallery):
    method, data, routes = hop
    found = forecast_basis(method, data, [("a", "b")], routes).forecast("a", "b", gallery)
    ranks = []
    for seed in range(1, 16):
        table, order = true_table(method, data, seed), np.random.default_rng(seed).permutation(200)[:gallery]
        part = table[order][:, order]
        ranks += [1 + (t > t.diagonal()[:, None]).sum(1).double() for t in (part, part.T)]
    truth = float((1 / torch.cat(ranks)).mean())
    assert found.mrr_interval[0] < truth < found.mrr_interval[1]
    assert found.mrr == pytest.approx(truth, rel=0.12)
