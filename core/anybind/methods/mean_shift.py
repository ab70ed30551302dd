"""Means of spaces that were seen in different data sets, brought to one population.

A pivot's mean differs between data sets because their items differ, and because its nuisance does. As for
a single row, the latent model tells the two apart: data set g has a mean latent m_g ~ N(0, I), and the mean
row of space s in it is mu_s + W_s m_g + e, e ~ N(0, Psi_s), with mu_s free. For two data sets that share
the pivot b this gives ``m_2 - m_1 = (I + W_b' Psi_b^-1 W_b)^-1 W_b' Psi_b^-1 (mean_b2 - mean_b1)``; loops,
stars and longer chains need nothing more. It sees training rows only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from anybind.methods.latent import LatentModel
from anybind.methods.linalg import cholesky
from anybind.moments import Group


def latent_shifts(
    model: LatentModel, groups: Sequence[Group], parts: Sequence[Sequence[str]]
) -> dict[str, torch.Tensor]:
    """Per space: the mean of z over all rows of its part, less that over the rows it was seen in, (r,) float64.

    A space's pooled mean plus ``W`` times this is its mean in the one population of all rows of its part.

    Args:
        model: Fitted to ``groups``.
        groups: What was observed together, in the model's coordinates.
        parts: Spaces that chains of paired rows join.
    """
    shifts = {}
    for part in parts:
        own = [g for g in groups if g.spaces[0] in part]
        latent = _mean_latents(model, own)
        overall = _weighted(latent, own)
        for space in part:
            shifts[space] = overall - _weighted(latent, [g for g in own if space in g.spaces])
    return shifts


def _weighted(latent: Mapping[str, torch.Tensor], groups: Sequence[Group]) -> torch.Tensor:
    """The mean latent over the rows of some groups."""
    rows = sum(g.n for g in groups)
    return torch.stack([g.n / rows * latent[g.dataset] for g in groups]).sum(0)


def _mean_latents(model: LatentModel, groups: Sequence[Group]) -> dict[str, torch.Tensor]:
    """Data set -> posterior mean (r,) of its mean latent, with a flat prior on every space's mean.

    With the spaces' means eliminated, the precision is I plus, for every space, its own precision times
    the centring matrix of the data sets that hold it.
    """
    datasets = sorted({g.dataset for g in groups})
    means = {(g.dataset, space): g.mean[columns] for g in groups for space, columns in g.columns.items()}
    rank, count = model.rank, len(datasets)
    precision = torch.eye(count * rank, dtype=torch.float64).view(count, rank, count, rank)
    evidence = torch.zeros(count, rank, dtype=torch.float64)
    for space in sorted({space for _, space in means}):
        held = torch.tensor([(d, space) in means for d in datasets])
        weighted, own = model.information(space)
        centring = torch.diag(held.double()) - torch.outer(held.double(), held.double()) / held.sum()
        precision = precision + centring[:, None, :, None] * own[None, :, None, :]
        seen = torch.stack([means[d, space] for d in datasets if (d, space) in means])
        evidence[held] += (seen - seen.mean(0)) @ weighted
    factor = cholesky(precision.reshape(count * rank, -1), "precision of the data sets' mean latents")
    solved = torch.cholesky_solve(evidence.reshape(-1, 1), factor).view(count, rank)
    return dict(zip(datasets, solved, strict=True))
