"""The leading directions of every space: where the latent model is fitted, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.methods.latent import pooled_covariances
from anybind.methods.linalg import symmetric_eigh
from anybind.methods.space_map import require_variance
from anybind.moments import Moments

_SMALLEST_VARIANCE = 1e-10


@dataclass(frozen=True)
class PrincipalAxes:
    """The kept directions of a space.

    Attributes:
        into: (d, p) float64; centred rows times this have uncorrelated columns of mean variance 1.
        dropped: (d,) float64 variance per input dim in the directions that were not kept.
    """

    into: torch.Tensor
    dropped: torch.Tensor

    @property
    def back(self) -> torch.Tensor:
        """(p, d) pseudo-inverse of ``into``; what was dropped comes back as the mean."""
        # columns are orthogonal and of one length
        return (self.into / self.into.square().sum(0)).T


def principal_axes(moments: Moments, dims: int) -> dict[str, PrincipalAxes]:
    """Per space its at most ``dims`` leading directions, over all data sets, each centred by itself.

    Raises:
        DataError: a space does not vary, or has no rows.
    """
    groups = moments.groups()
    for space in moments.dims:
        require_variance(groups, space)
    axes = {}
    for space, covariance in pooled_covariances(groups, sorted(moments.dims)).items():
        values, vectors = symmetric_eigh(covariance)
        kept = min(dims, int((values > values[-1] * _SMALLEST_VARIANCE).sum()))
        values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
        dropped = covariance.diagonal() - (vectors**2 * values).sum(1)
        axes[space] = PrincipalAxes(vectors / values.mean().sqrt(), dropped.clamp(min=0))
    return axes


def projections(axes: Mapping[str, PrincipalAxes]) -> dict[str, torch.Tensor]:
    """Space -> (d, p), as ``Moments.projected`` wants it."""
    return {space: each.into for space, each in axes.items()}
