"""Probabilities of being the same item against the true ones of Gaussian worlds, and where nothing may be claimed."""

import json

import numpy as np
import pytest
import torch

from anybind.errors import NoPathError, UsageError
from anybind.evaluation.reliability import reliability
from anybind.forecasting.forecast import Basis
from anybind.forecasting.likelihood_ratio import LikelihoodRatio
from anybind.forecasting.same_item import ENOUGH, SameItem, among_others, log_prior_odds, rate_per_pair, rate_per_search

ALL = range(12)
NOISE = 0.8  # so that nothing is certain


def scores_of(fitted, a, b, n, seed=100):
    """(n, n) scores of new items, and the rows they belong to."""
    rows = fitted._world.rows(a + b, n, seed)
    seen = {s: fitted.data.inputs[s](torch.from_numpy(r).to(torch.float32)) for s, r in rows.items()}
    return fitted.method.score(a, seen[a], b, seen[b]), rows


def true_log_odds(world, a, b, rows):
    """(n, n) log density ratio of every pair of rows by the world's own covariances: the best that can be known."""
    maps = {}
    for space in (a, b):
        shown = np.zeros((12, 12))
        shown[list(world._axes[space]), list(world._axes[space])] = 1
        maps[space] = shown @ world._maps[space]
    own = {s: m.T @ m + world._noise[s]**2 * np.eye(24) for s, m in maps.items()}
    cross = maps[a].T @ maps[b]
    whole = np.block([[own[a], cross], [cross.T, own[b]]])
    apart = np.block([[own[a], np.zeros_like(cross)], [np.zeros_like(cross), own[b]]])
    precision = np.linalg.inv(apart) - np.linalg.inv(whole)
    x, y = rows[a], rows[b]
    squares = np.einsum("ni,ij,nj->n", x, precision[:24, :24], x)[:, None]
    squares = squares + np.einsum("ni,ij,nj->n", y, precision[24:, 24:], y) + 2 * x @ precision[:24, 24:] @ y.T
    constant = np.linalg.slogdet(apart)[1] - np.linalg.slogdet(whole)[1]
    return torch.from_numpy((squares + constant) / 2)


@pytest.fixture(scope="module")
def noisy(fitted):
    """Three spaces that show the same axes, so noisily that some right pairs look wrong; 500 pairs a hop."""
    return fitted(dict.fromkeys("abc", ALL), ["ab", "bc"], [("a", "c"), ("a", "b")], 500, NOISE)


@pytest.mark.parametrize("pair", ["ab", "ac"])
@pytest.mark.parametrize("columns", [400, ENOUGH - 1])
def test_among_pairs_of_probability_p_a_share_p_is_right(noisy, pair, columns):
    """In galleries, and where a query meets too few rows to tell how it scores."""
    table, _ = scores_of(noisy, *pair, 400)
    same_item = noisy.basis.same_item(*pair)
    p = torch.cat([same_item.probability(part, 0.5) for part in table.split(columns, 1)], 1)
    found = reliability(p, torch.eye(400, dtype=torch.bool), prior=0.5, bins=10)
    assert found["ece"] < 0.05
    assert found["bins"][-1]["predicted"] > 0.9  # it is no hedging either
    assert found["bins"][0]["predicted"] < 0.1


@pytest.mark.parametrize("pair", ["ab", "ac"])
def test_probabilities_are_the_worlds_own_on_average(noisy, pair):
    """Of pairs that are given p, the true posteriors at the same prior are p on average, in bins."""
    table, rows = scores_of(noisy, *pair, 400, seed=200)
    prior = 0.1
    found = noisy.basis.same_item(*pair).probability(table, prior).double().flatten()
    truth = torch.sigmoid(true_log_odds(noisy._world, *pair, rows) + log_prior_odds(prior)).flatten()
    same = torch.eye(400, dtype=torch.bool).flatten()
    weights = torch.where(same, prior / 400, (1 - prior) / (400 * 399)).double()
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1)):
        chosen = (found >= low) & (found < high)
        predicted, true = ((weights * p)[chosen].sum() / weights[chosen].sum() for p in (found, truth))
        assert float(predicted) == pytest.approx(float(true), abs=0.09)


@pytest.mark.parametrize("pair", ["ab", "ac", "ca"])
@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
def test_unrelated_pairs_match_as_often_as_stated(noisy, pair, rate):
    table, _ = scores_of(noisy, *pair, 400, seed=300)
    same_item, wrong = noisy.basis.same_item(*pair), ~torch.eye(400, dtype=torch.bool)
    alone = float((table > same_item.threshold(rate))[wrong].double().mean())
    among = float(same_item.matches(table, rate)[wrong].double().mean())
    stated = float((same_item.false_match_rate(table) < rate)[wrong].double().mean())
    assert among == stated
    for measured in (alone, among):
        assert 0.3 * rate < measured < 1.3 * rate  # few rows per fold: the tail is rather too long


