"""What shape a noise covariance may have, and how far it is drawn to a multiple of the identity."""

from __future__ import annotations

import torch

# Widest first: "full" is free, "diagonal" is factor analysis, "isotropic" is probabilistic PCA.
NOISE_SHAPES = ("full", "diagonal", "isotropic")


def shaped(covariance: torch.Tensor, shape: str) -> torch.Tensor:
    """The likeliest covariance of a shape, given the (d, d) second moments of the errors.

    Args:
        covariance: Symmetric positive semi-definite.
        shape: One of ``NOISE_SHAPES``: "diagonal" keeps the diagonal, "isotropic" its mean.
    """
    if shape == "diagonal":
        return torch.diag(covariance.diagonal())
    if shape == "isotropic":
        return _identity(covariance) * covariance.diagonal().mean()
    return covariance


def shrunk(covariance: torch.Tensor, rows: float, pseudo_rows: float) -> torch.Tensor:
    """``covariance`` of ``rows`` rows plus ``pseudo_rows`` rows of isotropic covariance of the same trace."""
    target = covariance.diagonal().mean() * _identity(covariance)
    return (rows * covariance + pseudo_rows * target) / (rows + pseudo_rows)


def _identity(like: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(like), dtype=like.dtype)
