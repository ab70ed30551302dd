"""``pcca``: one low-rank probabilistic CCA over all spaces and data sets, with missing blocks.

Use it by default: it joins any number of spaces and data sets (chains, loops, stars) in one joint space,
corrects for the noise of the pivot's embeddings, and needs moments only.

Model and EM: ``anybind.methods.latent``. Rows become Gaussian Nyström features (``anybind.input_maps``)
unless ``kernel`` is linear, or auto and held-out rows say that linear is clearly better; they are centred
per data set and reduced to their ``dims`` leading directions. Rank and noise shrinkage are chosen by
retrieval on held-out rows of the edges that exist. Cost of a fit: one eigendecomposition per space (d^3),
then EM at (sum of dims)^2 * rank per step and data set.

The similarity of a pair uses canonical directions u, v of the two posterior means with correlations rho:
``llr`` is the log-odds that both show the same item,
``-1/2 sum log(1-rho^2) + sum rho/(1-rho^2) u v - rho^2/(2(1-rho^2)) (u^2+v^2)``;
``cosine`` is the cosine after weighting directions by sqrt(rho/(1-rho^2)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from anybind.errors import ArtifactError, NoPathError, SelectionError
from anybind.fit_data import FitData
from anybind.input_maps import KernelOptions
from anybind.methods.hops import shortest_routes
from anybind.methods.latent import (
    LatentModel,
    Start,
    em_step,
    log_likelihood,
    pooled_covariances,
    space_by_space,
)
from anybind.methods.linalg import cholesky, inverse_root, matrix_root, symmetric_eigh
from anybind.methods.selection import best_choice, held_out_mrr, selection_folds
from anybind.methods.space_map import SpaceMap, pooled_means, require_variance
from anybind.moments import Group, Moments

_OPTIONS = ("rank", "shrinkage", "dims", "steps", "similarity", "kernel", "landmarks", "width")
_RANKS = (4, 8, 16, 32, 64, 96, 128, 192)
_SHRINKAGES = (1.0, 0.3, 3.0)
_SELECTION_STEPS = 10
_SELECTION_FOLDS = 3
# Kernels are compared at a high rank with much shrinkage, where neither suffers from a rank that fits the other.
_KERNEL_RANK, _KERNEL_SHRINKAGE = 128, 3.0
_LARGEST_CORRELATION = 0.9999


@dataclass(frozen=True)
class PCCA:
    """Low-rank probabilistic CCA with missing blocks.

    Args:
        rank: Latent dims, or "auto" to choose on held-out edges.
        shrinkage: Isotropic pseudo-rows per noise covariance, in units of dims / 2, or "auto".
        dims: Leading directions kept per space.
        steps: EM steps.
        similarity: "cosine" or "llr".
        kernel: "gaussian" fits on Nyström features of every space (``anybind.input_maps``), "linear" on the
            vectors themselves, "auto" on what retrieves held-out rows better.
        landmarks: At most this many rows of a space make its features.
        width: The kernel's gamma times the median squared distance.
    """

    rank: int | str = "auto"
    shrinkage: float | str = "auto"
    dims: int = 384
    steps: int = 20
    similarity: str = "cosine"
    kernel: str = "auto"
    landmarks: int = 1024
    width: float = 2.0
    spaces: Mapping[str, SpaceMap] = field(default_factory=dict)
    reliability: Mapping[str, torch.Tensor] = field(default_factory=dict)
    parts: Sequence[Sequence[str]] = ()

    @property
    def input_kernel(self) -> KernelOptions | None:
        """The features the data must come in; "auto" must have been settled, see ``alternatives``."""
        return None if self.kernel == "linear" else KernelOptions(self.landmarks, self.width)

    def alternatives(self) -> tuple[PCCA, ...]:
        """The methods to choose among before the rows are prepared: with each kernel, where it is "auto"."""
        kernels = ("gaussian", "linear") if self.kernel == "auto" else (self.kernel,)
        return tuple(replace(self, kernel=kernel) for kernel in kernels)

    def held_out(self, data: FitData) -> float:
        """How well held-out rows of the edges are retrieved, at a high rank with much shrinkage.

        Raises:
            SelectionError: too few paired rows can be held out.
        """
        maps = principal_maps(data.moments, self.dims)
        moments = data.moments.projected(maps)
        judge = _Judge(self, data, moments, maps)
        rank = min(largest_rank(moments), _KERNEL_RANK if self.rank == "auto" else int(self.rank))
        shrinkage = _KERNEL_SHRINKAGE if self.shrinkage == "auto" else float(self.shrinkage)
        return sum(judge(rank, shrinkage, fold) for fold in judge.folds) / len(judge.folds)

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[tuple[str, str]] = (),
        routes: Mapping[tuple[str, str], Any] | None = None,
        seed: int = 0,
    ) -> PCCA:
        """Fit to every data set at once; see ``BinderMethod.fit``. Deterministic: targets, routes and seed are unused.

        Raises:
            SelectionError: rank or shrinkage is "auto" and too few paired rows can be held out, or the rank is
                more than the data allow.
            DataError: a space does not vary.
            NoPathError: no row holds two spaces.
        """
        maps = principal_maps(data.moments, self.dims)
        moments = data.moments.projected(maps)
        rank, shrinkage = self._choose(data, moments, maps)
        groups = joined_groups(moments)
        model = run_em(Start.of(groups).model(rank), groups, shrinkage, self.steps)
        means = pooled_means(data.moments)
        spaces, reliability = {}, {}
        for space in model.loadings:
            posterior, reliability[space] = posterior_map(model, space)
            spaces[space] = SpaceMap(means[space], maps[space] @ posterior)
        parts = connected_parts(data.moments)
        return replace(self, rank=rank, shrinkage=shrinkage, spaces=spaces, reliability=reliability, parts=parts)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """Posterior mean of z given one space: (n, dim) -> (n, rank) float32.

        Raises:
            NoPathError: no row paired the space with another.
        """
        if space not in self.spaces:
            raise NoPathError("no row pairs this space with another", where=repr(space))
        return self.spaces[space](vectors).to(torch.float32)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32; see the module for the two similarities.

        Raises:
            NoPathError: no chain of data sets joins the two spaces, so the model knows nothing in common.
        """
        if not any(space_a in part and space_b in part for part in self.parts):
            raise NoPathError("no chain of paired rows joins two spaces", where=f"{space_a!r} and {space_b!r}")
        pair = canonical_pair(self.reliability[space_a], self.reliability[space_b])
        table = pair.score(self.spaces[space_a](a), self.spaces[space_b](b), self.similarity)
        return table.to(torch.float32)

    def config(self) -> dict[str, Any]:
        """Fitted choices."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        return options | {"spaces": sorted(self.spaces), "parts": [list(part) for part in self.parts]}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Per space: mean (d,), map (d, r) to the posterior mean, and its covariance (r, r)."""
        result: dict[str, torch.Tensor] = {}
        for space, linear in self.spaces.items():
            result |= linear.tensors(space)
            result[f"{space}/reliability"] = self.reliability[space]
        return result

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> PCCA:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a tensor has the wrong shape.
            KeyError: a tensor or a field is missing; ``Binder.from_pretrained`` explains it.
        """
        rank = config["rank"]
        spaces = {space: SpaceMap.restore(space, tensors, width=rank) for space in config["spaces"]}
        reliability = {space: tensors[f"{space}/reliability"] for space in spaces}
        if any(tuple(matrix.shape) != (rank, rank) for matrix in reliability.values()):
            raise ArtifactError("a reliability matrix has the wrong shape", expected=f"({rank}, {rank})")
        options = {name: config[name] for name in _OPTIONS}
        return cls(**options, spaces=spaces, reliability=reliability, parts=config["parts"])

    def _choose(
        self, data: FitData, moments: Moments, maps: Mapping[str, torch.Tensor]
    ) -> tuple[int, float]:
        """Rank first, at the usual shrinkage; then shrinkage at that rank."""
        largest = largest_rank(moments)
        ranks = [rank for rank in _RANKS if rank <= largest] or [largest]
        rank = ranks[0] if len(ranks) == 1 and self.rank == "auto" else self.rank
        shrinkage = self.shrinkage
        if rank != "auto" and shrinkage != "auto":
            return _checked_rank(int(rank), largest), float(shrinkage)
        judge = _Judge(self, data, moments, maps)
        if rank == "auto":
            fixed = 1.0 if shrinkage == "auto" else float(shrinkage)
            rank = best_choice(ranks, judge.folds, lambda r, fold: judge(r, fixed, fold))
        if shrinkage == "auto":
            shrinkage = best_choice(_SHRINKAGES, judge.folds, lambda k, fold: judge(int(rank), k, fold))
        return _checked_rank(int(rank), largest), float(shrinkage)


class _Judge:
    """How well a candidate retrieves held-out rows; each candidate and fold is fitted once.

    Where a data set shares no rows, the held-out log-odds that a row's spaces belong together take the place
    of retrieval. (Held-out likelihood itself would not do: it goes by how each space is spread, and grows with
    rank where there is nothing in common.)
    """

    def __init__(self, method: PCCA, data: FitData, moments: Moments, maps: Mapping[str, torch.Tensor]) -> None:
        self.method, self.data, self.moments, self.maps = method, data, moments, maps
        self.edges = data.moments.edges()
        self.by_rows = set(data.moments.datasets) <= set(data.samples)
        self.folds = selection_folds(data, self.edges, limit=_SELECTION_FOLDS, by_rows=self.by_rows)
        self._starts: dict[int, tuple[Start, list[Group]]] = {}
        self._known: dict[tuple[int, float, int], float] = {}

    def __call__(self, rank: int, shrinkage: float, fold: int) -> float:
        key = (rank, shrinkage, fold)
        if key not in self._known:
            if fold not in self._starts:
                groups = joined_groups(self.moments, fold)
                self._starts[fold] = (Start.of(groups), groups)
            start, groups = self._starts[fold]
            steps = min(self.method.steps, _SELECTION_STEPS)
            model = run_em(start.model(rank), groups, shrinkage, steps)
            held_out = self._retrieval if self.by_rows else self._log_odds
            self._known[key] = held_out(model, fold)
        return self._known[key]

    def _retrieval(self, model: LatentModel, fold: int) -> float:
        parts = {space: posterior_map(model, space) for space in model.loadings}
        latent = {space: (self.maps[space] @ part[0]).to(torch.float32) for space, part in parts.items()}

        def score(a: str, rows_a: torch.Tensor, b: str, rows_b: torch.Tensor) -> torch.Tensor:
            pair = canonical_pair(parts[a][1], parts[b][1])
            return pair.score(rows_a @ latent[a], rows_b @ latent[b], self.method.similarity)

        means = {key: mean.to(torch.float32) for key, mean in self.data.means(without_fold=fold).items()}
        return held_out_mrr(score, self.data, self.edges, fold, means)

    def _log_odds(self, model: LatentModel, fold: int) -> float:
        groups = [g for g in self.moments.groups(only_fold=fold) if len(g.spaces) > 1]
        together, alone = log_likelihood(model, groups), log_likelihood(model, space_by_space(groups))
        return (together - alone) / sum(g.n for g in groups)


def principal_maps(moments: Moments, dims: int) -> dict[str, torch.Tensor]:
    """Per space a (d, <= dims) projection on its leading directions, scaled to mean variance 1.

    Raises:
        DataError: a space does not vary.
    """
    groups = moments.groups()
    own = pooled_covariances(groups, sorted({s for d in moments.datasets for s in moments.spaces_of(d)}))
    maps = {}
    for space, covariance in own.items():
        require_variance(groups, space)
        values, vectors = symmetric_eigh(covariance)
        kept = min(dims, int((values > values[-1] * 1e-10).sum()))
        values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
        maps[space] = vectors / values.mean().sqrt()
    return maps


def largest_rank(moments: Moments) -> int:
    """The largest rank the data can speak of: the smaller of the widest edge's dims and its rows.

    Raises:
        NoPathError: no row holds two spaces.
    """
    edges = moments.edges()
    if not edges:
        raise NoPathError("no data set holds two spaces in one row", where=f"data sets {', '.join(moments.datasets)}")
    return max(min(moments.dims[a], moments.dims[b], moments.pairs(a, b)) for _, a, b in edges)


def connected_parts(moments: Moments) -> tuple[tuple[str, ...], ...]:
    """The spaces in parts that chains of paired rows join."""
    edges = moments.edges()
    return tuple(sorted({tuple(sorted(shortest_routes(edges, space))) for _, space, _ in edges}))


def joined_groups(moments: Moments, without_fold: int | None = None) -> list[Group]:
    """The groups of all folds but one (or of all), less the spaces that no row pairs with another."""
    joined = {space for part in connected_parts(moments) for space in part}
    return [g for g in moments.groups(without_fold=without_fold) if joined.issuperset(g.spaces)]


def run_em(model: LatentModel, groups: Sequence[Group], shrinkage: float, steps: int) -> LatentModel:
    """``steps`` EM steps."""
    for _ in range(steps):
        model = em_step(model, groups, shrinkage)
    return model


def posterior_map(model: LatentModel, space: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(d, r) map from centred rows to the posterior mean of z, and that mean's (r, r) covariance."""
    weighted, precision = model.information(space)
    identity = torch.eye(model.rank, dtype=torch.float64)
    posterior = torch.cholesky_inverse(cholesky(identity + precision, "precision of the latent dims"))
    return weighted @ posterior, identity - posterior


