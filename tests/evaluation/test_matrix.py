"""All pairs at a glance: the numbers are those of ``evaluate``, the pivots those of the paths, nothing is made up."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import anybind
from anybind.errors import NoPathError, ShapeError, UsageError
from anybind.evaluation import evaluate, evaluation_matrix, paired_rows
from anybind.evaluation.matrix import USUAL_GALLERY
from anybind.forecasting.forecast import Forecast

VIEWS = {name: np.random.default_rng([3, *name.encode()]).normal(size=(4, 5)) for name in "abcde"}
CHAIN = {"first": "ab", "second": "bc", "third": "cd"}


def seen_by(names: str, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Noisy views of hidden items; row i of every space is one item."""
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(rows, 4))
    return {name: (hidden @ VIEWS[name] + 0.2 * generator.normal(size=(rows, 5))).astype(np.float32) for name in names}


def fitted(sets: dict[str, str] = CHAIN, **options):
    data = {name: seen_by(names, 80, seed) for seed, (name, names) in enumerate(sets.items())}
    binder = anybind.fit(data, method="ridge-chain", options={"ridge": 0.01}, **options)
    binder.forecast = Told().forecast
    return binder


class Told:
    """Forecasts that tell the gallery they were asked for; none for pairs with ``d``."""

    def forecast(self, a: str, b: str, *, gallery: int) -> Forecast:
        if "d" in (a, b):
            raise NoPathError("there is no forecast for this pair of spaces")
        return Forecast((a, b), gallery, 0.5, {1: 0.4}, (0.3, 0.7), (0.0, 1.0), 0.01, (a, b), False, "told")


@pytest.fixture(scope="module")
def binder():
    return fitted()


def test_every_pair_stands_there_once_with_its_pivots(binder) -> None:
    rows = evaluation_matrix(binder, {})
    assert [("".join(row.pair), row.pivots) for row in rows] == [
        ("ab", 0), ("bc", 0), ("cd", 0), ("ac", 1), ("bd", 1), ("ad", 2)
    ]  # fmt: skip
    assert rows[-1].path == ("a", "b", "c", "d")


def test_measured_pairs_have_the_numbers_of_evaluate(binder) -> None:
    test = seen_by("abcd", 40, 9)
    rows = {row.pair: row for row in evaluation_matrix(binder, paired_rows(test), n_boot=200, seed=4)}
    assert all(row.result is not None for row in rows.values())
    for pair, row in rows.items():
        (expected,) = evaluate(binder, test, [pair], n_boot=200, seed=4)
        assert row.result == expected
        plain = row.to_dict()
        assert (plain["mrr"], plain["n_queries"], plain["chance"]) == (expected.mrr, 40, expected.chance.mrr)
        assert plain["interval"] == list(expected.interval.mrr)
        assert plain["recall"].keys() == {"1", "5", "10"}


def test_pairs_without_true_pairs_are_forecast_and_claim_no_measurement(binder) -> None:
    test = paired_rows(seen_by("ac", 40, 9))
    rows = {"".join(row.pair): row for row in evaluation_matrix(binder, test, gallery=500)}
    assert rows["ac"].forecast.gallery == 40, "a measured pair is forecast for what was measured"
    assert rows["bc"].forecast.gallery == 500
    assert rows["ad"].forecast is None
    plain = json.loads(json.dumps(rows["bc"].to_dict(), allow_nan=False))
    assert {plain[name] for name in ("mrr", "interval", "recall", "chance", "n_queries", "share_of_oracle")} == {None}
    assert plain["forecast"]["gallery"] == 500


def test_the_gallery_is_the_one_that_was_measured_unless_one_is_asked_for(binder) -> None:
    of_bc = [
        next(row.forecast.gallery for row in evaluation_matrix(binder, tests) if row.pair == ("b", "c"))
        for tests in ({}, paired_rows(seen_by("ac", 40, 9)))
    ]
    assert of_bc == [USUAL_GALLERY, 40]


