"""An edge that carries something, one that carries nothing, and one too small to judge."""

import json

import numpy as np
import pytest

from anybind.diagnosis.edges import edge_report


def test_a_related_edge_says_so_in_every_number(views, sampled):
    report = edge_report(sampled(views(300)), "a", "b")
    edge = report.measured
    assert (report.pairs, report.groups, edge.gallery) == (300, 300, 60)
    assert min(edge.r2) > 0.3
    assert edge.mrr > 0.8 > 5 * edge.chance
    assert edge.placed_above > 0.95
    assert edge.z > 20
    assert edge.mutual > 10 * edge.mutual_chance
    assert edge.cka > 0.5
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["measured"]["r2"] == list(edge.r2)


def test_half_of_the_pairs_find_less_where_pairs_are_scarce(views, sampled):
    edge = edge_report(sampled(views(150, noise=6.0)), "a", "b").measured
    assert edge.chance < edge.mrr_half < edge.mrr - 0.03


def test_shuffled_pairs_carry_nothing(views, sampled):
    rows = views(300)
    for seed in range(5):
        shuffled = {"a": rows["a"], "b": np.random.default_rng(seed).permutation(rows["b"])}
        edge = edge_report(sampled(shuffled), "a", "b", seed).measured
        assert abs(edge.z) < 3
        assert max(edge.r2) < 0.02
        assert edge.mrr == pytest.approx(edge.chance, abs=0.03)
        assert edge.mutual == pytest.approx(edge.mutual_chance, abs=0.02)
        assert abs(edge.cka) < 0.05


def test_near_duplicates_do_not_count_as_evidence(views, sampled):
    """Forty unrelated pairs, each eight times over: without groups every row would find its copies."""
    rows = {name: np.repeat(array, 8, axis=0) for name, array in views(60).items()}
    rows["b"] = np.repeat(np.random.default_rng(0).permutation(views(60)["b"]), 8, axis=0)
    groups = [str(row // 8) for row in range(480)]
    assert edge_report(sampled(rows), "a", "b").measured.z > 10
    honest = edge_report(sampled(rows, groups=groups), "a", "b")
    assert honest.groups == 60
    assert honest.measured.z < 3
    assert honest.measured.compared == 60
    assert honest.measured.z == pytest.approx((honest.measured.placed_above - 0.5) * (12 * 60) ** 0.5)


def test_few_pairs_are_not_judged(views, sampled):
    edge = edge_report(sampled(views(49)), "a", "b")
    assert (edge.pairs, edge.groups) == (49, 49)
    assert edge.measured is None
    assert edge.to_dict()["measured"] is None
    present = {"b": np.arange(200) < 30}
    assert edge_report(sampled(views(200), present=present), "a", "b").pairs == 30


def test_small_folds_have_no_hubness(views, sampled):
    assert edge_report(sampled(views(60)), "a", "b").measured.hubness is None
