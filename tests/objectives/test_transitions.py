"""BrokenBind's transitions: invariance, exactness, chains, transposition, and where gradient flows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from anybind.errors import UsageError
from anybind.objectives.mox import frobenius
from anybind.objectives.transitions import KINDS, modal_extrapolation, pseudo_embeddings, pseudo_inverse

Unit = Callable[..., torch.Tensor]
ALL_KINDS = [("pinv", 0.0), ("ridge", 0.1), ("rank", 3)]


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
def test_pinv_is_numpys(unit: Unit, shape: tuple[int, int]) -> None:
    rows = unit(*shape)
    np.testing.assert_allclose(pseudo_inverse(rows), np.linalg.pinv(rows.numpy()), atol=1e-9)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_ridge_is_ridge_regression(unit: Unit, shape: tuple[int, int]) -> None:
    rows, goal = unit(*shape), unit(shape[0], 3, seed=1)
    alpha = 0.3 * np.linalg.svd(rows.numpy(), compute_uv=False) ** 2
    wanted = Ridge(alpha=alpha.sum() / min(shape), fit_intercept=False).fit(rows.numpy(), goal.numpy()).coef_.T
    np.testing.assert_allclose(pseudo_inverse(rows, "ridge", 0.3) @ goal, wanted, atol=1e-9)


def test_rank_inverts_the_leading_directions_only(unit: Unit) -> None:
    rows = unit(8, 5)
    left, values, right = np.linalg.svd(rows.numpy(), full_matrices=False)
    wanted = right[:2].T / values[:2] @ left[:, :2].T
    np.testing.assert_allclose(pseudo_inverse(rows, "rank", 2), wanted, atol=1e-9)


def test_no_ridge_and_full_rank_are_the_pseudo_inverse(unit: Unit) -> None:
    rows = unit(7, 4)
    torch.testing.assert_close(pseudo_inverse(rows, "ridge", 0.0), pseudo_inverse(rows))
    torch.testing.assert_close(pseudo_inverse(rows, "rank", 4), pseudo_inverse(rows))


def test_directions_that_are_rounding_are_not_inverted(unit: Unit) -> None:
    """float32 rows that lie in a plane have other singular values of 1e-8: inverting those would be noise."""
    rows = (unit(20, 2) @ unit(2, 6, seed=1)).to(torch.float32)
    assert torch.linalg.matrix_rank(pseudo_inverse(rows)) == 2
    assert pseudo_inverse(rows).abs().max() < 10


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_inverts_to_nothing(kind: str) -> None:
    assert pseudo_inverse(torch.zeros(0, 5), kind, 1).shape == (5, 0)
    assert (pseudo_inverse(torch.zeros(3, 5), kind, 1) == 0).all()


def test_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="pinv, ridge, rank"):
        pseudo_inverse(torch.ones(2, 2), "svd")


@pytest.mark.parametrize(("kind", "strength"), ALL_KINDS)
def test_shuffling_data_set_2_changes_nothing(unit: Unit, kind: str, strength: float) -> None:
    b1, b2, c2 = unit(6, 5), unit(8, 5, seed=1), unit(8, 5, seed=2)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    before = pseudo_embeddings(b1, [(b2, c2)], kind, strength)
    after = pseudo_embeddings(b1, [(b2[order], c2[order])], kind, strength)
    torch.testing.assert_close(after, before, atol=1e-12, rtol=1e-12)
    apart = pseudo_embeddings(b1, [(b2, c2[order])], kind, strength)
    assert (apart - before).abs().max() > 0.01  # it is the pairing within data set 2 that counts


def test_shuffling_data_set_1_shuffles_its_rows(unit: Unit) -> None:
    b1, b2, c2 = unit(6, 5), unit(8, 5, seed=1), unit(8, 5, seed=2)
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    torch.testing.assert_close(
        pseudo_embeddings(b1[order], [(b2, c2)]), pseudo_embeddings(b1, [(b2, c2)])[order]
    )


@pytest.mark.parametrize("rows", [5, 9])
def test_recovers_exactly_where_the_target_is_linear_in_the_pivot(unit: Unit, rows: int) -> None:
    """c = b M with as many rows as dims, or more; the sizes of the batches have nothing to do with each other."""
    b1, b2, linear = unit(4, 5), unit(rows, 5, seed=1), unit(5, 5, seed=2)
    torch.testing.assert_close(pseudo_embeddings(b1, [(b2, b2 @ linear)]), b1 @ linear)


def test_with_fewer_rows_than_dims_it_recovers_within_their_span(unit: Unit) -> None:
    b2, linear = unit(3, 5, seed=1), unit(5, 5, seed=2)
    inside = unit(4, 3, seed=3) @ b2
    torch.testing.assert_close(pseudo_embeddings(inside, [(b2, b2 @ linear)]), inside @ linear)
    outside = unit(4, 5, seed=4)
    assert (pseudo_embeddings(outside, [(b2, b2 @ linear)]) - outside @ linear).abs().max() > 0.01


@pytest.mark.parametrize(("kind", "strength"), ALL_KINDS)
def test_a_chain_is_the_product_of_its_hops(unit: Unit, kind: str, strength: float) -> None:
    """Eq. 21: c~1 = A1 (A2)^+ B2 (B3)^+ C3."""
    a1, a2, b2, b3, c3 = (unit(n, 5, seed=seed) for seed, n in enumerate((4, 8, 8, 7, 7)))
    hops = [(a2, b2), (b3, c3)]
    wanted = a1 @ pseudo_inverse(a2, kind, strength) @ b2 @ pseudo_inverse(b3, kind, strength) @ c3
    torch.testing.assert_close(pseudo_embeddings(a1, hops, kind, strength), wanted)
    step_by_step = pseudo_embeddings(pseudo_embeddings(a1, hops[:1], kind, strength), hops[1:], kind, strength)
    torch.testing.assert_close(pseudo_embeddings(a1, hops, kind, strength), step_by_step)


def test_read_by_columns_x_mod_is_x_data_transposed(unit: Unit) -> None:
    """Eq. 7 with samples as columns, C2' (B2')^+ B1', is Eq. 8 with samples as rows, transposed."""
    b1, b2, c2 = unit(6, 5), unit(8, 5, seed=1), unit(8, 5, seed=2)
    by_columns = c2.T @ pseudo_inverse(b2.T.contiguous()) @ b1.T
    torch.testing.assert_close(by_columns, pseudo_embeddings(b1, [(b2, c2)]).T, atol=1e-10, rtol=1e-9)


