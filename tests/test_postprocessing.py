"""postprocessing: brute-force formulas, hubs that must be tamed, and what may not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import AnybindError, EvaluationError, ShapeError, UsageError
from anybind.postprocessing import csls, querybank, sinkhorn
from anybind.retrieval import ranks_from_scores

Array = NDArray[np.float64]


def table(seed: int, n: int, m: int) -> Array:
    return np.float64(np.float32(np.random.default_rng(seed).uniform(-1, 1, size=(n, m))))


def tensor(array: Array) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32)


def hub_world(seed: int, n: int = 150, dim: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines of noisy twins, to some items of which every query is close; and those of a bank of queries."""
    random = np.random.default_rng(seed)
    items = random.normal(size=(n, dim))
    shared = random.normal(size=dim)
    pull = 2.0 * (random.uniform(size=(n, 1)) < 0.1)
    gallery = items + pull * shared + 0.3 * random.normal(size=(n, dim))

    def scores(queries: Array) -> torch.Tensor:
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries + 0.7 * shared, gallery)]
        return tensor(unit[0] @ unit[1].T)

    return scores(items + 0.9 * random.normal(size=(n, dim))), scores(random.normal(size=(400, dim)))


def mrr(scores: torch.Tensor) -> float:
    return float((1 / ranks_from_scores(scores, torch.arange(len(scores)))).mean())


@pytest.mark.parametrize(("n", "m", "k"), [(7, 9, 3), (7, 9, 1), (4, 30, 10), (1, 5, 10), (5, 1, 2)])
def test_csls_is_the_formula_item_by_item(n: int, m: int, k: int) -> None:
    scores = table(0, n, m)
    expected = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            of_query = np.sort(scores[i])[::-1][:k].mean()
            of_item = np.sort(scores[:, j])[::-1][:k].mean()
            expected[i, j] = 2 * scores[i, j] - of_query - of_item
    np.testing.assert_allclose(csls(tensor(scores), k), expected, atol=1e-5)


def plain_sinkhorn(scores: Array, temperature: float, steps: int) -> Array:
    plan = np.exp(scores / temperature)
    for _ in range(steps):
        plan = plan / plan.sum(1, keepdims=True) / plan.shape[0]
        plan = plan / plan.sum(0, keepdims=True) / plan.shape[1]
    return plan


@pytest.mark.parametrize(("n", "m", "steps"), [(6, 6, 1), (6, 6, 5), (4, 9, 3)])
def test_sinkhorn_scales_rows_and_columns_in_turn(n: int, m: int, steps: int) -> None:
    scores = table(1, n, m)
    plan = sinkhorn(tensor(scores), 0.2, steps).double().exp()
    np.testing.assert_allclose(plan, plain_sinkhorn(scores, 0.2, steps), rtol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(8, 8), (5, 12)])
def test_sinkhorn_tends_to_equal_shares(n: int, m: int) -> None:
    plan = sinkhorn(tensor(table(2, n, m)), 0.3, 300).double().exp()
    np.testing.assert_allclose(plan.sum(1), np.full(n, 1 / n), rtol=1e-4)
    np.testing.assert_allclose(plan.sum(0), np.full(m, 1 / m), rtol=1e-4)


def test_a_cold_sinkhorn_is_the_best_assignment() -> None:
    """Query 1 likes item 0 best, but query 0 needs it more."""
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.6]])
    assert sinkhorn(scores, 0.02, 200).argmax(1).tolist() == [0, 1]
    assert scores.argmax(1).tolist() == [0, 0]


def test_sinkhorn_of_a_doubly_stochastic_table_changes_nothing() -> None:
    even = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]])
    np.testing.assert_allclose(sinkhorn(tensor(np.log(even)), 1.0, 4).exp() * 3, even, rtol=1e-5)


def test_small_temperatures_and_large_scores_stay_finite() -> None:
    scores = tensor(1e4 * table(3, 6, 8))
    for result in (sinkhorn(scores, 1e-3), querybank(scores, scores, 1e-3), csls(scores)):
        assert torch.isfinite(result).all()


@pytest.mark.parametrize("dynamic", [True, False])
def test_querybank_is_the_inverted_softmax(dynamic: bool) -> None:
    scores, bank = table(4, 12, 9), table(5, 4, 9)
    hubs = {int(row.argmax()) for row in bank}
    expected = scores - 0.3 * np.log(np.exp(bank / 0.3).sum(0))
    if dynamic:
        for i, row in enumerate(scores):
            if int(row.argmax()) not in hubs:
                expected[i] = row
        assert 0 < sum(int(row.argmax()) in hubs for row in scores) < len(scores)
    np.testing.assert_allclose(querybank(tensor(scores), tensor(bank), 0.3, dynamic), expected, atol=1e-5)


