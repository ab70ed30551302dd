"""Regularised least-squares maps between two spaces that some data set holds together.

    M = (S_aa + l I)^-1 S_ab      (ridge; l in units of the mean eigenvalue of S_aa)
    M = U_k L_k^-1 U_k' S_ab      (rank: the k leading directions of a; pinv: all that are not zero)

from within-data-set covariances pooled over the data sets that hold both. The strength (l or k) is
chosen by retrieval on held-out rows. One eigendecomposition of S_aa per fold serves every strength.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from anybind.errors import NoPathError
from anybind.fit_data import FitData
from anybind.methods.linalg import symmetric_eigh
from anybind.methods.selection import best_choice, held_out_mrr, selection_folds
from anybind.methods.space_map import require_variance
from anybind.methods.whitening import pooled_covariance
from anybind.moments import Group

RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
RANKS = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
_PINV_CUTOFF = 1e-10
_SELECTION_FOLDS = 5


@dataclass(frozen=True)
class Regression:
    """S_aa as eigenvalues and vectors, and S_ab, of one hop: every regularised map from a to b."""

    values: torch.Tensor
    vectors: torch.Tensor
    cross: torch.Tensor

    @classmethod
    def of(cls, groups: Sequence[Group], a: str, b: str, span: torch.Tensor | None = None) -> Regression:
        """The regression of b on a over the groups that hold both.

        Args:
            groups: The covariances.
            a, b: The two spaces.
            span: (d_a, k) orthonormal directions outside of which a does not vary: with fewer rows than
                dims this makes the eigendecomposition a small one, without changing its outcome.
        """
        both = [g for g in groups if a in g.spaces and b in g.spaces]
        require_variance(both, a)
        own = pooled_covariance(both, a, a)
        values, vectors = symmetric_eigh(own if span is None else span.T @ own @ span)
        return cls(values.clamp(min=0), vectors if span is None else span @ vectors, pooled_covariance(both, a, b))

    @property
    def mean_variance(self) -> float:
        """Mean eigenvalue of S_aa, the unit of ridge."""
        return float(self.values.sum()) / len(self.vectors)

    def span(self) -> torch.Tensor:
        """(d_a, k) the directions in which a varies."""
        return self.vectors[:, self.values > self.values.max() * _PINV_CUTOFF]

    def map(self, kind: str, strength: float) -> torch.Tensor:
        """The (d_a, d_b) map; ``kind`` is ridge, rank or pinv."""
        return (self.vectors * self._gains(kind, strength)) @ (self.vectors.T @ self.cross)

    def _gains(self, kind: str, strength: float) -> torch.Tensor:
        ridge = strength * self.mean_variance if kind == "ridge" else 0.0
        kept = self.values + ridge > self.values.max() * _PINV_CUTOFF
        if kind == "rank":
            kept &= torch.arange(len(self.values)) >= len(self.values) - int(strength)
        return torch.where(kept, 1 / (self.values + ridge).clamp(min=1e-300), torch.zeros_like(self.values))


@dataclass(frozen=True)
class Hop:
    """A fitted map from space a to space b, and the strength that was chosen for it."""

    matrix: torch.Tensor
    strength: float


def fit_hop(
    data: FitData,
    a: str,
    b: str,
    *,
    kind: str = "ridge",
    strength: float | str = "auto",
    target_map: torch.Tensor | None = None,
) -> Hop:
    """Fit the map from a to b, choosing its strength on held-out rows when it is "auto".

    Args:
        data: Moments and samples.
        a: The space mapped from.
        b: The space mapped to; some data set holds both.
        kind: ridge, rank or pinv.
        strength: Ridge (relative to the mean eigenvalue), rank, or "auto"; ignored by pinv.
        target_map: (d_b, k) map applied to b first: regress on, and retrieve, these targets instead.

    Raises:
        NoPathError: no data set holds both.
        DataError: space a does not vary.
        SelectionError: too few rows to choose the strength.
    """
    edges = [e for e in data.moments.edges() if {a, b} == set(e[1:])]
    if not edges:
        raise NoPathError("no data set holds both spaces of a hop", where=f"{a!r} to {b!r}")
    if strength == "auto" and kind != "pinv":
        strength = _chosen_strength(data, edges, a, b, kind, target_map)
    fixed = 0.0 if strength == "auto" else float(strength)
    matrix = Regression.of(data.groups(), a, b).map(kind, fixed)
    return Hop(matrix if target_map is None else matrix @ target_map, fixed)


def _chosen_strength(
    data: FitData, edges: Sequence[tuple[str, str, str]], a: str, b: str, kind: str, target_map: torch.Tensor | None
) -> float:
    folds = selection_folds(data, edges, limit=_SELECTION_FOLDS)
    candidates = RIDGES if kind == "ridge" else [r for r in RANKS if r <= data.dims[a]] or [data.dims[a]]
    span = Regression.of(data.groups(), a, b).span()
    regressions = {fold: Regression.of(data.groups(without_fold=fold), a, b, span) for fold in folds}
    means = {fold: data.means(without_fold=fold) for fold in folds}

    def judge(strength: float, fold: int) -> float:
        score = hop_score(regressions[fold].map(kind, strength), a, target_map)
        return held_out_mrr(score, data, edges, fold, means[fold])

    return float(best_choice(candidates, folds, judge))


def hop_score(
    matrix: torch.Tensor, source: str, target_map: torch.Tensor | None = None
) -> Callable[[str, torch.Tensor, str, torch.Tensor], torch.Tensor]:
    """Scores of centred rows: cosine between mapped rows of ``source`` and (mapped) rows of the other space."""

    def score(a: str, rows_a: torch.Tensor, b: str, rows_b: torch.Tensor) -> torch.Tensor:
        from_source, to = (rows_a, rows_b) if a == source else (rows_b, rows_a)
        goal = to.to(torch.float64) if target_map is None else to.to(torch.float64) @ target_map
        mapped = from_source.to(torch.float64) @ matrix
        if target_map is not None:
            mapped = mapped @ target_map
        table = cosine(mapped, goal)
        return table if a == source else table.T

    return score


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(n_a, n_b) cosines of the rows; 0 for a row of zeros."""
    return unit_rows(a) @ unit_rows(b).T


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Rows scaled to unit length, however small they are; a row of zeros stays."""
    return torch.nn.functional.normalize(rows, dim=1, eps=torch.finfo(rows.dtype).tiny)


def shortest_routes(edges: Sequence[tuple[str, str, str]], goal: str) -> dict[str, tuple[str, ...]]:
    """For every space that reaches ``goal``: the route with the fewest hops, ties by name."""
    neighbours: dict[str, set[str]] = {}
    for _, a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    routes: dict[str, tuple[str, ...]] = {goal: (goal,)}
    frontier = [goal]
    while frontier:
        reached = []
        for space in frontier:
            for other in sorted(neighbours.get(space, set()) - routes.keys()):
                routes[other] = (other, *routes[space])
                reached.append(other)
        frontier = reached
    return routes
