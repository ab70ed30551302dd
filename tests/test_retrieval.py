"""Ranks and retrieval metrics against brute force, scikit-learn and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score

from anybind.errors import AnybindError, EvaluationError, ShapeError
from anybind.retrieval import (
    ROUNDING,
    TILE_BYTES,
    average_precision,
    paired_ranks,
    ranks_by_chunks,
    ranks_from_scores,
)
from anybind.retrieval_metrics import chance_average_precision, chance_metrics, metrics_from_ranks


def _mean_rank(row: list[float], own: int) -> float:
    """The rank by definition: one loop, no vectors."""
    above = sum(score > row[own] for score in row)
    tied = sum(score == row[own] for i, score in enumerate(row) if i != own)
    return 1 + above + tied / 2


def _brute_ranks(scores: torch.Tensor, truth: torch.Tensor) -> list[float]:
    return [_mean_rank(row, own) for row, own in zip(scores.tolist(), truth.tolist(), strict=True)]


def _tied_scores(n_queries: int, n_gallery: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-3, 4, (n_queries, n_gallery), generator=generator).float() / 4


SCORES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    elements=st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1e-45, 0.5, 1.0, 3e38, -3e38]),
)


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_ranks_equal_brute_force_with_ties(scores, random):
    truth = torch.tensor([random.randrange(scores.shape[1]) for _ in scores])
    ranks = ranks_from_scores(torch.from_numpy(scores), truth)
    assert ranks.dtype == torch.float64
    assert ranks.tolist() == _brute_ranks(torch.from_numpy(scores), truth)


@given(st.integers(1, 9), st.randoms(use_true_random=False), st.sampled_from([torch.float64, torch.bfloat16]))
@settings(max_examples=50, deadline=None)
def test_paired_ranks_equal_brute_force_for_other_floats(n, random, dtype):
    scores = torch.tensor([[random.choice([-1.0, -0.0, 0.0, 1e-40, 2.0]) for _ in range(n)] for _ in range(n)])
    scores = scores.to(dtype)
    forward, backward = paired_ranks(lambda rows, columns: scores[rows, columns], n, memory_limit=8 * 9)
    assert forward.tolist() == _brute_ranks(scores, torch.arange(n))
    assert backward.tolist() == _brute_ranks(scores.T, torch.arange(n))


@pytest.mark.parametrize("limit", [8, 8 * 7, 8 * 40, 8 * 500, 2**20])
def test_chunk_size_does_not_change_ranks(limit):
    scores = _tied_scores(23, 31, seed=1)
    truth = torch.randint(0, 31, (23,), generator=torch.Generator().manual_seed(2))
    ranks = ranks_by_chunks(lambda q, g: scores[q, g], truth, n_gallery=31, memory_limit=limit)
    assert ranks.tolist() == _brute_ranks(scores, truth)


@pytest.mark.parametrize("block", [None, 1, 7, 10, 100])
@pytest.mark.parametrize("limit", [8, 8 * 7, 8 * 90, 2**20])
def test_paired_ranks_are_those_of_the_matrix_and_its_transpose(limit, block):
    scores, truth, asked = _tied_scores(29, 29, seed=3), torch.arange(29), torch.zeros(29, 29)

    def score_block(rows, columns):
        asked[rows, columns] += 1
        if block is not None:
            assert all(part.start // block == (part.stop - 1) // block for part in (rows, columns))
        return scores[rows, columns]

    forward, backward = paired_ranks(score_block, 29, memory_limit=limit, block=block)
    assert forward.tolist() == _brute_ranks(scores, truth)
    assert backward.tolist() == _brute_ranks(scores.T, truth)
    assert bool((asked == 1).all()), "every score is computed once"


def test_million_item_gallery_is_scored_in_bounded_blocks():
    n_gallery, limit, largest = 1_000_000, 8 * 2**20, 0
    truth = torch.arange(64) * 15_000

    def score_block(queries, gallery):
        nonlocal largest
        positions = torch.arange(gallery.start, gallery.stop, dtype=torch.float32)
        scores = -(positions[None, :] - torch.arange(queries.start, queries.stop)[:, None] * 15_000).abs()
        largest = max(largest, scores.numel())
        return scores

    ranks = ranks_by_chunks(score_block, truth, n_gallery=n_gallery, memory_limit=limit)
    assert bool((ranks == 1).all())
    assert largest * 8 <= limit


def test_tiles_that_are_counted_in_strips_give_the_same_ranks():
    """A tile over twice the size of what is compared at a time."""
    scores, truth = _tied_scores(1100, 1100, seed=5), torch.arange(1100)
    assert scores.numel() * 8 > 2 * TILE_BYTES
    forward, backward = paired_ranks(lambda rows, columns: scores[rows, columns], 1100, memory_limit=2**30)
    for ranks, table in ((forward, scores), (backward, scores.T)):
        above, tied = (table > table.diagonal()[:, None]).sum(1), (table == table.diagonal()[:, None]).sum(1)
        assert torch.equal(ranks, 1 + above + (tied - 1) / 2)
    assert torch.equal(ranks_by_chunks(lambda q, g: scores[q, g], truth, n_gallery=1100, memory_limit=2**30), forward)


def test_gallery_in_one_tile_is_scored_once():
    asked = []
    truth = torch.tensor([4, 0, 2])
    scores = _tied_scores(3, 5, seed=0)

    def score_block(queries, gallery):
        asked.append((queries, gallery))
        return scores[queries, gallery]

    ranks_by_chunks(score_block, truth, n_gallery=5)
    assert asked == [(slice(0, 3), slice(0, 5))]


@pytest.mark.parametrize("drift", [1e-7, -1e-7])
def test_an_items_own_recomputed_score_never_counts_against_it(drift):
    """The same pair may score differently by rounding each time it is computed."""
    calls = 0

    def score_block(queries, gallery):
        nonlocal calls
        calls += 1
        return torch.eye(6)[queries, gallery] + calls * drift

    ranks = ranks_by_chunks(score_block, torch.arange(6), n_gallery=6, memory_limit=8 * 4)
    assert ranks.tolist() == [1.0] * 6


def test_scores_apart_by_rounding_tie_only_under_a_tolerance():
    truth = torch.tensor([0])
    for sign, exact, tolerant in ((1, 3.0, 2.5), (-1, 2.0, 2.5)):
        scores = sign * torch.tensor([[0.8, 0.8 * (1 + 2e-7), 0.8001, 0.7999]])
        assert ranks_from_scores(scores, truth).tolist() == [exact]
        assert ranks_from_scores(scores, truth, tie_tolerance=ROUNDING).tolist() == [tolerant]


def test_ranking_does_not_change_what_it_is_given():
    scores = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    before = scores.detach().clone()
    ranks = ranks_from_scores(scores, torch.arange(4))
    assert torch.equal(scores.detach(), before)
    assert not ranks.requires_grad


def test_permuting_queries_and_gallery_permutes_ranks():
    scores = _tied_scores(12, 12, seed=5)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(6))
    ranks = ranks_from_scores(scores, torch.arange(12))
    assert torch.equal(ranks_from_scores(scores[order][:, order], torch.arange(12)), ranks[order])


def test_metrics_by_hand():
    metrics = metrics_from_ranks(torch.tensor([1.0, 1.5, 5.0, 20.0]), 20)
    assert metrics.mrr == metrics.map == pytest.approx((1 + 2 / 3 + 0.2 + 0.05) / 4, rel=1e-12)
    assert metrics.recall == {1: 0.25, 5: 0.75, 10: 0.75}
    assert metrics.median_rank == 3.25
    assert (metrics.n_queries, metrics.n_gallery) == (4, 20)
    assert metrics.to_dict()["recall"] == {"1": 0.25, "5": 0.75, "10": 0.75}


def test_mrr_equals_scikit_learn_without_ties():
    scores = torch.randn(40, 60, generator=torch.Generator().manual_seed(7))
    truth = torch.randint(0, 60, (40,), generator=torch.Generator().manual_seed(8))
    relevant = torch.nn.functional.one_hot(truth, 60).bool()
    expected = label_ranking_average_precision_score(relevant.numpy(), scores.numpy())
    assert metrics_from_ranks(ranks_from_scores(scores, truth), 60).mrr == pytest.approx(expected, rel=1e-12)
    assert average_precision(scores, relevant).mean().item() == pytest.approx(expected, rel=1e-12)


def test_average_precision_equals_scikit_learn_with_many_relevant_items():
    generator = torch.Generator().manual_seed(9)
    scores = torch.randn(30, 50, generator=generator)
    relevant = torch.rand(30, 50, generator=generator) < torch.linspace(0.05, 0.9, 30)[:, None]
    relevant[:, 0] = True
    expected = [average_precision_score(r, s) for r, s in zip(relevant.numpy(), scores.numpy(), strict=True)]
    assert average_precision(scores, relevant).tolist() == pytest.approx(expected, rel=1e-12)
    expected = label_ranking_average_precision_score(relevant.numpy(), scores.numpy())
    assert average_precision(scores, relevant).mean().item() == pytest.approx(expected, rel=1e-12)


def test_average_precision_counts_ties_half_in_both_ranks():
    scores = _tied_scores(15, 20, seed=10)
    relevant = torch.rand(15, 20, generator=torch.Generator().manual_seed(0)) < 0.3
    relevant[:, 3] = True
    result = average_precision(scores, relevant)
    for row, wanted, found in zip(scores.tolist(), relevant.tolist(), result, strict=True):
        positions = [i for i, is_relevant in enumerate(wanted) if is_relevant]
        among = [row[i] for i in positions]
        precisions = [_mean_rank(among, k) / _mean_rank(row, i) for k, i in enumerate(positions)]
        assert found.item() == pytest.approx(math.fsum(precisions) / len(precisions), rel=1e-12)


def test_average_precision_with_one_relevant_item_is_the_reciprocal_rank():
    scores, truth = _tied_scores(15, 9, seed=11), torch.arange(15) % 9
    found = average_precision(scores, torch.nn.functional.one_hot(truth, 9).bool())
    assert found.tolist() == pytest.approx((1 / ranks_from_scores(scores, truth)).tolist(), rel=1e-12)


def test_chance_equals_simulation():
    n_gallery, n_draws = 37, 200_000
    ranks = torch.from_numpy(np.random.default_rng(0).integers(1, n_gallery + 1, n_draws))
    simulated, chance = metrics_from_ranks(ranks, n_gallery), chance_metrics(n_gallery)
    assert chance.mrr == pytest.approx(simulated.mrr, rel=0.02)
    assert chance.recall == pytest.approx(simulated.recall, rel=0.04)
    assert chance.median_rank == pytest.approx(simulated.median_rank, abs=0.5)
    assert chance.mrr == pytest.approx(sum(1 / i for i in range(1, 38)) / 37, rel=1e-14)


def test_chance_of_a_small_and_a_huge_gallery():
    assert chance_metrics(3).recall == {1: 1 / 3, 5: 1.0, 10: 1.0}
    exact = math.fsum(1 / i for i in range(1, 50_001)) / 50_000
    assert chance_metrics(50_000).mrr == pytest.approx(exact, rel=1e-13, abs=0)


@pytest.mark.parametrize(("n_relevant", "n_gallery"), [(1, 1), (1, 9), (3, 9), (9, 9)])
def test_chance_average_precision_equals_simulation(n_relevant, n_gallery):
    scores = torch.from_numpy(np.random.default_rng(1).random((40_000, n_gallery)))
    relevant = (torch.arange(n_gallery) < n_relevant).expand(40_000, -1)
    simulated = average_precision(scores, relevant).mean().item()
    assert chance_average_precision(n_relevant, n_gallery) == pytest.approx(simulated, rel=0.01)


def test_a_scorer_that_knows_nothing_is_not_above_chance():
    ranks = ranks_from_scores(torch.zeros(10, 10), torch.arange(10))
    assert ranks.tolist() == [5.5] * 10
    metrics = metrics_from_ranks(ranks, 10)
    assert metrics.recall[1] == 0
    assert metrics.mrr < chance_metrics(10).mrr


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_named(bad):
    scores = torch.zeros(5, 5)
    scores[3, 2] = bad
    with pytest.raises(EvaluationError) as caught:
        paired_ranks(lambda q, g: scores[q, g], 5, memory_limit=8 * 4)
    assert caught.value.where == "query 3, gallery item 2"
    with pytest.raises(EvaluationError, match="NaN or infinite"):
        ranks_from_scores(scores, torch.arange(5))
    with pytest.raises(EvaluationError, match="NaN or infinite"):
        average_precision(scores, torch.ones(5, 5, dtype=torch.bool))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ranks_from_scores(torch.zeros(3), torch.arange(3)), ShapeError),
        (lambda: ranks_from_scores(torch.zeros(3, 4), torch.arange(2)), ShapeError),
        (lambda: ranks_from_scores(torch.zeros(0, 4), torch.arange(0)), ShapeError),
        (lambda: ranks_from_scores(torch.zeros(2, 0), torch.arange(2)), AnybindError),
        (lambda: ranks_from_scores(torch.zeros(3, 4), torch.tensor([0, 1, 4])), EvaluationError),
        (lambda: ranks_from_scores(torch.zeros(3, 4), torch.tensor([0, 1, -1])), EvaluationError),
        (lambda: ranks_from_scores(torch.zeros(3, 4), torch.tensor([0.0, 1.0, 2.0])), EvaluationError),
        (lambda: ranks_from_scores(np.array([["a"]]), torch.tensor([0])), EvaluationError),
        (lambda: ranks_from_scores(torch.zeros(1, 1), torch.tensor([0]), tie_tolerance=-1), EvaluationError),
        (lambda: paired_ranks(lambda q, g: torch.zeros(1, 2), 3), ShapeError),
        (lambda: paired_ranks(lambda q, g: torch.zeros(3, 3), 3, memory_limit=1), EvaluationError),
        (lambda: metrics_from_ranks(torch.tensor([]), 3), EvaluationError),
        (lambda: metrics_from_ranks(torch.tensor([4.0]), 3), EvaluationError),
        (lambda: metrics_from_ranks(torch.tensor([math.nan]), 3), EvaluationError),
        (lambda: metrics_from_ranks(torch.tensor([1.0]), 3, ks=(0,)), EvaluationError),
        (lambda: chance_metrics(0), EvaluationError),
        (lambda: chance_average_precision(0, 3), EvaluationError),
        (lambda: average_precision(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool)), EvaluationError),
        (lambda: average_precision(torch.zeros(2, 3), torch.ones(3, 2, dtype=torch.bool)), ShapeError),
    ],
)
def test_bad_input_is_a_clear_error(call, error):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.what.endswith(".")
