"""Small linear algebra on symmetric matrices, float64."""

from __future__ import annotations

import torch

from anybind.errors import SelectionError


def symmetric_eigh(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues (ascending) and eigenvectors of a matrix that is symmetric up to rounding."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values, vectors


def cholesky(matrix: torch.Tensor, name: str) -> torch.Tensor:
    """The lower Cholesky factor of a positive definite matrix.

    Raises:
        SelectionError: the matrix is singular; ``name`` says which it is.
    """
    factor: torch.Tensor
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed or not torch.isfinite(factor).all():
        raise SelectionError(
            "a covariance is singular: the rows are too few or too alike for this many latent dims", where=name,
            hint="lower the rank, raise the shrinkage, or add rows",
        )  # fmt: skip
    return factor


def matrix_root(matrix: torch.Tensor) -> torch.Tensor:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = symmetric_eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def inverse_root(matrix: torch.Tensor) -> torch.Tensor:
    """The symmetric inverse square root; directions without variance map to zero."""
    values, vectors = symmetric_eigh(matrix)
    floor = values[-1].clamp(min=0) * 1e-12
    inverse = torch.where(values > floor, values.clamp(min=1e-300).rsqrt(), torch.zeros_like(values))
    return (vectors * inverse) @ vectors.T
