"""Expected separations of bridges whose hops and round trips are those of a model that is known.

A, B and C show directions of a latent, A's r_a and C's r_c, k of them in common, with reliabilities R_a, R_b, R_c. A
hop of n directions with reliabilities R and S reaches sqrt(n R S); see ``anybind.forecasting.calibration``.
"""

from dataclasses import replace
from math import isfinite, sqrt

import pytest
import torch

from anybind.forecasting.calibration import SCATTER, expected_bridged, expected_direct
from anybind.forecasting.composing import Estimate
from anybind.forecasting.evidence import REST, BridgeEvidence, HopEvidence


def hop(separation, gain=0.0, error=0.01):
    right = separation + torch.linspace(-1.3, 1.3, 50)
    return HopEvidence(right, torch.full((50,), 0.1), torch.linspace(-2, 2, 50), 50, 100, gain, 0.0, error)


def bridge(directions, common, reliable, error=0.01):
    """Evidence and hops of A - B - C."""
    (n_a, n_c), (a, b, c) = directions, reliable
    composed = Estimate(sqrt(common * a * c) * b, error)
    trips = ((Estimate(sqrt(n_a) * a * b, error), Estimate(sqrt(n_c) * c * b, error)),)
    return BridgeEvidence(composed, trips, 1.0), [
        hop(sqrt(n_a * a * b)),
        hop(sqrt(n_c * b * c)),
    ]


@pytest.mark.parametrize("reliable", [0.2, 0.5, 0.9])
def test_hops_that_show_the_same_of_equally_noisy_spaces_reach_what_one_does(reliable):
    evidence, hops = bridge((30, 30), 30, (reliable,) * 3)
    assert expected_bridged(evidence, hops).separation == pytest.approx(hops[0].separation, rel=0.02)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("reliable", [0.3, 0.8])
def test_what_hops_show_of_different_sides_of_a_pivot_is_not_promised(share, reliable):
    """k of r directions are shared: the truth is sqrt(k R R), whatever the noise of the pivot."""
    evidence, hops = bridge((50, 50), 50 * share, (reliable,) * 3)
    truth = sqrt(50 * share) * reliable
    found = expected_bridged(evidence, hops)
    assert found.separation == pytest.approx(truth, rel=0.05)
    assert found.interval[0] < truth < found.interval[1]


def test_a_hop_that_shows_more_than_the_other_is_no_loss():
    """C shows all that A does and as much again: the truth is what A's hop reaches."""
    evidence, hops = bridge((20, 40), 20, (0.6, 0.6, 0.6))
    assert expected_bridged(evidence, hops).separation == pytest.approx(hops[0].separation, rel=0.02)


def test_hops_that_share_nothing_promise_nothing():
    evidence, hops = bridge((30, 30), 0, (0.6, 0.6, 0.6))
    found = expected_bridged(evidence, hops)
    assert found.separation < 0.05
    assert found.interval[0] < 0


def test_two_pivots_are_each_divided_out():
    """A - B - C - D, all with reliability R: composed is sqrt(r) R^3, the truth sqrt(r) R."""
    directions, reliable = 40, 0.5
    one = Estimate(sqrt(directions) * reliable**2, 0.01)
    evidence = BridgeEvidence(Estimate(sqrt(directions) * reliable**3, 0.01), ((one, one), (one, one)), 1.0)
    hops = [hop(sqrt(directions) * reliable)] * 3
    assert expected_bridged(evidence, hops).separation == pytest.approx(hops[0].separation, rel=0.02)


def test_what_is_measured_badly_is_promised_carefully():
    """Half of the weakest hop, measured well; measured badly, it may as well be all of it."""
    sure, unsure = (bridge((50, 50), 12.5, (0.5,) * 3, error) for error in (0.01, 0.4))
    first, second = (expected_bridged(*each) for each in (sure, unsure))
    assert first.separation < second.separation < sure[1][0].separation
    assert second.deviation > 2 * first.deviation


