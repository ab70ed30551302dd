"""The nearest rows against brute force, and the distance of chance against simulation and Weibull's law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import false_discovery_control, weibull_min
from sklearn.neighbors import NearestNeighbors

from anybind.evaluation.near_duplicates import Chance, NearestRows, duplicate_distance


def drawn(rows: int, dim: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32))


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors.double(), dim=1).numpy()


def distances(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    return np.sqrt(np.maximum(2 - 2 * unit(a) @ unit(b).T, 0))


def nearest_other(rows: torch.Tensor) -> torch.Tensor:
    table = distances(rows, rows)
    np.fill_diagonal(table, np.inf)
    return torch.from_numpy(table.min(axis=1))


def test_nearest_rows_equal_scikit_learn_over_several_tiles_and_batches() -> None:
    queries, rows = drawn(3000, 6, 0), drawn(9500, 6, 1)
    nearest = NearestRows(queries)
    for start in range(0, len(rows), 9000):
        nearest.offer(rows[start : start + 9000], [str(i) for i in range(start, min(start + 9000, len(rows)))])
    expected, positions = NearestNeighbors(n_neighbors=1).fit(unit(rows)).kneighbors(unit(queries))
    assert nearest.distances().numpy() == pytest.approx(expected[:, 0], abs=1e-6)
    assert np.mean([int(item) for item in nearest.ids] == positions[:, 0]) > 0.999  # float32 cosines nearly tie


def test_an_items_own_family_is_passed_over() -> None:
    rows = drawn(60, 3, 2)
    families = [f"family {i // 3}" for i in range(60)]
    nearest = NearestRows(rows, families)
    nearest.offer(rows, [str(i) for i in range(60)], families)
    table = np.linalg.norm(unit(rows)[:, None] - unit(rows)[None], axis=2)
    table[np.arange(60)[:, None] // 3 == np.arange(60) // 3] = np.inf
    assert nearest.distances().numpy() == pytest.approx(table.min(axis=1), abs=1e-7)
    assert [int(item) for item in nearest.ids] == table.argmin(axis=1).tolist()


def test_without_rows_there_is_no_nearest() -> None:
    nearest = NearestRows(drawn(3, 4, 0))
    nearest.offer(torch.zeros(0, 4), [])
    assert nearest.distances().tolist() == [math.inf] * 3
    assert not nearest.equal().any()


def test_equal_is_up_to_rounding_and_length_counts() -> None:
    rows = drawn(4, 8, 3)
    nearest = NearestRows(torch.stack([rows[0], rows[1] * (1 + 1e-6), rows[2] * 1.01, rows[3] + 1e-3]))
    nearest.offer(rows, ["a", "b", "c", "d"])
    assert nearest.ids == ["a", "b", "c", "d"]
    assert nearest.equal().tolist() == [True, True, False, False]


@pytest.mark.parametrize("shape", [2.0, 5.0, 12.0])
def test_a_distance_is_weibulls_quantile_in_data_of_any_size(shape: float) -> None:
    law = weibull_min(shape, scale=0.8)
    chance = Chance.of(torch.from_numpy(law.ppf((np.arange(4000) + 0.5) / 4000)), rows=1000)
    assert chance.shape_inverse == pytest.approx(1 / shape, rel=1e-3)
    probability = torch.tensor([1e-6, 1e-4, 0.01], dtype=torch.float64)
    half = law.median() / 2
    expected = np.minimum(law.ppf(probability.numpy()), half)
    assert chance.distance(probability, 1000).numpy() == pytest.approx(expected, rel=5e-3)
    expected = np.minimum(weibull_min(shape, scale=0.8 * 9 ** (-1 / shape)).ppf(probability.numpy()), half)
    assert chance.distance(probability, 9000).numpy() == pytest.approx(expected, rel=5e-3)


def test_the_rule_is_that_of_benjamini_and_hochberg() -> None:
    """Against scipy's adjusted p-values, where half of the median does not bind."""
    law = weibull_min(3.0, scale=1.0)
    chance = Chance(rows=500, median=float(law.median()), shape_inverse=1 / 3)
    generator = np.random.default_rng(0)
    found = []
    for copies in range(0, 60, 4):
        p_values = generator.uniform(size=100)
        p_values[:copies] *= 0.02
        limit = duplicate_distance(torch.from_numpy(law.ppf(p_values)), 500, [chance])
        accepted = false_discovery_control(p_values) <= 0.05
        assert ((law.ppf(p_values) < limit) == accepted).all()
        found.append(accepted.sum())
    assert found[0] <= 1 < max(found)


def alarms(rows: int, test: int, dim: int, trials: int) -> int:
    """Checks of unrelated items that find near-duplicates, with what both sides tell of chance."""
    total = 0
    for trial in range(trials):
        a, b = drawn(rows, dim, 2 * trial), drawn(test, dim, 2 * trial + 1)
        nearest = torch.from_numpy(distances(b, a).min(axis=1))
        chances = [chance for x in (a, b) if (chance := Chance.of(nearest_other(x), len(x)))]
        total += bool((nearest < duplicate_distance(nearest, rows, chances)).any())
    return total


@pytest.mark.parametrize(("rows", "test", "dim"), [(120, 60, 4), (300, 100, 8), (100, 300, 5)])
def test_unrelated_items_pass_for_duplicates_in_about_one_check_of_twenty(rows: int, test: int, dim: int) -> None:
    assert alarms(rows, test, dim, trials=200) <= 20  # ten expected; 21 or more have a probability below 0.002


def test_what_cannot_be_told_is_not_told() -> None:
    few = torch.linspace(0.5, 1, 19, dtype=torch.float64)
    assert Chance.of(few, 19) is None
    assert Chance.of(torch.cat([few, torch.full((50,), math.inf)]), 69) is None
    assert Chance.of(torch.cat([torch.zeros(40, dtype=torch.float64), few, few]), 78) is None
    equally_far = Chance.of(torch.full((100,), math.sqrt(2), dtype=torch.float64), 100)  # one-hot vectors
    assert equally_far.distance(torch.tensor([1e-9]), 1000) == pytest.approx(math.sqrt(2) / 2)
