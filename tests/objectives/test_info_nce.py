"""InfoNCE and the sigmoid loss against plain numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from anybind.objectives.info_nce import info_nce
from anybind.objectives.matching import matching_loss
from anybind.objectives.sigmoid import sigmoid_loss

Unit = Callable[..., torch.Tensor]


def plain_info_nce(a: torch.Tensor, b: torch.Tensor, scale: float, smoothing: float = 0.0) -> float:
    """One direction, row by row."""
    total = 0.0
    for i, query in enumerate(a.numpy()):
        logits = np.array([scale * query @ candidate for candidate in b.numpy()])
        log_p = logits - math.log(sum(math.exp(v) for v in logits))
        total -= (1 - smoothing) * log_p[i] + smoothing * log_p.mean()
    return total / len(a)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_info_nce_is_the_mean_negative_log_probability_of_the_partner(unit: Unit, smoothing: float) -> None:
    a, b = unit(7, 5), unit(7, 5, seed=1)
    one_way, other_way = plain_info_nce(a, b, 4.0, smoothing), plain_info_nce(b, a, 4.0, smoothing)
    assert float(info_nce(a, b, 4.0, symmetric=False, label_smoothing=smoothing)) == pytest.approx(one_way)
    both = (one_way + other_way) / 2
    assert float(info_nce(a, b, torch.tensor(4.0), label_smoothing=smoothing)) == pytest.approx(both)


def test_chance_is_log_n_and_a_perfect_match_is_none(unit: Unit) -> None:
    same = unit(1, 5).expand(8, 5)
    assert float(info_nce(same, same, 10.0)) == pytest.approx(math.log(8))
    apart = torch.eye(8)
    assert float(info_nce(apart, apart, 100.0)) == pytest.approx(0, abs=1e-6)


def test_a_masked_table_is_the_smaller_table(unit: Unit) -> None:
    logits, mask = 5 * unit(6, 6), torch.tensor([True, False, True, True, False, True])
    torch.testing.assert_close(matching_loss(logits, mask), matching_loss(logits[mask][:, mask]))


def test_the_scale_learns(unit: Unit) -> None:
    scale = torch.tensor(1.0, requires_grad=True)
    info_nce(unit(6, 5), unit(6, 5), scale).backward()
    assert scale.grad is not None
    assert scale.grad < 0  # rows match, so sharper is better


def test_the_sigmoid_loss_judges_every_pair_by_itself(unit: Unit) -> None:
    a, b = unit(5, 4), unit(5, 4, seed=1)
    table = 3.0 * a.numpy() @ b.numpy().T - 1.5
    answers = 2 * np.eye(5) - 1
    wanted = np.log1p(np.exp(-answers * table)).sum() / 5
    assert float(sigmoid_loss(a, b, 3.0, -1.5)) == pytest.approx(wanted)
