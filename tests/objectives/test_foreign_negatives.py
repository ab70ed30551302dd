"""BrokenBind's Eq. 10 against the formula as it is written."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from anybind.objectives.foreign_negatives import foreign_negatives_info_nce
from anybind.objectives.info_nce import info_nce

Unit = Callable[..., torch.Tensor]


def test_it_is_equation_10(unit: Unit) -> None:
    a1, b1, b2, c2 = (unit(n, 5, seed=seed) for seed, n in enumerate((6, 6, 4, 7)))
    tau, total = 0.2, 0.0
    for i in range(6):
        own = [math.exp(float(a1[i] @ b1[j]) / tau) for j in range(6)]
        total -= math.log(own[i] / sum(own)) / (3 * 6)
        for foreign in (b2, c2):
            total += math.log(sum(math.exp(float(a1[i] @ row) / tau) for row in foreign)) / (3 * 6)
    found = foreign_negatives_info_nce(a1, b1, 1 / tau, [(b2, 1 / tau), (c2, 1 / tau)])
    assert float(found) == pytest.approx(total)


def test_the_weight_of_foreign_rows(unit: Unit) -> None:
    a, b, foreign = unit(6, 5), unit(6, 5, seed=1), unit(4, 5, seed=2)
    own = info_nce(a, b, 4.0, symmetric=False)
    strange = (4.0 * a @ foreign.T).exp().sum(1).log().mean()
    torch.testing.assert_close(foreign_negatives_info_nce(a, b, 4.0, [(foreign, 4.0)], weight=0.0), own)
    half = foreign_negatives_info_nce(a, b, 4.0, [(foreign, 4.0)], weight=0.5)
    torch.testing.assert_close(half, (own + 0.5 * strange) / 1.5)


def test_without_foreign_rows_it_is_info_nce_in_one_direction(unit: Unit) -> None:
    a, b = unit(6, 5), unit(6, 5, seed=1)
    wanted = info_nce(a, b, 4.0, symmetric=False)
    torch.testing.assert_close(foreign_negatives_info_nce(a, b, 4.0, []), wanted)
    torch.testing.assert_close(foreign_negatives_info_nce(a, b, 4.0, [(a[:0], 4.0)]), wanted)


def test_it_pushes_foreign_rows_away(unit: Unit) -> None:
    a, b, foreign = unit(6, 5), unit(6, 5, seed=1), unit(4, 5, seed=2).requires_grad_()
    foreign_negatives_info_nce(a, b, 4.0, [(foreign, 4.0)]).backward()  # type: ignore[no-untyped-call]
    assert foreign.grad is not None
    closer = (foreign.detach() + 0.1 * foreign.grad) @ a.T
    assert (closer.mean(1) > (foreign.detach() @ a.T).mean(1)).all()  # uphill is towards the queries
