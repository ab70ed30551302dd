"""CyCLIP's consistency terms against plain loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from anybind.objectives.cyclip import cross_modal_consistency, in_modal_consistency

Unit = Callable[..., torch.Tensor]


def test_they_are_the_sums_of_equations_11_and_12(unit: Unit) -> None:
    a, b = unit(5, 4), unit(5, 4, seed=1)
    pairs = [(i, j) for i in range(5) for j in range(5)]
    cross = sum((a[i] @ b[j] - a[j] @ b[i]) ** 2 for i, j in pairs) / 5
    within = sum((a[i] @ a[j] - b[i] @ b[j]) ** 2 for i, j in pairs) / 5
    assert float(cross_modal_consistency(a, b)) == pytest.approx(float(cross))
    assert float(in_modal_consistency(a, b)) == pytest.approx(float(within))


def test_equal_spaces_are_consistent(unit: Unit) -> None:
    a = unit(6, 4)
    assert float(cross_modal_consistency(a, a)) == pytest.approx(0, abs=1e-15)
    assert float(in_modal_consistency(a, a)) == 0


def test_each_sees_what_the_other_does_not(unit: Unit) -> None:
    """A rotated copy has the same similarities within; a table that is symmetric may come from unlike spaces."""
    a = unit(6, 4)
    rotated = a @ torch.linalg.qr(unit(4, 4, seed=1))[0]
    assert float(in_modal_consistency(a, rotated)) == pytest.approx(0, abs=1e-12)
    assert float(cross_modal_consistency(a, rotated)) > 0.1
    identity, stretched = torch.eye(4, dtype=torch.float64), unit(4, 4) @ unit(4, 4).T
    assert float(cross_modal_consistency(identity, stretched)) == pytest.approx(0, abs=1e-12)
    assert float(in_modal_consistency(identity, stretched)) > 0.1
