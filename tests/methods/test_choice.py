"""choice: candidates and judging; what is chosen in the end stands in test_pcca_choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.choice import Judge, checked_rank, rank_candidates
from anybind.methods.latent import LatentModel, Start, run_em
from anybind.moments import Group, Moments

Make = Callable[..., FitData]


@pytest.mark.parametrize(("dim", "rows", "ranks"), [(40, 100, [4, 8, 16, 32]), (40, 10, [4, 8]), (3, 100, [3])])
def test_candidates_are_those_that_rows_and_dims_allow(
    fit_data: Make, truth: Any, dim: int, rows: int, ranks: list[int]
) -> None:
    moments = fit_data({"d": truth(0, {"a": dim, "b": 50}, rank=2).draw(rows, ["a", "b"], 0)}).moments
    assert rank_candidates(moments) == ranks
    assert checked_rank(ranks[-1], moments) == ranks[-1]
    with pytest.raises(SelectionError):
        checked_rank(41, moments)


@pytest.mark.parametrize("rows_may_leave", [True, False])
def test_a_judge_fits_each_candidate_once_and_finds_the_rank(
    fit_data: Make, truth: Any, rows_may_leave: bool
) -> None:
    """By retrieval or, where rows may not leave their owners, by log-odds."""
    data = fit_data({"d": truth(6, {"a": 24, "b": 24}, rank=8, reliability=0.8).draw(400, ["a", "b"], 0)})
    data = data if rows_may_leave else FitData(data.moments, {}, data.inputs)
    asked: list[tuple[int, float]] = []

    def fit(start: Start, groups: Sequence[Group], rank: int, shrinkage: float) -> LatentModel:
        asked.append((rank, shrinkage))
        assert sum(g.n for g in groups) < 400  # a fold is held out
        return run_em(start.model(rank), groups, shrinkage, 5)

    identity = dict.fromkeys("ab", torch.eye(24, dtype=torch.float64))
    judge = Judge(data, data.moments, identity, "cosine", fit)
    assert judge.best_rank(1.0) == 8
    assert judge.mean(8, 1.0) > judge.mean(4, 1.0)
    assert sorted(asked) == sorted([(rank, 1.0) for rank in (4, 8, 16)] * len(judge.folds))
    judge.best_of_both()
    assert all(asked.count(each) == len(judge.folds) for each in asked)


class Table(Judge):
    """A judge that knows what every (rank, shrinkage) is worth; what is not in the table is worth nothing."""

    def __init__(self, moments: Moments, worth: dict[tuple[int, float], float]) -> None:
        self.moments, self.worth, self.asked = moments, worth, list[tuple[int, float]]()

    def mean(self, rank: int, shrinkage: float) -> float:
        self.asked.append((rank, shrinkage))
        return self.worth.get((rank, shrinkage), 0.0)


@pytest.fixture
def moments() -> Moments:
    """With rank candidates 4, 8, 16, 32, 64."""
    result = Moments({"a": 64, "b": 64})
    rows = torch.randn(100, 64, generator=torch.Generator().manual_seed(0))
    result.update("d", {"a": rows, "b": rows}, torch.arange(100) % 5)
    return result


def test_the_smallest_rank_that_is_about_as_good_as_the_best_wins(moments: Moments) -> None:
    worth = {(8, 1.0): 0.480, (16, 1.0): 0.495, (32, 1.0): 0.499, (64, 1.0): 0.500}
    assert Table(moments, worth).best_rank(1.0) == 16
    assert Table(moments, {key: -1 / value for key, value in worth.items()} | {(4, 1.0): -9.0}).best_rank(1.0) == 16


def test_shrinkage_falls_until_less_is_clearly_worse(moments: Moments) -> None:
    judge = Table(moments, {(8, 1.0): 0.50, (8, 0.3): 0.499, (8, 0.1): 0.55, (8, 0.03): 0.40, (8, 0.01): 0.9})
    assert judge.best_shrinkage(8) == 0.1
    assert (8, 0.01) not in judge.asked
    assert Table(moments, {(8, 1.0): 0.5, (8, 0.3): 0.4, (8, 0.1): 0.9}).best_shrinkage(8) == 1.0
    assert Table(moments, dict.fromkeys([(8, 1.0), (8, 0.3)], 0.5)).best_shrinkage(8) == 1.0


def test_both_start_from_a_middling_rank(moments: Moments) -> None:
    worth = {(32, 1.0): 0.1, (32, 0.3): 0.3, (32, 0.1): 0.2, (8, 0.3): 0.4, (8, 1.0): 0.1, (8, 0.1): 0.5}
    assert Table(moments, worth | {(64, 1.0): 0.9}).best_of_both() == (8, 0.1)
