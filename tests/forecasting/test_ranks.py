"""From chances of being beaten to MRR and recall, against brute force."""

import pytest
import torch

from anybind.forecasting.ranks import OwnRanks, ScoreTail, mean_reciprocal_rank, quantiles, recall_at, standardised


@pytest.mark.parametrize("gallery", [1, 2, 7, 60])
def test_mrr_and_recall_are_those_of_a_binomial_rank(gallery):
    chances = torch.tensor([0.0, 1e-9, 0.003, 0.2, 0.9, 1.0], dtype=torch.float64)
    mrr, recall = [], []
    for p in chances.tolist():
        masses = torch.distributions.Binomial(gallery - 1, torch.tensor(p, dtype=torch.float64), validate_args=False)
        counts = torch.arange(gallery, dtype=torch.float64)
        mass = masses.log_prob(counts).exp()
        mrr.append(float((mass / (1 + counts)).sum()))
        recall.append(float(mass[:3].sum()))
    assert mean_reciprocal_rank(chances, gallery) == pytest.approx(sum(mrr) / 6, abs=1e-9)
    assert recall_at(chances, gallery, 3) == pytest.approx(sum(recall) / 6, abs=1e-9)


def test_the_formula_gives_the_ranks_of_real_galleries():
    random = torch.Generator().manual_seed(0)
    gap, size = 1.7, 80
    ranks = torch.cat([
        1 + (torch.randn(500, size - 1, generator=random) > gap + torch.randn(500, 1, generator=random)).sum(1)
        for _ in range(20)
    ])
    chances = torch.special.ndtr(-(gap + torch.randn(20000, generator=random, dtype=torch.float64)))
    assert mean_reciprocal_rank(chances, size) == pytest.approx(float((1 / ranks).mean()), abs=0.01)
    assert recall_at(chances, size, 10) == pytest.approx(float((ranks <= 10).double().mean()), abs=0.015)


def test_a_tail_is_empirical_within_what_was_seen_and_normal_beyond():
    scores = torch.randn(50000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    tail = ScoreTail.of(scores)
    at = torch.tensor([-2.0, 0.0, 1.0, 3.0, 5.5], dtype=torch.float64)
    exact = torch.special.ndtr(-at)
    assert torch.allclose(tail.beaten(at)[:4], exact[:4], rtol=0.2)
    assert 0.1 < tail.beaten(at)[4] / exact[4] < 10  # no item was seen that far out
    skewed = ScoreTail.of(scores.exp())
    assert float(skewed.beaten(torch.tensor([7.389], dtype=torch.float64))) == pytest.approx(0.0228, rel=0.1)
    again = ScoreTail.from_dict(tail.to_dict())
    assert torch.allclose(again.beaten(at), tail.beaten(at), rtol=1e-3)


def test_standardised_scores_are_in_deviations_of_the_querys_wrong_items():
    table = torch.randn(40, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3 + 11
    right, wrong = standardised(table)
    others = torch.cat([table[2, :2], table[2, 3:]])
    assert float(right[2]) == pytest.approx(float((table[2, 2] - others.mean()) / others.std()), rel=0.03)
    assert wrong.shape == (40 * 39,)
    assert float(wrong.mean()) == pytest.approx(0, abs=1e-9)


def test_a_separation_among_few_wrong_items_is_as_large_as_among_many():
    random = torch.Generator().manual_seed(5)
    tables = torch.randn(4000, 8, 8, generator=random, dtype=torch.float64) + 2 * torch.eye(8, dtype=torch.float64)
    measured = torch.stack([standardised(table)[0].mean() for table in tables])
    assert float(measured.mean()) == pytest.approx(2, abs=0.03)


def test_own_ranks_are_learned_where_wrong_items_show_them_and_go_on_from_there():
    """Half of the queries have wrong items that score much higher: few of them are beaten as pooled scores say."""
    pooled = torch.randn(5000, generator=torch.Generator().manual_seed(6), dtype=torch.float64) + 1.5
    own = pooled - 0.4
    shares = torch.special.ndtr(-own)
    few = (shares * 40).round().clamp(0.5, 39.5) / 40  # 40 wrong items show no share below one in 40
    learned = OwnRanks.of(pooled, few, 40)
    at = torch.tensor([0.5, 1.5, 4.0], dtype=torch.float64)
    assert torch.allclose(learned.applied(at), at - 0.4, atol=0.25)
    assert torch.equal(learned.scaled(0.0).applied(at), at)


def test_quantiles_stand_for_all_values():
    values = torch.randn(4000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    some = torch.tensor(quantiles(values))
    assert float(some.mean()) == pytest.approx(float(values.mean()), abs=0.01)
    assert float(some.std()) == pytest.approx(float(values.std()), abs=0.03)
