"""Neighbours, hubs and common neighbourhoods, against scikit-learn, scipy and brute force."""

import numpy as np
import pytest
import torch
from scipy.stats import skew
from sklearn.neighbors import NearestNeighbors

from anybind.diagnosis import neighbours as module
from anybind.diagnosis.neighbours import hubness, mutual_neighbours, nearest, skewness
from anybind.diagnosis.spaces import centre


def by_sklearn(rows, k):
    found = NearestNeighbors(n_neighbors=k + 1, metric="cosine", algorithm="brute").fit(rows).kneighbors(rows)[1]
    return [[other for other in line if other != row][:k] for row, line in enumerate(found)]


def test_neighbours_are_those_of_sklearn_also_in_chunks(draws, monkeypatch):
    unit = torch.nn.functional.normalize(draws(150, 6), dim=1)
    expected = [set(line) for line in by_sklearn(unit.numpy(), 10)]
    assert [set(line) for line in nearest(unit).tolist()] == expected
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 40)
    assert [set(line) for line in nearest(unit).tolist()] == expected


def test_hubness_is_the_skewness_of_the_occurrences(draws):
    unit = torch.nn.functional.normalize(draws(150, 6), dim=1)
    counts = np.bincount(np.concatenate(by_sklearn(unit.numpy(), 10)), minlength=150)
    assert hubness(nearest(unit), 150) == pytest.approx(skew(counts))
    assert skewness(torch.full((9,), 3.0)) == 0


def test_hubs_show_and_evenly_spread_rows_have_none(draws):
    angles = torch.arange(300) * (2 * torch.pi / 300)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert abs(hubness(nearest(circle), 300)) < 0.7, "everyone is the neighbour of those beside"
    heavy = centre(draws(600, 100).abs() ** 6)  # few large entries: rows without one lie near the mean
    assert hubness(nearest(heavy), 600) > 2


def test_random_neighbours_give_what_the_docs_say():
    drawn = torch.randint(4000, (4000, 10), generator=torch.Generator().manual_seed(0))
    assert hubness(drawn, 4000) == pytest.approx(10**-0.5, abs=0.08)


def test_mutual_neighbours_by_brute_force_with_ends_at_one_and_chance(draws):
    a, b = (torch.nn.functional.normalize(draws(400, 8, seed), dim=1) for seed in (0, 1))
    mixed = torch.nn.functional.normalize(a + b, dim=1)
    near_a, near_mixed = by_sklearn(a.numpy(), 10), by_sklearn(mixed.numpy(), 10)
    shares = [len(set(one) & set(other)) / 10 for one, other in zip(near_a, near_mixed, strict=True)]
    assert mutual_neighbours(a, mixed) == pytest.approx(np.mean(shares))
    rotation = torch.linalg.qr(draws(8, 8, 3)).Q
    assert mutual_neighbours(a, a @ rotation) == pytest.approx(1)
    assert mutual_neighbours(a, b) == pytest.approx(10 / 399, abs=0.015)
