"""GRAM: volumes against numpy's determinant, holes as sub-Grams, and a contrast that aligns tuples."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from anybind.errors import UsageError
from anybind.objectives.gram import determinant, gram_loss, gram_volume
from anybind.objectives.matching import matching_loss

Unit = Callable[..., torch.Tensor]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_the_determinant_is_numpys(size: int) -> None:
    matrices = np.random.default_rng(size).normal(size=(6, size, size))
    np.testing.assert_allclose(determinant(torch.tensor(matrices)), np.linalg.det(matrices), rtol=1e-9)


def test_its_gradient_is_the_adjugate_where_the_matrix_is_singular() -> None:
    matrix = torch.tensor([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 3.0]], requires_grad=True)
    determinant(matrix).backward()  # type: ignore[no-untyped-call]
    adjugate = torch.tensor([[12.0, -6.0, 0.0], [-6.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    assert matrix.grad is not None
    torch.testing.assert_close(matrix.grad, adjugate.T)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_volume_is_that_of_the_parallelotope(unit: Unit, k: int) -> None:
    rows = unit(10, k, 6)
    wanted = [np.prod(np.linalg.svd(z, compute_uv=False)) for z in rows.numpy()]
    np.testing.assert_allclose(gram_volume(rows), wanted, rtol=1e-6)


def test_aligned_tuples_have_none_and_orthogonal_ones_have_one(unit: Unit) -> None:
    same = unit(5, 1, 6).expand(5, 3, 6)
    assert (gram_volume(same) <= 1.001e-4).all()
    torch.testing.assert_close(gram_volume(torch.eye(6)[:3].expand(5, 3, 6)), torch.ones(5))


def test_an_absent_space_leaves_the_volume_of_the_others(unit: Unit) -> None:
    rows, present = unit(6, 4, 7), torch.ones(6, 4, dtype=torch.bool)
    present[:, 2] = False
    torch.testing.assert_close(gram_volume(rows, present), gram_volume(rows[:, [0, 1, 3]]))


def test_the_loss_is_a_contrast_of_volumes(unit: Unit) -> None:
    rows = unit(5, 3, 6)
    table = torch.zeros(5, 5, dtype=torch.float64)
    for i in range(5):
        for j in range(5):
            table[i, j] = gram_volume(torch.stack([rows[i, 1], rows[j, 0], rows[j, 2]])[None])[0]
    loss = gram_loss(rows, torch.ones(5, 3, dtype=torch.bool), 4.0, anchor=1)
    torch.testing.assert_close(loss, matching_loss(-4.0 * table))


def test_with_two_spaces_the_volume_is_the_sine(unit: Unit) -> None:
    rows = unit(6, 2, 5)
    cosine = rows[:, 0] @ rows[:, 1].T
    table = (1 - cosine.square()).clamp(min=1e-8).sqrt()
    loss = gram_loss(rows, torch.ones(6, 2, dtype=torch.bool), 4.0)
    torch.testing.assert_close(loss, matching_loss(-4.0 * table))


def test_rows_of_different_patterns_do_not_meet(unit: Unit) -> None:
    rows, present = unit(9, 3, 6), torch.ones(9, 3, dtype=torch.bool)
    present[6:, 0] = False
    whole, part = present[:6], torch.ones(3, 2, dtype=torch.bool)
    wanted = (6 * gram_loss(rows[:6], whole, 4.0) + 3 * gram_loss(rows[6:, 1:], part, 4.0)) / 9
    torch.testing.assert_close(gram_loss(rows, present, 4.0), wanted)
    torch.testing.assert_close(gram_loss(rows, present, 4.0, anchor=0), gram_loss(rows[:6], whole, 4.0, anchor=0))


def test_training_on_it_makes_the_own_tuple_the_one_of_least_volume(unit: Unit) -> None:
    rows = unit(8, 3, 8).to(torch.float32).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=0.05)
    present = torch.ones(8, 3, dtype=torch.bool)
    for _ in range(60):
        optimiser.zero_grad()
        gram_loss(torch.nn.functional.normalize(rows, dim=-1), present, 10.0, anchor=0).backward()
        optimiser.step()
    z = torch.nn.functional.normalize(rows.detach(), dim=-1)
    mixed = torch.stack([gram_volume(torch.cat([z[:, :1], z.roll(step, 0)[:, 1:]], 1)) for step in range(8)])
    assert (mixed.argmin(0) == 0).all()
    assert float(mixed[0].mean()) < 0.3 * float(mixed[1:].mean())


def test_dependent_is_not_alike() -> None:
    """Three directions of one plane, 120 degrees apart, have no volume: a known weakness, kept."""
    angles = torch.tensor([0.0, 1.0, 2.0]) * 2 * math.pi / 3
    plane = torch.stack([angles.cos(), angles.sin(), torch.zeros(3)], 1)
    assert float(gram_volume(plane[None])) < 1e-3


def test_an_anchor_that_is_no_space_is_refused(unit: Unit) -> None:
    with pytest.raises(UsageError, match="anchor"):
        gram_loss(unit(4, 3, 5), torch.ones(4, 3, dtype=torch.bool), 1.0, anchor=3)


def test_chance_is_log_n() -> None:
    rows = torch.eye(5)[:3].expand(6, 3, 5)
    assert float(gram_loss(rows, torch.ones(6, 3, dtype=torch.bool), 4.0)) == pytest.approx(math.log(6))
