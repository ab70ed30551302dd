"""Curves over gallery sizes: exact, against every gallery that can be drawn; and the measured result at the end."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from anybind.errors import EvaluationError, ShapeError
from anybind.evaluation import evaluate
from anybind.evaluation.recall_curve import Beaten, beaten, gallery_sizes, mean_curve, recall_curve
from anybind.retrieval_metrics import chance_metrics, metrics_from_ranks


class Table:
    """A binder whose scores are a table: vectors are row numbers."""

    def __init__(self, table: torch.Tensor, scores_batches: bool = False) -> None:
        self.table = table
        self.scores_batches = scores_batches

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        table = self.table if space_a == "a" else self.table.T
        return table[a[:, 0].long()][:, b[:, 0].long()]


def rows(n: int) -> dict[str, torch.Tensor]:
    return {name: torch.arange(n, dtype=torch.float32)[:, None] for name in "ab"}


def drawn_out(table: torch.Tensor, gallery: int, ks: tuple[int, ...]) -> tuple[float, dict[int, float]]:
    """By hand: every gallery that holds the right item, in both directions."""
    ranks = []
    for scores in (table, table.T):
        for query, line in enumerate(scores):
            others = [item for item in range(len(line)) if item != query]
            for chosen in combinations(others, gallery - 1):
                found, own = line[list(chosen)], line[query]
                ranks.append(1 + int((found > own).sum()) + int((found == own).sum()) / 2)
    found = metrics_from_ranks(torch.tensor(ranks), gallery, ks)
    return found.mrr, dict(found.recall)


@pytest.mark.parametrize("levels", [0, 4, 2, 1], ids=["no ties", "some ties", "many ties", "all tie"])
@pytest.mark.parametrize("gallery", [1, 2, 4, 7, 8])
def test_the_mean_over_every_gallery_that_can_be_drawn(levels: int, gallery: int) -> None:
    generator = torch.Generator().manual_seed(11 + levels)
    table = torch.rand(8, 8, generator=generator)
    table = (table * levels).floor() if levels else table
    found = beaten(Table(table), rows(8), ("a", "b"))
    mrr, recall = found.at(gallery, (1, 2, 3, 10))
    expected_mrr, expected_recall = drawn_out(table, gallery, (1, 2, 3, 10))
    assert mrr == pytest.approx(expected_mrr, abs=1e-12)
    assert recall == pytest.approx(expected_recall, abs=1e-12)


@pytest.mark.parametrize("memory_limit", [1, 8 * 60 * 7, 2**26])
@pytest.mark.parametrize("levels", [0, 5])
@pytest.mark.parametrize("batches", [False, True])
def test_the_last_point_is_what_evaluate_measures(memory_limit: int, levels: int, batches: bool) -> None:
    table = torch.randn(60, 60, generator=torch.Generator().manual_seed(5)) + 2 * torch.eye(60)
    table = table.round(decimals=1) if levels else table
    binder = Table(table, batches)
    (measured,) = evaluate(binder, rows(60), [("a", "b")], n_boot=0)
    last = recall_curve(binder, rows(60), ("a", "b"), memory_limit=memory_limit)[-1]
    assert last["gallery"] == 60
    assert last["mrr"] == pytest.approx(measured.mrr, abs=1e-12)
    assert last["recall"] == pytest.approx({str(k): share for k, share in measured.recall.items()}, abs=1e-12)


def test_scores_that_differ_by_rounding_alone_are_ties() -> None:
    table = torch.ones(5, 5) + 1e-7 * torch.eye(5)
    found = beaten(Table(table), rows(5), ("a", "b"))
    assert found.tied.tolist() == [4] * 10
    assert found.above.tolist() == [0] * 10


def test_unrelated_spaces_stay_at_chance_whatever_the_gallery() -> None:
    table = torch.rand(400, 400, generator=torch.Generator().manual_seed(3))
    for point in recall_curve(Table(table), rows(400), ("a", "b")):
        chance = chance_metrics(point["gallery"])
        noise = (1.65 / point["gallery"] / 800) ** 0.5  # of the mean of 1 / rank over 800 queries
        assert point["mrr"] == pytest.approx(chance.mrr, abs=4 * noise)


def test_a_larger_gallery_is_never_easier() -> None:
    table = torch.randn(300, 300, generator=torch.Generator().manual_seed(4)) + 2.5 * torch.eye(300)
    curve = recall_curve(Table(table), rows(300), ("a", "b"))
    assert [point["gallery"] for point in curve] == [10, 20, 50, 100, 200, 300]
    for name in ("1", "5", "10"):
        values = [point["recall"][name] for point in curve]
        assert values == sorted(values, reverse=True)
    assert curve[0]["mrr"] > curve[-1]["mrr"] > chance_metrics(300).mrr


def test_large_galleries_keep_their_precision() -> None:
    n = 1_000_000
    mrr, recall = Beaten(torch.tensor([0, n // 2]), torch.tensor([0, 0]), n - 1).at(2)
    assert mrr == pytest.approx((1 + 0.75) / 2, abs=1e-5)
    assert recall[1] == pytest.approx((1 + 0.5) / 2, abs=1e-5)
    assert recall[10] == pytest.approx(1, abs=1e-6)


def test_forecasts_stand_beside_what_was_measured() -> None:
    def forecast(gallery: int) -> dict[str, object] | None:
        told = {"mrr": 1 / gallery, "mrr_interval": [0.0, 1.0], "recall": {"1": 0.5}, "path": ["a", "b"]}
        return told if gallery < 30 else None

    curve = recall_curve(Table(torch.eye(30)), rows(30), ("a", "b"), galleries=[20, 30], forecast=forecast)
    assert curve[0]["forecast"] == {"mrr": 0.05, "mrr_interval": [0.0, 1.0], "recall": {"1": 0.5}}
    assert curve[1]["forecast"] is None
    assert [point["mrr"] for point in curve] == pytest.approx([1.0, 1.0])


def test_the_mean_of_seeds_is_at_the_sizes_they_share() -> None:
    one = [{"gallery": 10, "mrr": 0.5, "recall": {"1": 0.2}, "forecast": None},
           {"gallery": 12, "mrr": 0.4, "recall": {"1": 0.1}, "forecast": None}]  # fmt: skip
    two = [{"gallery": 10, "mrr": 0.7, "recall": {"1": 0.4}, "forecast": None}]
    (point,) = mean_curve([one, two])
    assert (point["gallery"], point["mrr"]) == (10, pytest.approx(0.6))
    assert point["recall"] == pytest.approx({"1": 0.3})
    assert mean_curve([]) == []


@pytest.mark.parametrize(
    ("items", "sizes"),
    [(2, [2]), (7, [2, 5, 7]), (10, [2, 5, 10]), (20, [10, 20]), (300, [10, 20, 50, 100, 200, 300])],
)
def test_sizes_of_galleries(items: int, sizes: list[int]) -> None:
    assert gallery_sizes(items) == sizes


def test_what_cannot_be_drawn_is_refused() -> None:
    found = beaten(Table(torch.eye(4)), rows(4), ("a", "b"))
    for gallery in (0, 5):
        with pytest.raises(EvaluationError, match="cannot be drawn"):
            found.at(gallery)
    with pytest.raises(ShapeError, match="as many rows"):
        beaten(Table(torch.eye(4)), {**rows(4), "b": torch.zeros(3, 1)}, ("a", "b"))
    with pytest.raises(EvaluationError, match="NaN"):
        beaten(Table(torch.full((4, 4), torch.nan)), rows(4), ("a", "b"))
