"""Anchor shift: singular vectors by a full decomposition, and the two bounds on many random stacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anybind.errors import DataError, ShapeError
from anybind.methods.anchor_shift import anchor_shift, anchors, distance, imputed_shift


def stacks(noise: float, seed: int, n: int = 400, k: int = 4, d: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows that share a direction up to noise, and masks that show 1 to k - 1 of the k columns."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, 1, d, generator=generator, dtype=torch.float64)
    stack = shared + noise * torch.randn(n, k, d, generator=generator, dtype=torch.float64)
    present = torch.rand(n, k, generator=generator) < 0.5
    present[:, 0] = True
    present[present.all(1), 1] = False
    return torch.nn.functional.normalize(stack, dim=2), present


def test_anchors_are_leading_left_singular_vectors() -> None:
    stack, present = stacks(1.0, seed=0, n=20)
    found = anchors(stack, present)
    for row, mask, direction, values in zip(stack, present, found.direction, found.values, strict=True):
        u, s, _ = np.linalg.svd(row[mask].numpy().T, full_matrices=False)
        assert abs(float(direction @ torch.tensor(u[:, 0]))) == pytest.approx(1)
        np.testing.assert_allclose(values[: len(s)], s, atol=1e-7)
        assert float(direction @ row[mask].sum(0)) > 0


@pytest.mark.parametrize("noise", [0.02, 0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_both_bounds_hold(noise: float, seed: int) -> None:
    stack, present = stacks(noise, seed)
    found = anchor_shift(stack, present)
    assert (found.lower <= found.shift + 1e-7).all()
    assert (found.shift <= found.upper + 1e-7).all()
    assert found.shift.max() <= 2**0.5


def test_the_bounds_hold_for_columns_of_any_length() -> None:
    stack, present = stacks(0.7, seed=1)
    stack = stack * torch.rand(*stack.shape[:2], 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = anchor_shift(stack, present)
    assert (found.lower <= found.shift + 1e-7).all()
    assert (found.shift <= found.upper + 1e-7).all()


def test_the_lower_bound_says_something_and_its_inner_root_is_needed() -> None:
    stack, present = stacks(0.3, seed=0)
    found = anchor_shift(stack, present)
    assert found.lower.mean() > 0.5 * found.shift.mean()
    without_root = (2 * (1 - (1 - found.lower**2 / 2) ** 2)).sqrt()
    assert (without_root > found.shift + 1e-7).double().mean() > 0.5


def test_by_hand_in_the_plane() -> None:
    """Columns e1 and e2 scaled by 2 and 1: hiding e1 leaves e2, a right angle away."""
    stack = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    hidden_first = anchor_shift(stack, torch.tensor([[False, True]]))
    assert hidden_first.shift.item() == pytest.approx(2**0.5)
    assert hidden_first.eta.item() == 0
    assert hidden_first.lower.item() == pytest.approx((2 * (1 - (1 / 4) ** 0.5)) ** 0.5)
    assert hidden_first.upper.item() == pytest.approx(2**0.5 * 2 / (2 - 1))
    hidden_second = anchor_shift(stack, torch.tensor([[True, False]]))
    assert hidden_second.shift.item() == hidden_second.lower.item() == 0


def test_nothing_missing_is_no_shift() -> None:
    stack, present = stacks(1.0, seed=0)
    found = anchor_shift(stack, torch.ones_like(present))
    for numbers in (found.shift, found.eta, found.upper):
        torch.testing.assert_close(numbers, torch.zeros_like(numbers))
    assert found.lower.max() < 1e-6


def test_a_vanishing_gap_gives_no_upper_bound() -> None:
    stack = torch.eye(2)[None]
    assert anchor_shift(stack, torch.tensor([[True, False]])).upper.item() == float("inf")


def test_signs_never_count() -> None:
    stack, present = stacks(0.5, seed=0)
    found = anchors(stack, present).direction
    assert distance(found, -found).max() == 0
    torch.testing.assert_close(anchor_shift(-stack, present).shift, anchor_shift(stack, present).shift)


def test_true_columns_leave_no_shift_and_those_of_another_row_do() -> None:
    stack, present = stacks(0.5, seed=0)
    assert imputed_shift(stack, stack).max() < 1e-7
    wrong = torch.where(present[:, :, None], stack, stack.roll(1, 0))
    assert imputed_shift(stack, wrong).mean() > anchor_shift(stack, present).shift.mean()


def test_what_is_missing_may_be_anything() -> None:
    stack, present = stacks(0.5, seed=0)
    holes = torch.where(present[:, :, None], stack, torch.full_like(stack, float("nan")))
    assert torch.equal(anchors(holes, present).direction, anchors(stack, present).direction)


def test_a_row_that_shows_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="no anchor") as caught:
        anchors(torch.ones(3, 2, 4), torch.tensor([[True, True], [False, False], [True, False]]))
    assert caught.value.where == "row 1"


def test_shapes_must_fit() -> None:
    with pytest.raises(ShapeError):
        anchors(torch.ones(3, 4))
    with pytest.raises(ShapeError):
        anchor_shift(torch.ones(3, 2, 4), torch.ones(3, 3, dtype=torch.bool))
