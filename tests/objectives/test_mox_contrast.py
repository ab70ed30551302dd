"""The MOX contrast against Eq. 4 as it is written."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from anybind.objectives.mox import mox_contrast

Unit = Callable[..., torch.Tensor]


def test_it_is_equation_4(unit: Unit) -> None:
    """From the real rows of both spaces to the pseudo-embeddings, 1/2B each, cosine over tau."""
    a1, b1, pseudo = unit(6, 5), unit(6, 5, seed=1), 3 * unit(6, 5, seed=2)
    tau, total = 0.2, 0.0
    for real in (a1, b1):
        for i in range(6):
            cosines = [float(real[i] @ row / row.norm()) for row in pseudo]
            share = math.exp(cosines[i] / tau) / sum(math.exp(value / tau) for value in cosines)
            total -= math.log(share) / (2 * 6)
    found = mox_contrast([(a1, 1 / tau, None), (b1, 1 / tau, None)], pseudo)
    assert float(found) == pytest.approx(total)


def test_rows_that_a_space_lacks_leave_the_other_space_alone(unit: Unit) -> None:
    a1, b1, pseudo = unit(6, 5), unit(6, 5, seed=1), unit(6, 5, seed=2)
    mask = torch.tensor([True, True, False, True, False, True])
    found = mox_contrast([(a1, 5.0, mask), (b1, 5.0, None)], pseudo)
    parts = [mox_contrast([(a1[mask], 5.0, None)], pseudo[mask]), mox_contrast([(b1, 5.0, None)], pseudo)]
    torch.testing.assert_close(found, torch.stack(parts).mean())


def test_it_pulls_pseudo_and_real_together(unit: Unit) -> None:
    a1, pseudo = unit(6, 5), unit(6, 5, seed=1).requires_grad_()
    mox_contrast([(a1, 5.0, None)], pseudo).backward()  # type: ignore[no-untyped-call]
    assert pseudo.grad is not None
    closer = torch.nn.functional.normalize(pseudo.detach() - pseudo.grad, dim=1)
    assert ((closer * a1).sum(1) > (pseudo.detach() * a1).sum(1)).all()
