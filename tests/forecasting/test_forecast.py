"""Forecasts against what is reached on true pairs: direct, bridged, chained, and where nothing joins the ends."""

import json

import numpy as np
import pytest

import anybind
from anybind.errors import NoPathError, UsageError
from anybind.forecasting.forecast import Basis

ALL = range(12)


@pytest.fixture(scope="module")
def chain(fitted):
    """Three spaces that show the same axes."""
    return fitted({"a": ALL, "b": ALL, "c": ALL}, ["ab", "bc"], [("a", "c"), ("a", "b")])


@pytest.mark.parametrize("gallery", [20, 200])
def test_a_direct_pairs_forecast_agrees_with_true_pairs(chain, gallery):
    found = chain.basis.forecast("a", "b", gallery)
    truth = chain.true_mrr("a", "b", gallery)
    assert (found.direct, found.path) == (True, ("a", "b"))
    assert found.mrr_interval[0] < truth < found.mrr_interval[1]
    assert found.mrr == pytest.approx(truth, rel=0.15)
    assert found.identification == found.mrr_interval


@pytest.mark.parametrize("gallery", [20, 200])
def test_a_bridged_pairs_interval_holds_the_truth_and_is_no_excuse(chain, gallery):
    found = chain.basis.forecast("c", "a", gallery)
    truth = chain.true_mrr("a", "c", gallery)
    assert (found.direct, found.path) == (False, ("a", "b", "c"))
    assert found.mrr_interval[0] < truth < found.mrr_interval[1]
    assert found.mrr == pytest.approx(truth, rel=0.25)
    assert found.chance < found.mrr_interval[0]
    low, high = found.identification
    assert low <= found.mrr_interval[0] <= found.mrr_interval[1] <= high
    assert high - low > found.mrr_interval[1] - found.mrr_interval[0]


def test_two_pivots_are_bridged_too(fitted):
    found = fitted(dict.fromkeys("abcd", ALL), ["ab", "bc", "cd"], [("a", "d")])
    forecast = found.basis.forecast("a", "d", 100)
    assert forecast.path == ("a", "b", "c", "d")
    assert forecast.mrr_interval[0] < found.true_mrr("a", "d", 100) < forecast.mrr_interval[1]


def test_nothing_is_promised_where_the_pivot_shows_what_the_ends_do_not_share(fitted):
    """Both hops retrieve well, of different axes: the composed pair is at chance."""
    found = fitted({"a": range(6), "b": ALL, "c": range(6, 12)}, ["ab", "bc"], [("a", "c"), ("a", "b")])
    forecast = found.basis.forecast("a", "c", 100)
    assert found.basis.forecast("a", "b", 100).mrr > 5 * forecast.chance
    assert forecast.mrr_interval[0] <= 1.05 * forecast.chance
    assert 0.9 * forecast.chance < forecast.mrr < 2 * forecast.chance
    assert forecast.mrr_interval[0] < found.true_mrr("a", "c", 100) < forecast.mrr_interval[1]


def test_hops_that_show_different_sides_of_the_pivot_promise_what_they_share(fitted):
    """As a picture and a sound of one word: each hop retrieves well, and a fifth of what they show is the same."""
    axes = {"a": range(7), "b": ALL, "c": range(5, 12)}
    found = fitted(axes, ["ab", "bc"], [("a", "c"), ("a", "b"), ("b", "c")], 600)
    forecast, truth = found.basis.forecast("a", "c", 100), found.true_mrr("a", "c", 100)
    hops = [found.basis.forecast(*hop, 100).mrr for hop in ("ab", "bc")]
    assert forecast.mrr_interval[0] < truth < forecast.mrr_interval[1]
    assert forecast.mrr < min(hops) / 2


