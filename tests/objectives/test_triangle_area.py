"""TRIANGLE: areas against Heron's formula, the contrast against a plain table."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from anybind.errors import ShapeError, UsageError
from anybind.objectives.matching import matching_loss
from anybind.objectives.triangle import triangle_area, triangle_loss

Unit = Callable[..., torch.Tensor]


def heron(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    a, b, c = (x - y).norm(dim=-1), (y - z).norm(dim=-1), (z - x).norm(dim=-1)
    s = (a + b + c) / 2
    return (s * (s - a) * (s - b) * (s - c)).sqrt()


def test_the_area_is_herons(unit: Unit) -> None:
    x, y, z = unit(3, 10, 5)
    torch.testing.assert_close(triangle_area(x, y, z), heron(x, y, z))


def test_agreeing_vectors_have_no_area(unit: Unit) -> None:
    x = unit(4, 5)
    assert (triangle_area(x, x, x) <= 5.001e-5).all()


@pytest.mark.parametrize("squared", [False, True])
def test_the_loss_is_a_contrast_of_areas_and_cosines(unit: Unit, squared: bool) -> None:
    rows = unit(5, 3, 6)
    table = torch.zeros(5, 5, dtype=torch.float64)
    for i in range(5):
        for j in range(5):
            area = heron(rows[i, 1], rows[j, 2], rows[j, 0])
            table[i, j] = (2 * area**2 if squared else area) - 0.7 * rows[i, 1] @ rows[j, 2]
    loss = triangle_loss(
        rows, torch.ones(5, 3, dtype=torch.bool), 4.0, anchor=1, cosine_weight=0.7, squared=squared
    )
    torch.testing.assert_close(loss, matching_loss(-4.0 * table))


def test_rows_that_lack_a_space_do_not_count(unit: Unit) -> None:
    rows, present = unit(8, 3, 6), torch.ones(8, 3, dtype=torch.bool)
    present[5:, 1] = False
    wanted = triangle_loss(rows[:5], present[:5], 4.0)
    torch.testing.assert_close(triangle_loss(rows, present, 4.0), wanted)


def test_training_on_it_aligns_the_tuples(unit: Unit) -> None:
    rows = unit(12, 3, 8).to(torch.float32).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        z = torch.nn.functional.normalize(rows, dim=-1)
        triangle_loss(z, torch.ones(12, 3, dtype=torch.bool), 20.0, cosine_weight=1.0).backward()
        optimiser.step()
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (z.detach()[:, a] @ z.detach()[:, b].T).argmax(1).tolist() == list(range(12))


def test_it_takes_three_spaces_and_an_anchor_among_them(unit: Unit) -> None:
    with pytest.raises(ShapeError, match="three spaces"):
        triangle_loss(unit(4, 2, 5), torch.ones(4, 2, dtype=torch.bool), 1.0)
    with pytest.raises(UsageError, match="anchor"):
        triangle_loss(unit(4, 3, 5), torch.ones(4, 3, dtype=torch.bool), 1.0, anchor=3)
