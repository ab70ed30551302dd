"""Stacking spaces, and losses by pattern."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from anybind.errors import ShapeError
from anybind.objectives.tuples import by_pattern, pattern_mean, stack_spaces, without_absent

Unit = Callable[..., torch.Tensor]


def test_spaces_are_stacked_in_the_order_asked_for(unit: Unit) -> None:
    rows = {"b": unit(4, 3), "a": unit(4, 3, seed=1)}
    held = {"b": torch.ones(4, dtype=torch.bool), "a": torch.tensor([True, True, False, True])}
    vectors, present = stack_spaces(rows, held)
    assert torch.equal(vectors[:, 1], rows["b"])
    assert torch.equal(vectors[[0, 1, 3], 0], rows["a"][[0, 1, 3]])
    assert (vectors[2, 0] == 0).all()
    assert present.tolist() == [[True, True], [True, True], [False, True], [True, True]]
    vectors, present = stack_spaces(rows, held, ["b", "c", "a"])
    assert vectors.shape == (4, 3, 3)
    assert (vectors[:, 1] == 0).all()
    assert not present[:, 1].any()
    assert torch.equal(vectors[:, 0], rows["b"])


def test_patterns_need_two_spaces_and_two_rows() -> None:
    present = torch.tensor(
        [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 1, 0]], dtype=torch.bool
    )
    groups = {tuple(columns): rows.tolist() for columns, rows in by_pattern(present)}
    assert groups == {(0, 1, 2): [0, 3], (0, 1): [1, 6]}


def test_patterns_count_by_their_rows(unit: Unit) -> None:
    rows, present = unit(7, 3, 4), torch.ones(7, 3, dtype=torch.bool)
    present[4:6, 0] = False
    present[6, :2] = False
    values = pattern_mean(rows, present, lambda z, columns: torch.tensor(float(sum(columns) * z.shape[1])))
    assert float(values) == pytest.approx((4 * 9 + 2 * 6) / 6)


@pytest.mark.parametrize("shape", [(4, 3), (4, 2), (5, 3)])
def test_shapes_that_do_not_fit_are_refused(unit: Unit, shape: tuple[int, int]) -> None:
    rows = unit(4, 3, 5) if shape != (4, 3) else unit(4, 5)
    with pytest.raises(ShapeError, match="wrong shape"):
        without_absent(rows, torch.ones(shape, dtype=torch.bool))