def test_a_pivot_blind_to_what_the_ends_share_is_no_bridge(fitted):
    """A and C share axes 0-5, which B does not show: true pairs would bind, this binder cannot."""
    found = fitted({"a": range(9), "b": range(6, 12), "c": [*range(6), 9, 10, 11]}, ["ab", "bc"], [("a", "c")])
    forecast = found.basis.forecast("a", "c", 100)
    assert forecast.mrr_interval[0] <= 1.05 * forecast.chance
    assert forecast.mrr < 2 * forecast.chance


def test_no_relation_at_all_is_chance(fitted):
    found = fitted({"a": range(4), "b": range(4, 8), "c": range(8, 12)}, ["ab", "bc"], [("a", "c"), ("a", "b")])
    for pair in (("a", "c"), ("a", "b")):
        forecast = found.basis.forecast(*pair, 100)
        assert forecast.mrr_interval[0] <= forecast.chance
        assert forecast.mrr < 1.6 * forecast.chance


def test_larger_galleries_are_harder_and_recall_grows_with_k(chain):
    several = [chain.basis.forecast("a", "c", gallery) for gallery in (2, 10, 100, 1000, 100000)]
    for what in ("mrr", "chance"):
        values = [getattr(each, what) for each in several]
        assert values == sorted(values, reverse=True)
    for each in several:
        assert each.mrr_interval[0] <= each.mrr <= each.mrr_interval[1]
        assert each.recall[1] <= each.recall[5] <= each.recall[10] <= 1
        assert each.recall[1] <= each.mrr


def test_a_basis_is_small_plain_and_forecasts_the_same_when_read_back(chain):
    text = json.dumps(chain.basis.to_dict())
    again = Basis.from_dict(json.loads(text))
    before, after = (basis.forecast("a", "c", 300).to_dict() for basis in (chain.basis, again))
    assert after["mrr"] == pytest.approx(before["mrr"], rel=1e-4)
    assert after["path"] == before["path"] == ["a", "b", "c"]
    assert len(text) < 16000
    assert json.loads(json.dumps(before)) == before


def test_a_test_of_few_queries_may_lie_further_off(chain):
    for pair in (("a", "b"), ("a", "c")):
        widths = []
        for queries in (100000, 100, 10):
            found = chain.basis.forecast(*pair, 100, queries=queries)
            assert found.queries == found.to_dict()["queries"] == queries
            widths.append(found.mrr_interval[1] - found.mrr_interval[0])
        assert widths[0] < widths[1] < widths[2]
        assert chain.basis.forecast(*pair, 100).to_dict() == chain.basis.forecast(*pair, 100, queries=100).to_dict()


@pytest.mark.parametrize("queries", [0, -1, 1.5, True])
def test_a_number_of_queries_that_is_none_is_refused(chain, queries):
    with pytest.raises(UsageError, match="queries"):
        chain.basis.forecast("a", "c", 10, queries=queries)


@pytest.mark.parametrize("gallery", [0, 1, -3, 2.5, True, "many"])
def test_a_gallery_that_is_none_is_refused(chain, gallery):
    with pytest.raises(UsageError, match="gallery"):
        chain.basis.forecast("a", "c", gallery)


def test_a_pair_without_a_basis_is_refused(chain):
    with pytest.raises(NoPathError, match="no forecast"):
        chain.basis.forecast("b", "c", 10)


def test_a_pivot_whose_vectors_are_all_the_same_in_one_data_set_promises_nothing():
    random = np.random.default_rng(3)
    b = random.normal(size=(200, 8))
    sets = {
        "d1": {"a": random.normal(size=(200, 8)), "b": np.tile(b[:1], (200, 1))},
        "d2": {"b": b, "c": b + 0.3 * random.normal(size=(200, 8))},
    }
    binder = anybind.fit(sets, method="cca-chain", options={"features": "identity"}, targets=[("a", "c")])
    found = binder.forecast("a", "c", gallery=100)
    assert found.mrr_interval[0] <= found.chance
    assert found.mrr < 2.5 * found.chance
