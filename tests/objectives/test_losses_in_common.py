"""What every loss must keep: missing rows do not count, gradients are finite and right, one row is no batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from anybind.objectives.centroid import centroid_info_nce
from anybind.objectives.cyclip import cross_modal_consistency, in_modal_consistency
from anybind.objectives.foreign_negatives import foreign_negatives_info_nce
from anybind.objectives.gram import gram_loss
from anybind.objectives.info_nce import info_nce
from anybind.objectives.mox import mox_contrast
from anybind.objectives.neighbourhood import neighbourhood_loss
from anybind.objectives.pmrl import pmrl_loss
from anybind.objectives.sigmoid import sigmoid_loss
from anybind.objectives.symile import symile_loss
from anybind.objectives.triangle import triangle_loss

Unit = Callable[..., torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
STRANGERS = torch.nn.functional.normalize(torch.ones(3, 6, dtype=torch.float64).tril(), dim=1)


def of_pairs(loss: Callable[..., torch.Tensor]) -> Loss:
    """A loss of two spaces as one of tuples: a row that lacks either is masked."""
    return lambda rows, shown: loss(rows[:, 0], rows[:, 1], mask=shown[:, :2].all(1))


PAIR_LOSSES: dict[str, Loss] = {
    "info_nce": of_pairs(lambda a, b, mask: info_nce(a, b, 7.0, mask)),
    "info_nce smoothed": of_pairs(lambda a, b, mask: info_nce(a, b, 7.0, mask, label_smoothing=0.1)),
    "sigmoid": of_pairs(lambda a, b, mask: sigmoid_loss(a, b, 7.0, -3.0, mask)),
    "cross-modal": of_pairs(cross_modal_consistency),
    "in-modal": of_pairs(in_modal_consistency),
    "foreign": of_pairs(lambda a, b, mask: foreign_negatives_info_nce(a, b, 7.0, [(STRANGERS.to(a.dtype), 5.0)], mask)),
    "mox": of_pairs(lambda a, b, mask: mox_contrast([(a, 7.0, mask)], 3 * b)),
    "neighbourhood": of_pairs(lambda a, b, mask: neighbourhood_loss(a, b, mask, temperature=0.3, levels=2)),
}
TUPLE_LOSSES: dict[str, Loss] = {
    "centroid": lambda z, shown: centroid_info_nce(z, shown, 7.0),
    "centroid without itself": lambda z, shown: centroid_info_nce(z, shown, 7.0, leave_one_out=True, normalised=True),
    "centroid of the query": lambda z, shown: centroid_info_nce(z, shown, 7.0, query_temperature=0.3, normalised=True),
    "gram": lambda z, shown: gram_loss(z, shown, 7.0),
    "gram anchored": lambda z, shown: gram_loss(z, shown, 7.0, anchor=1),
    "triangle": lambda z, shown: triangle_loss(z, shown, 7.0, cosine_weight=0.5),
    "triangle squared": lambda z, shown: triangle_loss(z, shown, 7.0, anchor=2, squared=True),
    "pmrl": lambda z, shown: pmrl_loss(z, shown, 7.0, intra_scale=5.0),
    "symile": lambda z, shown: symile_loss(z, shown, 7.0),
}
LOSSES = PAIR_LOSSES | TUPLE_LOSSES
# these look at pairs, or rows, that need no more than two of the three spaces
OF_TWO = [name for name in TUPLE_LOSSES if not name.startswith("triangle")]


def value_and_gradient(loss: Loss, rows: torch.Tensor, shown: torch.Tensor) -> tuple[float, torch.Tensor]:
    leaf = rows.clone().requires_grad_()
    value = loss(leaf, shown)
    assert value.shape == ()
    value.backward()
    assert leaf.grad is not None
    return float(value.detach()), leaf.grad


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("filling", [0.0, 3.0, math.nan])
def test_rows_that_are_missing_neither_count_nor_get_a_gradient(unit: Unit, name: str, filling: float) -> None:
    rows = unit(9, 3, 6)
    present = torch.ones(9, 3, dtype=torch.bool)
    present[[2, 5, 8]] = False
    rest = present[:, 0]
    wanted, _ = value_and_gradient(LOSSES[name], rows[rest], present[rest])
    value, gradient = value_and_gradient(LOSSES[name], rows.masked_fill(~present[..., None], filling), present)
    assert value == pytest.approx(wanted, rel=1e-9)
    assert value != pytest.approx(value_and_gradient(LOSSES[name], rows, torch.ones_like(present))[0], rel=1e-3)
    assert (gradient[~rest] == 0).all()
    touched = [0, 1] if name in PAIR_LOSSES else [0, 1, 2]
    if name == "neighbourhood":  # its first argument is what the head was given
        touched = [1]
    assert all(gradient[rest][:, column].abs().sum() > 0 for column in touched)


@pytest.mark.parametrize("name", OF_TWO)
def test_a_space_that_a_row_lacks_neither_counts_nor_gets_a_gradient(unit: Unit, name: str) -> None:
    rows, present = unit(9, 3, 6), torch.ones(9, 3, dtype=torch.bool)
    present[1:4, 0] = False  # an anchored loss needs space 1
    value, gradient = value_and_gradient(LOSSES[name], rows, present)
    other, _ = value_and_gradient(LOSSES[name], rows.masked_fill(~present[..., None], math.nan), present)
    assert other == value
    assert (gradient[~present] == 0).all()
    assert (gradient[present].abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(unit: Unit, name: str) -> None:
    present = torch.ones(5, 3, dtype=torch.bool)
    constant = unit(5, 3, 4, seed=3)  # the inputs of "neighbourhood" get no gradient by design

    def loss(rows: torch.Tensor) -> torch.Tensor:
        if name == "neighbourhood":
            rows = torch.cat([constant[:, :1], rows[:, 1:]], 1)
        return LOSSES[name](torch.nn.functional.pad(rows, (0, 2)), present)

    assert torch.autograd.gradcheck(loss, [unit(5, 3, 4).requires_grad_()])


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_where_all_spaces_agree(unit: Unit, name: str) -> None:
    present = torch.ones(6, 3, dtype=torch.bool)
    for rows in (unit(6, 1, 6), torch.eye(6, dtype=torch.float64)[:, None]):
        value, gradient = value_and_gradient(LOSSES[name], rows.expand(6, 3, 6).to(torch.float32), present)
        assert math.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_where_all_rows_are_equal_or_orthogonal(unit: Unit, name: str) -> None:
    present = torch.ones(6, 3, dtype=torch.bool)
    equal = unit(1, 3, 6).expand(6, 3, 6)
    orthogonal = torch.eye(6, dtype=torch.float64)[:3].expand(6, 3, 6)
    for rows in (equal, orthogonal):
        _, gradient = value_and_gradient(LOSSES[name], rows.to(torch.float32), present)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("left", [0, 1])
def test_fewer_than_two_rows_are_no_loss_but_a_graph(unit: Unit, name: str, left: int) -> None:
    present = torch.zeros(4, 3, dtype=torch.bool)
    present[:left] = True
    value, gradient = value_and_gradient(LOSSES[name], unit(4, 3, 6), present)
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "symile"])
def test_the_order_of_rows_does_not_matter(unit: Unit, name: str) -> None:
    rows, present = unit(9, 3, 6), torch.ones(9, 3, dtype=torch.bool)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    before, after = LOSSES[name](rows, present), LOSSES[name](rows[order], present)
    torch.testing.assert_close(after, before)
