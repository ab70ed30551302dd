"""What held-out scores become, with folds made up so that the truth is known."""

import pytest
import torch

from anybind.forecasting.calibration import Expected
from anybind.forecasting.held_out import HopScores
from anybind.forecasting.held_out_scores import HeldOutScores
from anybind.forecasting.same_item import among_others

SEPARATION, UNSEEN, FITTED = 3.0, 100, 300


class Fold:
    """Right scores are N(3, 1), those of unseen unrelated rows N(0, 1), those of fitted rows ``spread`` times wider."""

    def __init__(self, seed, spread=1.0, unseen=UNSEEN):
        self._random = torch.Generator().manual_seed(seed)
        self._spread, self._unseen = spread, unseen

    def hop(self, a, b):
        return HopScores(self._table(), self._table())

    def ends(self, route):
        return torch.randn(self._unseen, self._unseen, generator=self._random)

    def _table(self):
        table = torch.randn(self._unseen, self._unseen + FITTED, generator=self._random)
        table[:, self._unseen :] *= self._spread
        table.diagonal().add_(SEPARATION)
        return table


def watched(routes, **settings):
    scores = HeldOutScores(routes)
    folds = [Fold(seed, **settings) for seed in range(5)]
    assert list(scores.watching(folds)) == folds
    return scores


def fresh(n=300):
    table = torch.randn(n, n, generator=torch.Generator().manual_seed(99))
    table.diagonal().add_(SEPARATION)
    return table, torch.eye(n, dtype=torch.bool)


@pytest.mark.parametrize("spread", [0.7, 1.0, 2.0])
def test_rates_and_probabilities_hold_however_fitted_rows_score(spread):
    scores = watched([("a", "b")], spread=spread)
    seen = torch.cat([among_others(Fold(seed, spread)._table()).diagonal() for seed in range(5)])
    found = scores.same_item(("a", "b"), Expected(float(seen.mean()), 0.05, float(seen.std())))
    table, same = fresh()
    for rate in (0.1, 0.01, 0.001):
        assert float(found.matches(table, rate)[~same].double().mean()) == pytest.approx(rate, rel=0.5)
        assert float((table > found.threshold(rate))[~same].double().mean()) == pytest.approx(rate, rel=0.5)
    exact = SEPARATION * table - SEPARATION**2 / 2  # the log ratio of N(3, 1) to N(0, 1)
    usual = (table > 0) & (table < 3)
    for odds in (found.log_odds(table), torch.cat([found.log_odds(part) for part in table.split(40, 1)], 1)):
        assert float((odds - exact)[usual].abs().mean()) < 0.35


def test_a_bridges_right_pairs_are_where_the_forecast_puts_them():
    scores = watched([("a", "b", "c")])
    table, same = fresh()
    likely, unlikely = (
        scores.same_item(("a", "b", "c"), Expected(separation, 0.1, 1.0)).log_odds(table)[same].mean()
        for separation in (SEPARATION, 0.0)
    )
    assert float(likely) == pytest.approx(SEPARATION**2 / 2, rel=0.25)  # the mean log ratio of right pairs
    assert abs(float(unlikely)) < 0.3


def test_a_hop_is_found_in_either_order_and_what_no_fold_holds_is_not():
    scores = watched([("b", "a")])
    assert scores.same_item(("a", "b"), Expected(SEPARATION, 0.1, 1.0)) is not None
    assert scores.same_item(("a", "c"), Expected(SEPARATION, 0.1, 1.0)) is None
    few = watched([("a", "b", "c")], unseen=3)
    assert few.same_item(("a", "b", "c"), Expected(SEPARATION, 0.1, 1.0)) is None
