"""PMRL: singular values and directions against numpy, minimal loss at rank one, honest gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from anybind.objectives.pmrl import leading_direction, pmrl_loss

Unit = Callable[..., torch.Tensor]


def everywhere(rows: torch.Tensor) -> torch.Tensor:
    return torch.ones(rows.shape[:2], dtype=torch.bool)


def test_they_are_the_singular_values_and_the_leading_direction(unit: Unit) -> None:
    rows = unit(8, 3, 6)
    values, directions = leading_direction(rows)
    for z, sigma, u in zip(rows.numpy(), values.numpy(), directions.numpy(), strict=True):
        left, wanted, _ = np.linalg.svd(z.T, full_matrices=False)
        np.testing.assert_allclose(sigma, wanted, rtol=1e-6)
        sign = np.sign(left[:, 0] @ z.sum(0))
        np.testing.assert_allclose(u, sign * left[:, 0], atol=1e-6)


def test_the_squares_of_the_singular_values_sum_to_the_number_of_spaces(unit: Unit) -> None:
    values, directions = leading_direction(unit(8, 4, 6))
    torch.testing.assert_close(values.square().sum(1), torch.full((8,), 4.0, dtype=torch.float64))
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(8, dtype=torch.float64))


def test_an_absent_space_leaves_the_direction_of_the_others(unit: Unit) -> None:
    rows, present = unit(6, 3, 5), torch.ones(6, 3, dtype=torch.bool)
    present[:, 1] = False
    values, directions = leading_direction(rows, present)
    wanted, expected = leading_direction(rows[:, [0, 2]])
    torch.testing.assert_close(values[:, :2], wanted)
    torch.testing.assert_close(directions, expected)
    soft = pmrl_loss(rows, present, intra_scale=1.0)
    torch.testing.assert_close(soft, pmrl_loss(rows[:, [0, 2]], present[:, [0, 2]], intra_scale=1.0))


def test_the_direction_points_the_way_of_its_vectors(unit: Unit) -> None:
    rows = unit(50, 1, 6) + 0.3 * unit(50, 3, 6, seed=1)
    _, directions = leading_direction(torch.nn.functional.normalize(rows, dim=-1))
    assert ((directions * rows.sum(1)).sum(1) > 0).all()


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_the_loss_within_tuples_is_lowest_at_rank_one(unit: Unit, scale: float) -> None:
    def loss(rows: torch.Tensor) -> float:
        return float(pmrl_loss(rows, everywhere(rows), intra_scale=scale, inter=0.0))

    aligned = unit(6, 1, 5).expand(6, 3, 5)
    lowest = -scale * math.sqrt(3) + math.log(math.exp(scale * math.sqrt(3)) + 2)
    assert loss(aligned) == pytest.approx(lowest, rel=1e-2, abs=1e-9)
    for noise in (0.05, 0.3, 1.0):
        spoilt = torch.nn.functional.normalize(aligned + noise * unit(6, 3, 5, seed=2), dim=-1)
        assert loss(spoilt) > loss(aligned)
    orthogonal = torch.eye(5, dtype=torch.float64)[:3].expand(6, 3, 5)
    assert loss(orthogonal) == pytest.approx(math.log(3))


def test_the_loss_between_tuples_tells_them_apart() -> None:
    apart = torch.eye(6)[:, None].expand(6, 2, 6)
    same = torch.eye(6)[:1, None].expand(6, 2, 6)
    far, near = (float(pmrl_loss(z, everywhere(z), 10.0, intra=0.0)) for z in (apart, same))
    assert far == pytest.approx(math.log(1 + 5 * math.exp(-10)), rel=1e-3)
    assert near == pytest.approx(math.log(6))


def test_the_direction_has_the_gradient_of_the_singular_vector(unit: Unit) -> None:
    rows, probe = unit(4, 3, 5).requires_grad_(), unit(4, 5, seed=1)
    assert torch.autograd.gradcheck(lambda z: (leading_direction(z)[1] * probe).sum(1), [rows])
    assert torch.autograd.gradcheck(lambda z: leading_direction(z)[0], [rows])


def test_a_near_tie_of_the_leading_values_gives_no_explosion() -> None:
    """Two spaces at a right angle: the leading direction is not defined, its gradient must stay bounded."""
    tilt = 1e-7
    rows = torch.tensor([[[1.0, 0, 0], [tilt, 1.0, 0]], [[0, 0, 1.0], [0, 1.0, tilt]]], requires_grad=True)
    pmrl_loss(rows, torch.ones(2, 2, dtype=torch.bool)).backward()
    assert rows.grad is not None
    assert rows.grad.abs().max() < 1e4


def test_training_on_it_aligns_and_separates(unit: Unit) -> None:
    rows = unit(12, 3, 8).to(torch.float32).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        z = torch.nn.functional.normalize(rows, dim=-1)
        pmrl_loss(z, everywhere(rows), intra_scale=4.0).backward()
        optimiser.step()
    assert float(leading_direction(z.detach())[0][:, 0].mean()) > 0.95 * math.sqrt(3)
    _, u = leading_direction(z.detach())
    assert float((u @ u.T).fill_diagonal_(0).max()) < 0.6
