"""Heads: unit rows, the maps they stand for, and how they start."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anybind.training.batches import generator
from anybind.training.heads import Head, new_head, principal_head


def rows(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def test_a_linear_head_is_a_product_and_an_mlp_is_that_of_torch() -> None:
    x = rows(7, 5)
    linear = new_head("linear", 5, 3, 8, generator(0))
    np.testing.assert_allclose(
        linear(x), torch.nn.functional.normalize(x @ linear.weights["weight"], dim=1), rtol=1e-6
    )
    mlp = new_head("mlp", 5, 3, 8, generator(0))
    layers = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.GELU(), torch.nn.Linear(8, 3, bias=False))
    state = {"0.weight": mlp.weights["inner"].T, "0.bias": mlp.weights["bias"], "2.weight": mlp.weights["outer"].T}
    layers.load_state_dict(state)
    expected = torch.nn.functional.normalize(layers(x).detach(), dim=1)
    np.testing.assert_allclose(mlp(x), expected, rtol=1e-5, atol=1e-6)
    assert linear.shape == mlp.shape == (5, 3)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize(("dim", "joint_dim"), [(5, 3), (3, 5), (1, 1)])
def test_rows_come_out_with_unit_length(kind: str, dim: int, joint_dim: int) -> None:
    out = new_head(kind, dim, joint_dim, 4, generator(1))(rows(6, dim).double() * 1e-30)
    assert out.shape == (6, joint_dim)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(6).double())


def test_a_row_of_zeros_stays_zeros() -> None:
    assert new_head("linear", 3, 2, 1, generator(0))(torch.zeros(1, 3)).tolist() == [[0, 0]]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_dividing_first_is_the_same_as_a_divided_head(kind: str) -> None:
    head, x = new_head(kind, 5, 3, 8, generator(2)), rows(4, 5)
    torch.testing.assert_close(head.after_dividing_by(7.0)(x), head(x / 7.0))


def test_heads_start_as_small_isometries_that_the_seed_decides() -> None:
    weight = new_head("linear", 9, 4, 1, generator(0)).weights["weight"]
    torch.testing.assert_close(weight.T @ weight, 0.01 * torch.eye(4), atol=1e-6, rtol=0)
    wide = new_head("linear", 4, 9, 1, generator(0)).weights["weight"]
    torch.testing.assert_close(wide @ wide.T, 0.01 * torch.eye(4), atol=1e-6, rtol=0)
    assert torch.equal(weight, new_head("linear", 9, 4, 1, generator(0)).weights["weight"])
    assert not torch.equal(weight, new_head("linear", 9, 4, 1, generator(1)).weights["weight"])


def test_a_principal_head_keeps_the_cosines_of_low_rank_rows() -> None:
    x = rows(40, 3) @ rows(3, 10, 1)
    unit = torch.nn.functional.normalize(x, dim=1)
    joint = principal_head(x, 3)(x)
    torch.testing.assert_close(joint @ joint.T, unit @ unit.T, atol=1e-5, rtol=0)
    assert principal_head(x, 16)(x).shape == (40, 16)


def test_the_floor_bounds_the_gradient_of_rows_near_the_mean() -> None:
    weight = torch.eye(2).requires_grad_()
    tiny = torch.tensor([[1e-20, 0.0], [0.0, 1e-20]])

    def steepness(floor: float | None) -> float:
        (gradient,) = torch.autograd.grad(Head({"weight": weight})(tiny, floor)[:, 1].sum(), weight)
        return float(gradient.abs().max())

    assert steepness(1e-3) <= 1e-16
    assert steepness(None) > 0.9