@pytest.mark.parametrize(
    ("axes", "pair"),
    [({"a": range(4), "b": range(4, 8), "c": range(8, 12)}, "ac"),
     ({"a": range(4), "b": range(4, 8), "c": range(8, 12)}, "ab"),
     ({"a": range(6), "b": ALL, "c": range(6, 12)}, "ac")],
)  # fmt: skip
def test_where_two_spaces_share_nothing_every_pair_stays_near_the_prior(fitted, axes, pair):
    found = fitted(axes, ["ab", "bc"], [("a", "c"), ("a", "b")])
    table, _ = scores_of(found, *pair, 300)
    p = found.basis.same_item(*pair).probability(table, 0.01)
    assert float(p.mean()) == pytest.approx(0.01, rel=0.3)
    assert float(p.quantile(0.99)) < 0.05
    assert float(p.max()) < 0.2


def test_results_of_several_pairs_of_spaces_merge_by_their_log_odds(noisy, fitted):
    """Items of b and of c in one list: a pair's place tells how likely it is right, whichever space it is of."""
    merged = []
    for pair in ("ab", "ac"):
        table, _ = scores_of(noisy, *pair, 300, seed=400)
        merged.append((noisy.basis.same_item(*pair).probability(table, 1 / 300).flatten(), torch.eye(300).flatten()))
    p, same = (torch.cat(parts) for parts in zip(*merged, strict=True))
    best = p.argsort(descending=True)[:200]
    assert float(p[best].mean()) == pytest.approx(float(same[best].mean()), abs=0.1)


def test_a_pair_is_read_alone_as_among_few_and_order_is_kept(noisy):
    table, _ = scores_of(noisy, "a", "c", 60)
    same_item = noisy.basis.same_item("a", "c")
    alone = same_item.log_odds(table[:1, :1])
    assert alone.shape == (1, 1)
    assert float(alone) == float(same_item.log_odds(table[:, : ENOUGH - 1])[0, 0])
    among = same_item.log_odds(table)
    assert (among.shape, among.dtype) == (table.shape, torch.float32)
    for row in range(60):
        assert bool((among[row][table[row].argsort()].diff() >= 0).all())
    assert same_item.log_odds(table[:0]).shape == (0, 60)
    constant = same_item.probability(torch.full((2, 80), 0.3), 0.01)  # a row that tells nothing
    assert bool(torch.isfinite(constant).all())


def test_others_are_all_but_the_score_itself():
    table = torch.randn(4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 7
    found = among_others(table)
    others = torch.cat([table[2, :5], table[2, 6:]])
    assert float(found[2, 5]) == pytest.approx(float((table[2, 5] - others.mean()) / others.std()))


def test_a_prior_moves_the_odds_by_its_own(noisy):
    table, _ = scores_of(noisy, "a", "c", 80)
    same_item = noisy.basis.same_item("c", "a")
    odds = same_item.log_odds(table)
    for prior in (0.5, 0.01):
        p = same_item.probability(table, prior).double()
        assert torch.allclose(p, torch.sigmoid(odds.double() + np.log(prior / (1 - prior))), atol=1e-5)
    for bad in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="prior"):
            same_item.probability(table, bad)


def test_a_searchs_rate_is_shared_by_its_pairs():
    assert rate_per_pair(0.05, 1) == pytest.approx(0.05)
    assert 1 - (1 - rate_per_pair(0.05, 1000)) ** 1000 == pytest.approx(0.05)
    assert rate_per_search(rate_per_pair(0.05, 1000), 1000) == pytest.approx(0.05)
    assert rate_per_pair(1.0, 7) == rate_per_search(1.0, 7) == 1
    assert rate_per_pair(1e-9, 10**6) == pytest.approx(1e-15)


def test_it_is_kept_with_the_basis(noisy):
    again = Basis.from_dict(json.loads(json.dumps(noisy.basis.to_dict())))
    table, _ = scores_of(noisy, "a", "c", 80)
    before, after = (basis.same_item("a", "c").log_odds(table) for basis in (noisy.basis, again))
    assert torch.allclose(before, after, atol=2e-3)
    assert again.same_item("a", "c").threshold(0.01) == pytest.approx(noisy.basis.same_item("a", "c").threshold(0.01),
                                                                      abs=1e-4)  # fmt: skip


def test_a_basis_of_before_has_none(noisy):
    known = noisy.basis.to_dict()
    for pair in known["pairs"]:
        del pair["same_item"]
    with pytest.raises(NoPathError, match="calibrated"):
        Basis.from_dict(known).same_item("a", "c")
    with pytest.raises(NoPathError, match="no forecast"):
        noisy.basis.same_item("b", "c")


def test_damaged_numbers_are_refused(noisy):
    known = noisy.basis.same_item("a", "c").to_dict()
    ratios = known["among"]["log_ratios"]
    assert SameItem.from_dict(known).to_dict() == known
    for damage in (ratios[:-1], ratios[::-1], [float("nan"), *ratios[1:]]):
        with pytest.raises(ValueError, match="log_ratios"):
            SameItem.from_dict({**known, "among": {**known["among"], "log_ratios": damage}})
    for damage in (0.0, float("inf")):
        with pytest.raises(ValueError, match="deviation"):
            SameItem.from_dict({**known, "deviation": damage})


def test_a_threshold_that_nothing_supports_is_refused():
    ratio = LikelihoodRatio.of(torch.arange(30.0) / 10, torch.linspace(-2, 2, 400), 30)
    same_item = SameItem(0.0, 1.0, ratio, ratio)
    with pytest.raises(UsageError, match="false matches"):
        same_item.threshold(1e-4)
    with pytest.raises(UsageError, match="false matches"):
        same_item.matches(torch.zeros(2, 60), 1e-4)