@dataclass(frozen=True)
class CanonicalPair:
    """Maps from two spaces' posterior means to paired canonical directions with correlations ``rho``."""

    left: torch.Tensor
    right: torch.Tensor
    rho: torch.Tensor

    def score(self, a: torch.Tensor, b: torch.Tensor, kind: str) -> torch.Tensor:
        """(n_a, n_b) scores of (n_a, r) and (n_b, r) posterior means."""
        rho = self.rho.to(a.dtype)
        u, v = a @ self.left.to(a.dtype), b @ self.right.to(a.dtype)
        weight = rho / (1 - rho**2)
        if kind == "cosine":
            u, v = u * weight.sqrt(), v * weight.sqrt()
            return torch.nn.functional.normalize(u, dim=1) @ torch.nn.functional.normalize(v, dim=1).T
        own = rho * weight / 2
        constant = -0.5 * torch.log1p(-(rho**2)).sum()
        return (u * weight) @ v.T - (u**2 @ own)[:, None] - (v**2 @ own)[None] + constant


def canonical_pair(reliability_a: torch.Tensor, reliability_b: torch.Tensor) -> CanonicalPair:
    """Canonical directions of two posterior means whose covariances are given.

    The cross-covariance of the two means under the model is the product of their covariances, so the
    canonical correlations are the singular values of the product of the two roots.
    """
    u, rho, vt = torch.linalg.svd(matrix_root(reliability_a) @ matrix_root(reliability_b))
    left, right = inverse_root(reliability_a) @ u, inverse_root(reliability_b) @ vt.T
    return CanonicalPair(left, right, rho.clamp(0, _LARGEST_CORRELATION))


def _checked_rank(rank: int, largest: int) -> int:
    if not 1 <= rank <= largest:
        raise SelectionError(
            "the data do not allow this rank", where="option rank", got=rank, expected=f"1 to {largest}",
            hint="use rank: auto, or a smaller number",
        )  # fmt: skip
    return rank
