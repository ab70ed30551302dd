"""Symile: products against einsum, and the XOR that no pair of spaces can see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize

from anybind.objectives.info_nce import info_nce
from anybind.objectives.symile import multilinear_inner_product, symile_loss

Unit = Callable[..., torch.Tensor]


def test_the_product_is_multilinear(unit: Unit) -> None:
    rows = unit(7, 3, 5)
    wanted = torch.einsum("nd,nd,nd->n", rows[:, 0], rows[:, 1], rows[:, 2])
    torch.testing.assert_close(multilinear_inner_product(rows), wanted)


def test_an_absent_space_is_left_out_of_the_product(unit: Unit) -> None:
    rows, present = unit(7, 3, 5), torch.ones(7, 3, dtype=torch.bool)
    present[:, 1] = False
    wanted = (rows[:, 0] * rows[:, 2]).sum(1)
    torch.testing.assert_close(multilinear_inner_product(rows, present), wanted)


def test_with_two_spaces_it_is_info_nce(unit: Unit) -> None:
    rows = unit(6, 2, 5)
    loss = symile_loss(rows, torch.ones(6, 2, dtype=torch.bool), 5.0)
    torch.testing.assert_close(loss, info_nce(rows[:, 0], rows[:, 1], 5.0))


def test_negatives_are_made_of_different_rows(unit: Unit) -> None:
    """Anchor x_i meets (y_j, z_j-1) for every other j, and its own tuple; each space is the anchor in turn."""
    rows, total = unit(5, 3, 4), 0.0
    for anchor, first, second in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        for i in range(5):
            logits = [6 * (rows[i, anchor] * rows[j, first] * rows[j - 1, second]).sum() for j in range(5)]
            logits[i] = 6 * rows[i].prod(0).sum()
            total += float(torch.stack(logits).logsumexp(0) - logits[i]) / 15
    assert float(symile_loss(rows, torch.ones(5, 3, dtype=torch.bool), 6.0)) == pytest.approx(total)


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_own_tuple_is_told_from_tuples_made_of_other_rows(unit: Unit, shuffled: bool) -> None:
    """With one-hot vectors only a whole tuple has a product: the loss is that of one positive among zeros."""
    rows = torch.eye(6, dtype=torch.float64)[:, None].expand(6, 3, 6)
    generator = torch.Generator().manual_seed(0) if shuffled else None
    loss = symile_loss(rows, torch.ones(6, 3, dtype=torch.bool), 4.0, generator=generator)
    if not shuffled:  # shifts never put a row's own parts together again
        assert float(loss) == pytest.approx(float(torch.log1p(5 * torch.exp(torch.tensor(-4.0)))), rel=1e-6)
    assert float(loss) < 0.3


def test_the_generator_decides(unit: Unit) -> None:
    rows, present = unit(8, 3, 6), torch.ones(8, 3, dtype=torch.bool)
    once, again, other = (
        float(symile_loss(rows, present, 9.0, generator=torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)
    )
    assert once == again != other


def pairwise_loss(z: torch.Tensor, present: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.stack([info_nce(z[:, a], z[:, b], scale) for a, b in ((0, 1), (0, 2), (1, 2))]).mean()


def xor_accuracy(loss: Callable[..., torch.Tensor], seed: int) -> float:
    """Train one vector per value of a, b and c = a xor b; say a from b and c by the product of all three."""
    generator = torch.Generator().manual_seed(seed)
    tables = torch.randn(3, 2, 8, generator=generator).requires_grad_()
    optimiser = torch.optim.Adam([tables], lr=0.05)

    def embed(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.stack([normalize(tables[m][v], dim=-1) for m, v in enumerate((a, b, a ^ b))], 1)

    for _ in range(200):
        a, b = torch.randint(2, (2, 64), generator=generator)
        optimiser.zero_grad()
        loss(embed(a, b), torch.ones(64, 3, dtype=torch.bool), 10.0).backward()
        optimiser.step()
    correct = 0
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        z = embed(torch.tensor([a]), torch.tensor([b]))[0].detach()
        products = [float((normalize(tables[0][v].detach(), dim=0) * z[1] * z[2]).sum()) for v in (0, 1)]
        correct += int(products[a] > products[1 - a])
    return correct / 4


@pytest.mark.parametrize("seed", range(3))
def test_it_solves_xor(seed: int) -> None:
    assert xor_accuracy(symile_loss, seed) == 1.0


def test_losses_of_pairs_cannot_solve_xor() -> None:
    """Any two of a, b and a xor b are independent: nothing that looks at pairs can do better than chance."""
    assert sum(xor_accuracy(pairwise_loss, seed) for seed in range(5)) / 5 < 0.75