@pytest.mark.parametrize(
    "fix",
    [
        lambda scores, bank: csls(scores),
        lambda scores, bank: sinkhorn(scores),
        querybank,
        lambda scores, bank: querybank(scores, bank, dynamic=False),
    ],
    ids=["csls", "sinkhorn", "querybank", "inverted softmax"],
)
@pytest.mark.parametrize("seed", range(3))
def test_hubs_are_tamed(fix: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], seed: int) -> None:
    scores, bank = hub_world(seed)

    def most_popular(table: torch.Tensor) -> int:
        return int(table.argmax(1).bincount().max())

    fixed = fix(scores, bank)
    assert most_popular(fixed) < most_popular(scores)
    assert mrr(fixed) > mrr(scores) + 0.02


def test_one_query_keeps_its_order_under_csls() -> None:
    scores = tensor(table(6, 1, 40))
    assert csls(scores).argsort(1).tolist() == scores.argsort(1).tolist()


def test_querybank_answers_a_query_whatever_else_is_asked() -> None:
    scores, bank = tensor(table(7, 9, 12)), tensor(table(8, 30, 12))
    whole = querybank(scores, bank)
    for i in range(len(scores)):
        torch.testing.assert_close(querybank(scores[i : i + 1], bank), whole[i : i + 1])


def test_a_bank_without_hubs_changes_no_order() -> None:
    scores = tensor(table(9, 6, 12))
    even = querybank(scores, torch.zeros(5, 12), dynamic=False)
    assert even.argsort(1).tolist() == scores.argsort(1).tolist()


@pytest.mark.parametrize("fix", [csls, sinkhorn, lambda t: querybank(t, torch.zeros(3, 4))])
def test_ties_stay_ties(fix: Any) -> None:
    """Twins in the gallery, and queries that cannot tell anything apart."""
    twins = tensor(table(10, 5, 2))[:, [0, 1, 1, 0]]
    fixed = fix(twins)
    assert torch.equal(fixed[:, 0], fixed[:, 3])
    assert torch.equal(fixed[:, 1], fixed[:, 2])
    flat = fix(torch.full((5, 4), 0.5))
    assert (flat == flat[0, 0]).all()


@pytest.mark.parametrize("fix", [csls, sinkhorn, lambda t: querybank(t, torch.zeros(3, 7))])
def test_the_table_given_is_left_as_it_is_and_a_new_one_is_float32(fix: Any) -> None:
    scores = torch.tensor(table(11, 5, 7))
    before = scores.clone()
    fixed = fix(scores)
    assert torch.equal(scores, before)
    assert fixed.dtype == torch.float32
    assert fixed.shape == scores.shape
    as_float32 = scores.float()
    fix(as_float32).zero_()
    assert torch.equal(as_float32, scores.float())
    assert fix(torch.zeros(0, 7)).shape == (0, 7)


BAD = torch.tensor([[0.1, float("nan")], [0.0, 0.2]])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: csls(torch.zeros(3)), ShapeError),
        (lambda: csls(BAD), EvaluationError),
        (lambda: csls(torch.zeros(3, 3), neighbours=0), UsageError),
        (lambda: csls(torch.zeros(3, 3), neighbours=True), UsageError),
        (lambda: csls(torch.zeros(3, 3), neighbours=1.5), UsageError),  # type: ignore[arg-type]
        (lambda: sinkhorn(BAD), EvaluationError),
        (lambda: sinkhorn(torch.zeros(1, 3)), UsageError),
        (lambda: sinkhorn(torch.zeros(3, 3), temperature=0), UsageError),
        (lambda: sinkhorn(torch.zeros(3, 3), temperature=float("nan")), UsageError),
        (lambda: sinkhorn(torch.zeros(3, 3), steps=0), UsageError),
        (lambda: querybank(torch.zeros(3, 3), BAD), EvaluationError),
        (lambda: querybank(torch.zeros(3, 3), torch.zeros(3, 4)), ShapeError),
        (lambda: querybank(torch.zeros(3, 3), torch.zeros(0, 3)), ShapeError),
        (lambda: querybank(torch.zeros(3, 3), torch.zeros(2, 3), temperature=-1), UsageError),
    ],
)
def test_wrong_arguments_are_refused(call: Callable[[], torch.Tensor], error: type[AnybindError]) -> None:
    with pytest.raises(error):
        call()
