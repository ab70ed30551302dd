"""procrustes: random rotations recovered, the nearest rotation by its definition, and honest ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.fit_data import FitData
from anybind.methods.procrustes import Procrustes, rotation

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]


def turn(seed: int, dim: int) -> Array:
    result: Array = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    return result


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 1e6])
def test_random_rotations_are_recovered_exactly(
    fit_data: Make, tensor: Tensor, plain_mrr: MRR, shrinkage: float
) -> None:
    """b is a turned, c is b turned: nothing is lost on the way, whitened or not."""
    random = np.random.default_rng(0)
    spread = np.linspace(0.3, 2, 7)
    first, second = turn(1, 7), turn(2, 7)
    a, b = (random.normal(size=(60, 7)) * spread for _ in range(2))
    a, b = a - a.mean(0), (b - b.mean(0)) @ first
    data = fit_data({"d1": {"a": a, "b": a @ first}, "d2": {"b": b, "c": b @ second}})
    fitted = Procrustes(shrinkage=shrinkage, rank=7).fit(data, targets=[("a", "c")])
    test = random.normal(size=(80, 7)) * spread
    there = test @ first @ second
    scores = fitted.score("a", tensor(test), "c", tensor(there))
    assert plain_mrr(scores) == 1
    if shrinkage == 1e6:  # not whitened: the composed map is the rotation itself
        left, right = (fitted.tensors()[f"{s}/to/a~c"].numpy() for s in "ac")
        scale = np.linalg.norm(left) * np.linalg.norm(right) / 7
        np.testing.assert_allclose(left @ right.T / scale, first @ second, atol=1e-4)
        np.testing.assert_allclose(scores.diagonal(), 1, atol=1e-4)
    else:
        np.testing.assert_allclose(scores.diagonal(), 1, atol=0.1)  # the two data sets' spreads differ by chance


def test_one_hop_is_the_rotation_nearest_in_frobenius_norm(fit_data: Make) -> None:
    """No rotation has a larger trace with the correlation: compared with many random ones."""
    random = np.random.default_rng(0)
    matrix = torch.tensor(random.normal(size=(5, 5)))
    found = rotation(matrix, 5)
    torch.testing.assert_close(found @ found.T, torch.eye(5, dtype=torch.float64))
    best = float((found * matrix).sum())
    assert best == pytest.approx(np.linalg.norm(matrix, "nuc"))
    for seed in range(50):
        assert (turn(seed, 5) * matrix.numpy()).sum() <= best
        nearby = torch.linalg.matrix_exp(0.01 * torch.tensor(turn(seed, 5) - turn(seed, 5).T))
        assert float((found @ nearby * matrix).sum()) <= best


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_a_rank_keeps_the_leading_directions(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(rotation(torch.tensor(matrix), 2), left[:, :2] @ right[:2], atol=1e-10)
    values = torch.linalg.svdvals(rotation(torch.tensor(matrix), 100))
    np.testing.assert_allclose(values, np.ones(min(shape)), atol=1e-10)


def test_few_shared_directions_among_noise_get_a_small_rank(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(300, 40))
    shared = {"a": z @ turn(1, 40), "b": z @ turn(2, 40) + 0.1 * random.normal(size=(300, 40))}
    shown = {s: np.c_[4 * z[:, :6] @ turn(3, 6), random.normal(size=(300, 34))] for s in "bc"}
    hidden = {s: x @ turn(i, 40) for i, (s, x) in enumerate(shown.items())}
    chosen = Procrustes().fit(fit_data({"d1": shared, "d2": hidden})).chosen
    assert chosen is not None
    assert chosen["rank a to b"] > 16
    assert chosen["rank b to c"] == 8


def test_weak_directions_count_like_strong_ones(fit_data: Make, tensor: Tensor) -> None:
    """Two spaces share two directions, one clean and one noisy; both weigh the same."""
    random = np.random.default_rng(0)
    z = random.normal(size=(20_000, 2))
    rows = {"a": z, "b": z + random.normal(size=z.shape) * [0.1, 2.0]}
    fitted = Procrustes(shrinkage=0.0, rank=2).fit(fit_data({"d": rows}))
    embedded = fitted.tensors()["a/to/a~b"]
    np.testing.assert_allclose(embedded.norm(dim=0), 1, atol=0.02)
