"""FuseMix: one coefficient and one permutation for all spaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from anybind.objectives.mixing import mix

Unit = Callable[..., torch.Tensor]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_all_spaces_are_mixed_alike(unit: Unit) -> None:
    """So a linear relation between two spaces holds for the mixed rows as well."""
    a, to_b = unit(10, 4), unit(4, 3)
    held = torch.ones(10, dtype=torch.bool)
    mixed, present = mix({"a": a, "b": a @ to_b}, {"a": held, "b": held}, generator())
    torch.testing.assert_close(mixed["b"], mixed["a"] @ to_b)
    assert not torch.allclose(mixed["a"], a)
    assert present["a"].all()
    assert present["b"].all()


def test_every_row_is_a_mixture_of_two_with_one_coefficient(unit: Unit) -> None:
    """Mixing the identity shows the coefficients: w on the diagonal, 1 - w in one other place of each row."""
    held = torch.ones(9, dtype=torch.bool)
    table = mix({"a": torch.eye(9)}, {"a": held}, generator(3))[0]["a"].numpy()
    np.testing.assert_allclose(table.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-6)
    weight = np.diag(table)[np.diag(table) < 1 - 1e-6]
    assert np.ptp(weight) < 1e-6
    assert ((table > 0).sum(1) <= 2).all()


def test_a_mixture_with_a_missing_row_is_missing() -> None:
    held = torch.tensor([True] * 4 + [False] * 2)
    rows = torch.eye(6)
    rows[~held] = torch.nan
    mixed, present = mix({"a": rows, "b": torch.eye(6)}, {"a": held, "b": torch.ones(6, dtype=torch.bool)}, generator())
    both = (mixed["b"][:, 4:] == 0).all(1)  # rows without a share of row 4 or 5
    assert present["a"].tolist() == both.tolist()
    assert 0 < both.sum() < 6
    torch.testing.assert_close(mixed["a"], torch.where(both[:, None], mixed["b"], 0))


@pytest.mark.parametrize(("alpha", "spread"), [(0.05, 0.45), (1.0, 0.29), (50.0, 0.05)])
def test_alpha_says_how_even_the_mixture_is(alpha: float, spread: float) -> None:
    """Beta(alpha, alpha) has mean 1/2 and standard deviation 1 / (2 sqrt(2 alpha + 1))."""
    held = torch.ones(2, dtype=torch.bool)
    weights = []
    for seed in range(300):
        table = mix({"a": torch.eye(2)}, {"a": held}, generator(seed), alpha)[0]["a"]
        if table[0, 1] > 0 or table[0, 0] < 1:  # the two rows were swapped
            weights.append(float(table[0, 0]))
    assert np.mean(weights) == pytest.approx(0.5, abs=0.1)
    assert np.std(weights) == pytest.approx(spread, abs=0.06)


def test_the_generator_decides() -> None:
    held = torch.ones(8, dtype=torch.bool)
    once, again, other = (mix({"a": torch.eye(8)}, {"a": held}, generator(seed))[0]["a"] for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
