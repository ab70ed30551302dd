"""selection: held-out rows only, honest refusals, and scores as a brute-force count gives them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import SelectionError
from anybind.fit_data import FitData, fold_of
from anybind.methods.selection import best_choice, held_out_mrr, selection_folds, symmetric_mrr

Array = NDArray[np.float64]
Make = Callable[..., FitData]
EDGES = [("d1", "a", "b"), ("d2", "b", "c")]


def rows_of(seed: int, n: int) -> dict[str, dict[str, Array]]:
    random = np.random.default_rng(seed)
    return {name: {s: random.normal(size=(n, 3)) for s in spaces} for name, spaces in (("d1", "ab"), ("d2", "bc"))}


def ids_of(n: int) -> dict[str, list[str]]:
    return {name: [f"{name}/{i}" for i in range(n)] for name in ("d1", "d2")}


def dot(a: str, rows_a: torch.Tensor, b: str, rows_b: torch.Tensor) -> torch.Tensor:
    return rows_a @ rows_b.T


def test_held_out_mrr_is_a_brute_force_count(fit_data: Make, plain_mrr: Callable[[Any], float]) -> None:
    rows, ids = rows_of(0, 60), ids_of(60)
    data = fit_data(rows, ids=ids, seed=7)
    means = data.moments.means(without_fold=2)
    expected = []
    for dataset, a, b in EDGES:
        held = np.array([fold_of(item, 7, 5) == 2 for item in ids[dataset]])
        assert 2 <= held.sum() < 60
        centred = [np.float32(rows[dataset][s]) - np.float32(rows[dataset][s])[~held].mean(0) for s in (a, b)]
        expected.append(plain_mrr(centred[0][held] @ centred[1][held].T))
    assert held_out_mrr(dot, data, EDGES, 2, means) == pytest.approx(np.mean(expected), abs=1e-6)


def test_held_out_mrr_skips_edges_without_held_out_pairs(fit_data: Make) -> None:
    """An edge with one held-out row has nothing to retrieve from; one that was not fitted on has no mean."""
    in_fold, outside = (
        [item for item in (f"x{i}" for i in range(500)) if (fold_of(item, 0, 5) == 0) == wanted]
        for wanted in (True, False)
    )
    three = {s: np.random.default_rng(1).normal(size=(3, 3)) for s in "ab"}
    data = fit_data({**rows_of(0, 60), "d3": three}, ids={"d3": [in_fold[0], *outside[:2]]})
    means = data.moments.means(without_fold=0)
    assert len(data.samples["d3"].paired("a", "b", 0)[0]) == 1
    alone = held_out_mrr(dot, data, EDGES, 0, means)
    assert alone < 1
    assert held_out_mrr(dot, data, [*EDGES, ("d3", "a", "b")], 0, means) == alone
    known: Mapping[tuple[str, str], torch.Tensor] = {key: mean for key, mean in means.items() if key[0] != "d2"}
    assert held_out_mrr(dot, data, EDGES, 0, known) == held_out_mrr(dot, data, EDGES[:1], 0, means)
    assert math.isnan(held_out_mrr(dot, data, [("d3", "a", "b")], 0, means))


def test_symmetric_mrr_counts_both_directions_and_half_of_ties(plain_mrr: Callable[[Any], float]) -> None:
    table = torch.tensor(np.random.default_rng(1).integers(0, 4, size=(9, 9)).astype(np.float32))
    assert symmetric_mrr(table) == pytest.approx(plain_mrr(table))
    assert symmetric_mrr(torch.eye(5)) == 1
    assert symmetric_mrr(torch.zeros(5, 5)) == pytest.approx(1 / 3)
    one_sided = torch.tensor([[3.0, 2.0, 2.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert symmetric_mrr(one_sided) == symmetric_mrr(one_sided.T)


def test_best_choice_takes_the_highest_mean_over_folds() -> None:
    scores = {("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 0.6, ("b", 1): 0.6, ("c", 0): 0.2, ("c", 1): 0.9}
    assert best_choice(["a", "b", "c"], [0, 1], lambda choice, fold: scores[choice, fold]) == "b"
    assert best_choice(["a", "b", "c"], [1], lambda choice, fold: scores[choice, fold]) == "c"


def test_best_choice_takes_the_first_of_equals() -> None:
    assert best_choice([3, 1, 2], [0, 1], lambda choice, fold: 0.5) == 3


def test_folds_are_limited_and_hold_pairs(fit_data: Make) -> None:
    data = fit_data(rows_of(0, 100))
    assert selection_folds(data, EDGES, limit=3) == [0, 1, 2]
    assert selection_folds(data, EDGES, limit=9) == [0, 1, 2, 3, 4]


def test_folds_without_pairs_are_passed_over(fit_data: Make) -> None:
    ids = [item for item in (f"x{i}" for i in range(500)) if fold_of(item, 0, 5) in (1, 4)][:60]
    data = fit_data({"d1": rows_of(0, 60)["d1"]}, ids={"d1": ids})
    assert selection_folds(data, EDGES[:1], limit=3) == [1, 4]


@pytest.mark.parametrize("by_rows", [True, False])
def test_a_fold_is_passed_over_when_it_leaves_nothing_to_fit_on(fit_data: Make, by_rows: bool) -> None:
    """Two rows in one fold, or one row and its twin elsewhere: without that fold the edge is gone."""
    in_fold = [[item for item in (f"x{i}" for i in range(500)) if fold_of(item, 0, 5) == fold] for fold in range(5)]
    tiny = np.random.default_rng(0).normal(size=(2, 3))
    edges = [*EDGES, ("d3", "c", "e")]
    for ids, expected in (
        ([in_fold[1][0], in_fold[1][1]], [0, 2, 3]),
        ([in_fold[0][0], in_fold[2][0]], [1, 3, 4]),
    ):
        data = fit_data({**rows_of(0, 100), "d3": {"c": tiny, "e": tiny}}, ids={"d3": ids})
        assert selection_folds(data, edges, limit=3, by_rows=by_rows) == expected


def test_a_single_paired_row_does_not_stop_the_choice(fit_data: Make) -> None:
    """One row that pairs a and c beside hundreds elsewhere: only the fold it is in is passed over."""
    odd = {"a": np.ones((2, 3)), "c": np.ones((2, 3))}
    data = fit_data({**rows_of(0, 100), "d3": odd}, present={"d3": {"c": np.array([True, False])}})
    edges = data.moments.edges()
    assert ("d3", "a", "c") in edges
    folds = selection_folds(data, edges, limit=5)
    assert len(folds) == 4


@pytest.mark.parametrize("by_rows", [True, False])
def test_too_few_pairs_are_refused_with_the_numbers(fit_data: Make, by_rows: bool) -> None:
    data = fit_data(rows_of(0, 12))
    with pytest.raises(SelectionError, match="too few") as error:
        selection_folds(data, EDGES, limit=2, by_rows=by_rows)
    assert "d1" in str(error.value.where)
    assert "d2" in str(error.value.where)
    assert "20" in str(error.value.expected)
    assert error.value.hint


def test_without_a_sample_there_is_nothing_to_retrieve(fit_data: Make) -> None:
    data = fit_data(rows_of(0, 100))
    with pytest.raises(SelectionError):
        selection_folds(FitData(data.moments, {}, data.inputs), EDGES, limit=3)


def test_the_sample_counts_not_the_data_set(fit_data: Make) -> None:
    data = fit_data(rows_of(0, 100), sample_rows=8)
    with pytest.raises(SelectionError):
        selection_folds(data, EDGES, limit=3)
    assert selection_folds(data, EDGES, limit=3, by_rows=False) == [0, 1, 2]
