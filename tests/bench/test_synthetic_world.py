"""The synthetic world: what it promises, and that it is hard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Bench = Callable[[str], Any]


@pytest.fixture
def world(bench: Bench) -> Any:
    """The class World."""
    return bench("synthetic_world").World


def strongest_link(rows: dict[str, Any], a: str, b: str) -> float:
    """Largest singular value of the cross-covariance, per root of the spaces' own variances."""
    left, right = (rows[s] - rows[s].mean(0) for s in (a, b))
    cross = np.linalg.svd(left.T @ right / len(left), compute_uv=False)[0]
    return float(cross / np.sqrt(np.trace(left.T @ left / len(left)) * np.trace(right.T @ right / len(left))))


def test_rows_have_unit_length_and_come_back_from_their_seeds(world: Any) -> None:
    first, again, other = (world(seed).data_sets(50) for seed in (0, 0, 1))
    assert {name: sorted(rows) for name, rows in first.items()} == {"d1": ["a", "b"], "d2": ["b", "c"]}
    for name, rows in first.items():
        for space, x in rows.items():
            assert x.shape == (50, 120)
            assert x.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
            assert np.array_equal(x, again[name][space])
            assert not np.allclose(x, other[name][space])


def test_data_sets_test_and_oracle_share_no_row(world: Any) -> None:
    place = world(0)
    parts = [*place.data_sets(40).values(), place.true_pairs(40)["true"], place.test(40)]
    for space in "abc":
        rows = np.concatenate([part[space] for part in parts if space in part])
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_more_hops_are_a_longer_chain(world: Any) -> None:
    place = world(0, hops=2)
    assert [sorted(rows) for rows in place.data_sets(5).values()] == [["a", "b"], ["b", "c"], ["c", "d"]]
    assert sorted(place.test(5)) == sorted(place.true_pairs(5)["true"]) == ["a", "d"]


def test_the_pivot_is_distributed_differently_in_the_two_data_sets(world: Any) -> None:
    place = world(0)
    first, second = (rows["b"] for rows in place.data_sets(2000).values())
    halves = np.linalg.norm(first[:1000].mean(0) - first[1000:].mean(0))
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > 5 * halves


def test_a_blind_pivot_shows_nothing_of_what_its_neighbours_share(world: Any) -> None:
    for blind, seen in ((0.0, True), (1.0, False)):
        rows = world(0, blind=blind).draw(2000, "abc", domain=0, seed=1)
        unrelated = {"a": rows["a"], "b": rows["b"][::-1]}
        assert (strongest_link(rows, "a", "b") > 2 * strongest_link(unrelated, "a", "b")) is seen
        assert strongest_link(rows, "a", "c") > 2 * strongest_link(unrelated, "a", "b")


def test_a_more_nonlinear_world_leaves_less_to_linear_maps(world: Any) -> None:
    links = [
        strongest_link(world(0, nonlinearity=share).draw(4000, "ac", domain=0, seed=1), "a", "c")
        for share in (0.0, 0.5, 1.0)
    ]
    assert links[0] > 1.1 * links[1] > 1.2 * links[2]


def test_the_world_is_hard_and_the_default_is_up_to_it(bench: Bench) -> None:
    """In little what bench/synthetic.py shows at 5,000 rows, where the bounds are .30, .65, .20 and .92."""
    synthetic = bench("synthetic")
    methods = {label: synthetic.METHODS[label] for label in ("pcca", *synthetic.HARD)}
    found = synthetic.run(synthetic.Setting(600, 1, 0.9), first=1, methods=methods)
    plain, centred = synthetic.MODES
    assert np.mean(found[plain][synthetic.ORACLE]) > 0.6
    for label, limit in synthetic.HARD.items():
        assert synthetic.share(found, plain, label) < limit
    assert synthetic.share(found, plain, "pcca") > 0.80
    assert synthetic.share(found, centred, "pcca") > 0.85