def test_the_order_in_which_a_test_names_a_pair_does_not_matter(binder) -> None:
    test = seen_by("ac", 40, 9)
    one, other = (
        next(row for row in evaluation_matrix(binder, paired_rows({n: test[n] for n in names})) if row.pivots == 1)
        for names in ("ac", "ca")
    )
    assert one == other


def test_the_share_of_an_oracle_is_that_of_the_same_rows(binder) -> None:
    test = paired_rows(seen_by("ac", 40, 9))
    oracle = fitted({"true": "ac"})
    row = next(row for row in evaluation_matrix(binder, test, oracles={("c", "a"): oracle}) if row.pair == ("a", "c"))
    (best,) = evaluate(oracle, test["a", "c"].vectors, [("a", "c")])
    assert row.share_of_oracle == pytest.approx(row.result.mrr / best.mrr)


def test_unrelated_rows_are_at_chance_and_not_above(binder) -> None:
    test = seen_by("ac", 200, 9) | {"c": seen_by("c", 200, 10)["c"]}
    row = next(row for row in evaluation_matrix(binder, paired_rows(test)) if row.pair == ("a", "c"))
    assert row.result.interval.mrr[0] < row.result.chance.mrr < row.result.interval.mrr[1]


def test_what_nothing_joins_is_told_and_neither_measured_nor_forecast() -> None:
    binder = fitted({"first": "ab", "other": "ce"}, targets=[("a", "b"), ("c", "e")])
    rows = evaluation_matrix(binder, paired_rows(seen_by("abce", 30, 9)))
    apart = [row for row in rows if not row.path]
    assert {row.pair for row in apart} == {("a", "c"), ("a", "e"), ("b", "c"), ("b", "e")}
    assert all(row.result is None and row.forecast is None and row.to_dict()["pivots"] is None for row in apart)
    assert rows[-1] in apart


def test_a_pair_that_the_binder_has_no_route_for_is_not_measured() -> None:
    binder = fitted(targets=[("a", "b")])
    rows = {row.pair: row for row in evaluation_matrix(binder, paired_rows(seen_by("abcd", 30, 9)))}
    assert rows["a", "b"].result is not None
    assert rows["c", "d"].result is None
    assert rows["c", "d"].pivots == 0


@pytest.mark.parametrize("gallery", [1, 2.5, True])
def test_a_gallery_is_a_number_of_items(binder, gallery) -> None:
    with pytest.raises(UsageError, match="whole number"):
        evaluation_matrix(binder, {}, gallery=gallery)


def test_a_binder_that_makes_no_forecasts_is_measured_all_the_same() -> None:
    binder = fitted()
    binder.forecast = no_forecast
    rows = evaluation_matrix(binder, paired_rows(seen_by("ac", 30, 9)))
    assert {row.forecast for row in rows} == {None}
    assert sum(row.result is not None for row in rows) == 1


def no_forecast(a: str, b: str, *, gallery: int) -> None:
    raise UsageError("this binder has no forecast")


def test_rows_with_holes_are_paired_where_both_are_there() -> None:
    spaces = {"a": np.arange(10.0).reshape(5, 2), "b": torch.arange(15.0).reshape(5, 3), "c": np.ones((5, 1))}
    masks = {"a": [1, 1, 0, 1, 0], "b": torch.tensor([1, 0, 1, 1, 1]), "c": np.array([0, 0, 1, 0, 0])}
    found = paired_rows(spaces, present=masks, ids=list("vwxyz"))
    assert list(found) == [("a", "b")], "one common row is too few"
    assert found["a", "b"].ids == ["v", "y"]
    assert found["a", "b"].vectors["a"].tolist() == [[0, 1], [6, 7]]
    assert found["a", "b"].vectors["b"].tolist() == [[0, 1, 2], [9, 10, 11]]


@pytest.mark.parametrize("wrong", [{"present": {"a": [True]}}, {"ids": ["x"]}])
def test_lengths_that_differ_are_an_error(wrong) -> None:
    with pytest.raises(ShapeError):
        paired_rows({"a": np.ones((3, 2)), "b": np.ones((3, 2))}, **wrong)
