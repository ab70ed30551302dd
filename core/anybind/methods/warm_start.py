"""Where EM goes on from when data are added to a fitted latent model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from anybind.methods.latent import LatentModel, pooled_covariances
from anybind.methods.linalg import inverse_root, matrix_root
from anybind.methods.noise import shaped, shrunk
from anybind.moments import Group

_LARGEST_COMMUNALITY = 0.99


def warm_start(
    known: Mapping[str, torch.Tensor],
    groups: Sequence[Group],
    shrinkage: float,
    noise_shape: str = "full",
    *,
    own_priors: bool = False,
) -> LatentModel:
    """The model with known loadings and the noise that is then left of each space's own covariance.

    A space that is not known starts at loading 0: it tells EM's first step nothing of z and learns its
    loading from the spaces it was seen with.

    Args:
        known: Space -> (d, r) loadings; at least one of every part that the groups join, or it stays at 0.
        groups: What was observed together.
        shrinkage, noise_shape, own_priors: As EM is to go on with.
    """
    rank = next(iter(known.values())).shape[1]
    spaces = sorted({space for g in groups for space in g.spaces})
    loadings, noise = {}, {}
    for space, own in pooled_covariances(groups, spaces).items():
        loadings[space] = known.get(space, torch.zeros(len(own), rank, dtype=torch.float64))
        rows = sum(g.n for g in groups if space in g.spaces)
        left = shaped(_unexplained(own, loadings[space]), noise_shape)
        noise[space] = shrunk(left, rows, shrinkage * len(own) / 2)
    identity = torch.eye(rank, dtype=torch.float64)
    priors = dict.fromkeys({g.dataset for g in groups}, identity) if own_priors else {}
    return LatentModel(loadings, noise, noise_shape, priors)


def _unexplained(own: torch.Tensor, loading: torch.Tensor) -> torch.Tensor:
    """(d, d) ``own - W W'``, kept positive where W explains more than there is."""
    axes, lengths, _ = torch.linalg.svd(inverse_root(own) @ loading, full_matrices=False)
    explained = matrix_root(own) @ axes * lengths.clamp(max=_LARGEST_COMMUNALITY**0.5)
    return own.sub(explained @ explained.T)
