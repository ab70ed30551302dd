"""What held-out folds show of a bridge, in worlds where it is known which end is noisy and which data set differs."""

import numpy as np
import torch

from anybind.array_input import array_sources
from anybind.bridging import routes_for
from anybind.fit_data import collect
from anybind.forecasting.evidence import gather
from anybind.forecasting.held_out import held_out_folds
from anybind.methods.cca_chain import CCAChain

ROUTE = ("a", "b", "c")
ALL = range(12)


def folds_of(method, data, routes):
    return held_out_folds(method, data, [("a", "c")], routes, 0)


def test_each_end_has_a_round_trip_of_its_own(fitted):
    """Less is left of a hop on a round trip over it, the noisier its end."""
    found = fitted(dict.fromkeys("abc", ALL), ["ab", "bc"], [("a", "c")], noise={"a": 1.5, "b": 0.3, "c": 0.2})
    evidence = gather(folds_of(found.method, found.data, found.routes), [ROUTE])
    ((before, after),) = evidence.bridges[ROUTE].trips
    kept = before.value / evidence.hops["a", "b"].measured, after.value / evidence.hops["b", "c"].measured
    assert kept[0] < 0.8 * kept[1]
    assert 0 < before.error < 0.2


def fold_with(sets):
    data = collect(array_sources(sets, present=None, ids=None, groups=None, from_nan=False), normalise=False)
    routes = routes_for(data.moments, [("a", "c")])
    method = CCAChain(features="identity").fit(data, targets=[("a", "c")], routes=routes)
    return next(iter(folds_of(method, data, routes))).further


def rows(n, seed, scale=1.0, offset=0.0, spaces="ab"):
    random = np.random.default_rng(seed)
    shown, maps = random.normal(size=(n, 6)) * scale, np.random.default_rng(1).normal(size=(3, 6, 12))
    return {s: shown @ maps["abc".index(s)] + 0.3 * random.normal(size=(n, 12)) + offset for s in spaces}


def test_how_a_pivot_varies_is_told_by_the_data_sets_of_either_hop():
    some = np.array([2.0, 2.0, 2.0, 0.3, 0.3, 0.3])
    fold = fold_with({"d1": rows(300, 2), "d2": rows(300, 3, scale=some, spaces="bc")})
    first, last = fold.crossed(ROUTE)[0].pivots[0].covariances
    assert float((first - last).norm()) > 0.3 * float(first.norm())
    trip = fold.round_trip(ROUTE, 0).pivots[0].covariances
    assert torch.equal(trip[0], trip[1])


def test_data_sets_of_one_hop_with_other_means_do_not_make_a_pivot_vary_more():
    """Two equal halves, one of them moved: what is seen of each varies as before around a mean of its own."""
    fold = fold_with({"d1": rows(200, 2), "d2": rows(200, 3, spaces="bc"), "d3": rows(200, 4, offset=3.0)})
    seen = fold._seen_beside("b", "a", ("a", "c"))
    assert float(seen.mean(0).abs().max()) < 1e-4
    half = len(seen) // 2
    assert float(seen[:half].mean(0).abs().max()) < 0.1 * float(seen.std(0).mean())


def test_landmarks_come_from_all_data_sets_of_a_hop():
    """40 of 79 rows: some of the last data set's, however many the first one has."""
    sets = {"d1": rows(60, 2), "d2": rows(80, 3, spaces="bc"), "d3": rows(60, 4, offset=50.0)}
    marks = fold_with(sets)._marks("b", "a", 40)
    assert 0.2 < float((marks.mean(1) > 25).double().mean()) < 0.8