def test_what_more_rows_add_to_the_hops_is_expected_of_the_bridge():
    evidence, hops = bridge((50, 50), 12.5, (0.5,) * 3)
    both = [hop(each.measured, gain=0.3) for each in hops]
    other = [hops[0], hop(hops[1].measured, gain=0.6)]
    before, grown, helped = (expected_bridged(evidence, each).separation for each in (hops, both, other))
    assert grown > before * both[0].separation / hops[0].separation
    assert 1.05 * before < helped < before * other[1].separation / hops[1].separation


def test_an_unmeasured_bridge_is_expected_near_its_weakest_hop_with_doubt():
    evidence, hops = bridge((50, 50), 25, (0.5,) * 3)
    unknown = replace(evidence, composed=Estimate(0.7, 50.0))
    found, weakest = expected_bridged(unknown, hops), hops[0].separation
    assert found.separation == pytest.approx(0.9 * weakest, rel=0.05)
    assert 0.2 * weakest < found.deviation < 0.3 * weakest


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_badly_measured_round_trips_and_hops_widen_the_interval(share):
    evidence, hops = bridge((50, 50), 50 * share, (0.5,) * 3)
    rough = replace(evidence, trips=(tuple(replace(trip, error=0.8) for trip in evidence.trips[0]),))
    sure = expected_bridged(evidence, hops).deviation
    assert expected_bridged(rough, hops).deviation > 1.1 * sure
    unsure = [hop(each.separation, error=0.5) for each in hops]
    found = expected_bridged(evidence, unsure)
    assert found.deviation > max(1.1 * sure, 0.9 * 0.5 * found.separation / hops[0].separation)


@pytest.mark.parametrize("separation", [0.5, 2.0])
def test_what_is_known_of_separations_leaves_a_scatter_for_every_hop(separation):
    """Nothing else is uncertain here; a pair that rows hold together is one hop. It is that of the fit of all rows."""
    sure = hop(0.8 * separation, gain=0.2 * separation / (1 + REST), error=1e-9)
    exact = Estimate(0.8 * separation, 1e-9)
    assert expected_direct(sure).deviation == pytest.approx(SCATTER * separation)
    for pivots in (1, 2):
        evidence = BridgeEvidence(exact, ((exact, exact),) * pivots, 1.0)
        found = expected_bridged(evidence, [sure] * (pivots + 1))
        assert found.deviation == pytest.approx(SCATTER * separation * sqrt(pivots + 1), rel=0.03)
    # truths have heavier tails than a normal distribution, whose nine of ten lie within 1.645
    assert found.interval[1] - found.separation > 1.7 * found.deviation


def test_the_scatter_of_a_bridge_is_that_of_its_weakest_hop():
    evidence, hops = bridge((20, 80), 20, (0.9,) * 3, 1e-6)
    longer = [hops[0], hop(2 * hops[1].separation)]
    assert expected_bridged(evidence, longer).deviation == pytest.approx(
        expected_bridged(evidence, hops).deviation, rel=0.02
    )


@pytest.mark.parametrize("faint", [0.05, 0.2])
def test_a_faint_hop_that_is_measured_badly_may_be_a_better_one(faint):
    evidence = BridgeEvidence(Estimate(faint, 0.01), ((Estimate(faint, 0.01),) * 2,), 1.0)
    found = expected_bridged(evidence, [hop(2.0), hop(faint, error=0.2)])
    assert found.deviation > 0.2 / sqrt(2) * found.separation / faint


def test_right_pairs_spread_as_those_of_the_hops_or_as_wrong_ones_where_nothing_joins():
    (whole, hops), (nothing, _) = (bridge((50, 50), common, (0.5,) * 3) for common in (50, 0))
    assert hops[0].spread < 0.95
    assert expected_bridged(whole, hops).spread == pytest.approx(hops[0].spread, rel=0.02)
    assert expected_bridged(nothing, hops).spread == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("measured", [-0.5, 0.0])
def test_hops_and_round_trips_below_nothing_give_a_forecast_of_nothing(measured):
    none = Estimate(measured, 0.1)
    found = expected_bridged(BridgeEvidence(none, ((none, none),), 1.0), [hop(measured), hop(1.0)])
    assert 0 <= found.separation < 0.06
    assert all(isfinite(number) for number in (found.separation, found.deviation, found.spread))
