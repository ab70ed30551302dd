"""linalg: roots, inverses and factors of symmetric matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from anybind.errors import SelectionError
from anybind.methods.linalg import cholesky, inverse_root, matrix_root, symmetric_eigh


def positive(seed: int, dim: int = 6, rank: int | None = None) -> torch.Tensor:
    rows = np.random.default_rng(seed).normal(size=(dim, rank or dim))
    return torch.tensor(rows @ rows.T)


def test_eigenvalues_ascend_and_rounding_asymmetry_does_not_matter() -> None:
    matrix = positive(0)
    skewed = matrix + 1e-9 * torch.triu(torch.ones(6, 6, dtype=torch.float64), 1)
    values, vectors = symmetric_eigh(skewed)
    assert (values[1:] >= values[:-1]).all()
    torch.testing.assert_close((vectors * values) @ vectors.T, matrix, atol=1e-8, rtol=0)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix.numpy()), atol=1e-8)


def test_root_is_scipys() -> None:
    matrix = positive(1)
    np.testing.assert_allclose(matrix_root(matrix), scipy.linalg.sqrtm(matrix.numpy()).real, atol=1e-10)


def test_root_ignores_negative_rounding() -> None:
    matrix = positive(2, rank=2) - 1e-15 * torch.eye(6, dtype=torch.float64)
    root = matrix_root(matrix)
    assert torch.isfinite(root).all()
    torch.testing.assert_close(root @ root, matrix, atol=1e-12, rtol=0)
    below = torch.diag(torch.tensor([4.0, -1e-4], dtype=torch.float64))
    torch.testing.assert_close(matrix_root(below), torch.diag(torch.tensor([2.0, 0.0], dtype=torch.float64)))


def test_inverse_root_whitens() -> None:
    matrix = positive(3)
    white = inverse_root(matrix)
    torch.testing.assert_close(white @ matrix @ white, torch.eye(6, dtype=torch.float64), atol=1e-9, rtol=0)


def test_inverse_root_of_a_singular_matrix_is_the_root_of_the_pseudo_inverse() -> None:
    matrix = positive(4, rank=2)
    white = inverse_root(matrix)
    np.testing.assert_allclose(white @ white, np.linalg.pinv(matrix.numpy(), rcond=1e-10), atol=1e-9)


def test_inverse_root_of_zero_is_zero() -> None:
    assert not inverse_root(torch.zeros(3, 3, dtype=torch.float64)).any()


def test_inverse_root_of_one_dim() -> None:
    assert inverse_root(torch.tensor([[4.0]], dtype=torch.float64)).item() == pytest.approx(0.5)


def test_cholesky_is_numpys() -> None:
    matrix = positive(5)
    np.testing.assert_allclose(cholesky(matrix, "x"), np.linalg.cholesky(matrix.numpy()), atol=1e-12)


@pytest.mark.parametrize("bad", [torch.zeros(2, 2), -torch.eye(2), torch.full((2, 2), torch.nan)])
def test_cholesky_of_a_singular_matrix_says_which(bad: torch.Tensor) -> None:
    with pytest.raises(SelectionError, match="singular") as error:
        cholesky(bad.to(torch.float64), "noise of space 'a'")
    assert "'a'" in str(error.value)
    assert error.value.hint
