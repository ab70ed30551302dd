"""Spaces in whitened coordinates, and the correlations between them: what CCA and Procrustes chains are made of.

A space's covariance, averaged within and over all data sets that hold it, has eigenvalues v and directions V.
Its whitened coordinates are ``V' x / sqrt(v + l)``, with the shrinkage l in units of the mean eigenvalue. They
are the same in every data set, so that hops measured in different data sets compose. The correlation of two
spaces, ``T_ab = W_a' S_ab W_b``, comes from the rows that have both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from anybind.methods.linalg import symmetric_eigh
from anybind.methods.space_map import require_variance
from anybind.moments import Group

Pair = tuple[str, str]

# Directions with less than this share of the largest variance are rounding.
_CUTOFF = 1e-10


@dataclass(frozen=True)
class Whitening:
    """Eigenvalues (k,) and directions (d, k) of every space, all above rounding; cross-covariances per hop, there."""

    values: Mapping[str, torch.Tensor]
    vectors: Mapping[str, torch.Tensor]
    cross: Mapping[Pair, torch.Tensor]

    @classmethod
    def of(
        cls, groups: Sequence[Group], spaces: Iterable[str], hops: Sequence[Pair] = (), within: Whitening | None = None
    ) -> Whitening:
        """From covariances.

        Args:
            groups: The covariances.
            spaces: The spaces to whiten.
            hops: The pairs of them whose correlations are wanted; some group holds both.
            within: The whitening of more of the same rows: outside of its directions nothing varies, which makes
                the eigendecompositions smaller without changing their outcome.

        Raises:
            DataError: a space does not vary.
        """
        values, vectors = {}, {}
        for space in sorted(set(spaces)):
            require_variance(groups, space)
            covariance = pooled_covariance(groups, space, space)
            span = None if within is None else within.vectors[space]
            found, directions = symmetric_eigh(covariance if span is None else span.T @ covariance @ span)
            kept = found > found[-1] * _CUTOFF
            values[space] = found[kept]
            vectors[space] = directions[:, kept] if span is None else span @ directions[:, kept]
        cross = {(a, b): vectors[a].T @ pooled_covariance(groups, a, b) @ vectors[b] for a, b in hops}
        return cls(values, vectors, cross)

    def map(self, space: str, shrinkage: float) -> torch.Tensor:
        """(d, k) map from centred rows to whitened coordinates."""
        return self.vectors[space] * self._gains(space, shrinkage)

    def correlation(self, hop: Pair, shrinkage_a: float, shrinkage_b: float) -> torch.Tensor:
        """(k_a, k_b) correlation of the two spaces of a hop in whitened coordinates."""
        a, b = hop
        return self._gains(a, shrinkage_a)[:, None] * self.cross[hop] * self._gains(b, shrinkage_b)

    def _gains(self, space: str, shrinkage: float) -> torch.Tensor:
        values = self.values[space]
        return (values + shrinkage * values.sum() / len(self.vectors[space])).rsqrt()


def pooled_covariance(groups: Sequence[Group], a: str, b: str) -> torch.Tensor:
    """(d_a, d_b) covariance within data sets, averaged over all rows that have both spaces (a may be b)."""
    both = [g for g in groups if a in g.spaces and b in g.spaces]
    n = sum(g.n for g in both)
    return torch.stack([g.n / n * g.block(a, b) for g in both]).sum(0)
