"""The neighbourhood regulariser: 0 for kept structure, larger the more of it is lost."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from anybind.objectives.neighbourhood import neighbourhood_loss

Unit = Callable[..., torch.Tensor]


def plain(inputs: torch.Tensor, embedded: torch.Tensor, t: float, levels: int) -> float:
    def probabilities(rows: torch.Tensor) -> np.ndarray:
        centred = rows.numpy() - rows.numpy().mean(0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        table = np.exp(centred @ centred.T / t)
        np.fill_diagonal(table, 0)
        return table / table.sum(1, keepdims=True)

    p, q, total = probabilities(inputs), probabilities(embedded), 0.0
    for level in range(1, levels + 1):
        powers = np.linalg.matrix_power(p, level), np.linalg.matrix_power(q, level)
        total += np.mean([jensenshannon(a, b) ** 2 for a, b in zip(*powers, strict=True)]) / level
    return total / levels


@pytest.mark.parametrize("levels", [1, 3])
def test_it_is_the_mean_divergence_of_the_neighbourhoods(unit: Unit, levels: int) -> None:
    inputs, embedded = unit(8, 6), unit(8, 4, seed=1)
    found = float(neighbourhood_loss(inputs, embedded, temperature=0.3, levels=levels))
    assert found == pytest.approx(plain(inputs, embedded, 0.3, levels), rel=1e-6)


def test_rotating_shifting_and_scaling_keep_the_structure(unit: Unit) -> None:
    inputs = unit(20, 6)
    rotation = torch.linalg.qr(unit(6, 6, seed=1))[0]
    assert float(neighbourhood_loss(inputs, 3 * inputs @ rotation + 1)) == pytest.approx(0, abs=1e-9)


def test_losing_more_structure_costs_more(unit: Unit) -> None:
    inputs, noise = unit(40, 8), unit(40, 8, seed=1)
    costs = [float(neighbourhood_loss(inputs, inputs + share * noise)) for share in (0.1, 0.5, 2.0)]
    assert 0 < costs[0] < costs[1] < costs[2] <= math.log(2)


def test_training_on_it_restores_the_neighbours(unit: Unit) -> None:
    inputs, rows = unit(30, 6), unit(30, 6, seed=1).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=0.05)
    before = float(neighbourhood_loss(inputs, rows).detach())
    for _ in range(150):
        loss = neighbourhood_loss(inputs, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert float(loss.detach()) < 0.5 * before


def test_the_inputs_are_what_is_aimed_at_and_get_no_gradient(unit: Unit) -> None:
    inputs, rows = unit(8, 6).requires_grad_(), unit(8, 6, seed=1).requires_grad_()
    neighbourhood_loss(inputs, rows).backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is None
    assert rows.grad is not None