def test_literal_x_mod_depends_on_the_order_of_the_batch(unit: Unit) -> None:
    b1, b2, c2 = unit(6, 9), unit(6, 9, seed=1), unit(6, 9, seed=2)
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    before = modal_extrapolation(b1, (b2, c2))
    torch.testing.assert_close(before, c2 @ torch.linalg.pinv(b2) @ b1)
    assert (modal_extrapolation(b1, (b2[order], c2[order])) - before).abs().max() > 0.1


def test_the_frobenius_term_vanishes_where_it_should(unit: Unit) -> None:
    """B1 = B2 of full row rank, C2's rows within the span of B2's: then X-mod and X-data are both C2."""
    b = unit(5, 9)
    c = unit(5, 5, seed=1) @ b
    assert float(frobenius(modal_extrapolation(b, (b, c)), pseudo_embeddings(b, [(b, c)]))) < 1e-18
    outside = unit(5, 9, seed=2)
    x_mod, x_data = modal_extrapolation(b, (b, outside)), pseudo_embeddings(b, [(b, outside)])
    assert float(frobenius(x_mod, x_data)) == pytest.approx(float(((x_mod - x_data) ** 2).sum())) != 0


def test_unequal_batches_have_no_x_mod(unit: Unit) -> None:
    with pytest.raises(UsageError, match="equal size"):
        modal_extrapolation(unit(4, 5), (unit(6, 5), unit(6, 5)))


def test_gradient_stops_at_the_pseudo_inverse_only(unit: Unit) -> None:
    b1, b2, c2 = (unit(6, 5, seed=seed).requires_grad_() for seed in range(3))
    pseudo = pseudo_embeddings(b1, [(b2, c2)])
    weights = unit(6, 5, seed=9)
    (pseudo * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert b2.grad is None
    transition = torch.linalg.pinv(b2.detach()) @ c2.detach()
    assert b1.grad is not None
    torch.testing.assert_close(b1.grad, weights @ transition.T)
    assert c2.grad is not None
    torch.testing.assert_close(c2.grad, (b1.detach() @ torch.linalg.pinv(b2.detach())).T @ weights)
