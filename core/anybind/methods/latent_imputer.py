"""Missing embeddings from the ones a row has: CalMRL's generative model (arXiv:2511.12034), fitted by EM.

Every missing space of a row is replaced by its posterior mean under ``anybind.methods.isotropic_latent``.
Spaces may differ in dims. The rank matters more than anything else: at or above the rank the spaces share
it is nearly free, below it imputation can do more harm than good, so "auto" goes by how well held-out rows'
own spaces are imputed from each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from anybind.errors import ArtifactError, DataError, SelectionError, ShapeError, UnknownNameError
from anybind.methods.isotropic_latent import IsotropicModel, Start, em_sweep, imputation_error
from anybind.methods.pattern_sums import Pattern, PatternSums, Rows, Sums, patterns_of, summed

_RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
_FOLDS = 5
_SELECTION_FOLDS = 3
_SELECTION_SWEEPS = 20
# Fewer rows than this in a fold cannot judge a rank.
FEWEST_HELD_OUT_ROWS = 20


@dataclass(frozen=True)
class Posterior:
    """What is known of z.

    Attributes:
        mean: (n, q) float64.
        covariances: Pattern of present spaces -> (q, q) float64; it depends on nothing else.
        rows: Pattern of present spaces -> (k,) the numbers of the rows that show it.
    """

    mean: torch.Tensor
    covariances: Mapping[Pattern, torch.Tensor]
    rows: Mapping[Pattern, torch.Tensor]


@dataclass(frozen=True)
class Imputed:
    """Rows without holes.

    Attributes:
        mean: Space -> (n, d) float32: the row itself where it is present, else its posterior mean.
        variance: Space -> (n, d) float32 posterior variance of each number, 0 where the row is present.
    """

    mean: Mapping[str, torch.Tensor]
    variance: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class LatentImputer:
    """Multi-view probabilistic PCA for rows with missing spaces.

    Args:
        rank: Latent dims, or "auto" to choose by held-out imputation.
        sweeps: EM sweeps at most, >= 1.
        tolerance: Stop when a sweep raises the log-likelihood by less than this, in nats per observed number.
        noise_floor: Least noise variance as a share of the space's mean variance, > 0: with fewer rows than
            dims, or rows nearly alike, the likelihood would drive it to 0.
        model: The fitted parameters; None before ``fit``.
        statistics: What it was fitted on, for ``partial_fit``.
    """

    rank: int | str = "auto"
    sweeps: int = 60
    tolerance: float = 1e-6
    noise_floor: float = 1e-4
    model: IsotropicModel | None = None
    statistics: PatternSums | None = None

    def fit(
        self, rows: Rows, present: Rows | None = None, *, folds: torch.Tensor | None = None, seed: int = 0
    ) -> LatentImputer:
        """Fit to rows; returns a new imputer.

        Args:
            rows: Space -> (n, d) float; what is not present is ignored.
            present: Space -> (n,) bool; a space that is not named is present in every row.
            folds: (n,) integers: rows of one fold are held out together when the rank is chosen; random if None.
            seed: Seeds the folds.

        Raises:
            DataError: no chain of rows joins all spaces; a space does not vary or has no rows; NaN.
            ShapeError: numbers of rows differ, or a mask does not fit.
            SelectionError: the rank is more than the dims allow, or "auto" with too few rows to hold out.
        """
        fresh = replace(self, model=None)
        if self.rank != "auto":
            return fresh.fit_sums([PatternSums.of(rows, present)])
        n = len(next(iter(rows.values()))) if rows else 0
        if folds is None:
            folds = torch.randperm(n, generator=torch.Generator().manual_seed(seed)) % _FOLDS
        return fresh.fit_sums(list(fold_sums(rows, present, folds).values()))

    def fit_sums(self, parts: Sequence[PatternSums]) -> LatentImputer:
        """As ``fit``, from the statistics of each fold; one part will do unless the rank is "auto".

        If the imputer is fitted, with this rank and these spaces, EM goes on from there.
        """
        statistics = summed(parts)
        require_connected(statistics)
        rank = self._choose(parts) if self.rank == "auto" else _checked_rank(int(self.rank), statistics)
        known = self.model if self._fits(statistics, rank) else None
        model = self._run(known or Start.of(statistics).model(rank, self.noise_floor), statistics, self.sweeps)
        return replace(self, rank=rank, model=model, statistics=statistics)

    def partial_fit(self, rows: Rows, present: Rows | None = None, *, forgetting: float = 1.0) -> LatentImputer:
        """Add rows and go on from the present parameters; returns a new imputer.

        Args:
            rows: As in ``fit``.
            present: As in ``fit``.
            forgetting: Weight in [0, 1] of all rows so far: below 1 for embeddings that drift, so that a row
                given k calls ago weighs ``forgetting**k``; 1 is ordinary fitting in parts.

        Raises:
            DataError: as in ``fit``, or forgetting is out of range.
            UnknownNameError: a space that was not fitted.
        """
        if not 0 <= forgetting <= 1:
            raise DataError("forgetting is a weight", got=forgetting, expected="a number in [0, 1]")
        if self.statistics is None:
            return self.fit(rows, present)
        self._require_known(rows)
        added = PatternSums.of(rows, present)
        kept = self.statistics.scaled(forgetting) if forgetting else PatternSums(self.statistics.dims, {})
        return self.fit_sums([kept + added])

    def log_likelihood(self, rows: Rows, present: Rows | None = None) -> float:
        """Log density of what the rows show, in nats, summed over rows."""
        self._require_known(rows)
        return self._fitted().log_likelihood(PatternSums.of(rows, present))

    def posterior(self, rows: Rows, present: Rows | None = None) -> Posterior:
        """z given what each row shows; a row that shows nothing gets the prior, mean 0 and covariance I.

        Raises:
            UnknownNameError: a space that was not fitted.
            ShapeError: rows or masks do not fit.
        """
        self._require_known(rows)
        model, n = self._fitted(), len(next(iter(rows.values())))
        mean = torch.zeros(n, model.rank, dtype=torch.float64)
        shown = dict(patterns_of(rows, present))
        for pattern, numbers in shown.items():
            mean = mean.index_copy(0, numbers, _posterior_mean(model, rows, pattern, numbers))
        return Posterior(mean, {pattern: model.gain(pattern).covariance for pattern in shown}, shown)

    def impute(self, rows: Rows, present: Rows | None = None) -> Imputed:
        """Fill every hole, also of spaces that ``rows`` does not name at all.

        Args:
            rows: Space -> (n, d) float, any of the fitted spaces; at least one.
            present: Space -> (n,) bool; a space that is not named is present in every row.

        Raises:
            UnknownNameError: a space that was not fitted.
            ShapeError: rows or masks do not fit.
        """
        mean = self.complete(rows, present)
        variance = {space: torch.zeros_like(matrix) for space, matrix in mean.items()}
        model = self._fitted()
        for pattern, numbers in patterns_of(rows, present):
            spread = model.gain(pattern).covariance
            for space in model.loadings.keys() - set(pattern):
                loading = model.loadings[space]
                own = ((loading @ spread) * loading).sum(1) + model.noise[space]
                variance[space][numbers] = own.to(torch.float32)
        return Imputed({s: m.detach() for s, m in mean.items()}, variance)

    def complete(self, rows: Rows, present: Rows | None = None) -> dict[str, torch.Tensor]:
        """The means of ``impute`` alone, (n, d) float32 per fitted space, differentiable in the rows."""
        self._require_known(rows)
        model, n = self._fitted(), len(next(iter(rows.values())))
        complete = {
            space: rows[space].to(torch.float32) if space in rows else torch.zeros(n, dim)
            for space, dim in model.dims.items()
        }
        for pattern, numbers in patterns_of(rows, present):
            latent = _posterior_mean(model, rows, pattern, numbers)
            for space in model.loadings.keys() - set(pattern):
                filled = latent @ model.loadings[space].T + model.means[space]
                complete[space] = complete[space].index_copy(0, numbers, filled.to(torch.float32))
        return complete

    def tensors(self) -> dict[str, torch.Tensor]:
        """The fitted state: loading (d, q), mean (d,) and noise () per space, and the statistics of every pattern."""
        model = self._fitted()
        result: dict[str, torch.Tensor] = {}
        for space in model.loadings:
            result[f"{space}/loading"] = model.loadings[space]
            result[f"{space}/mean"] = model.means[space]
            result[f"{space}/noise"] = torch.tensor(model.noise[space], dtype=torch.float64)
        for pattern, sums in (self.statistics.sums if self.statistics else {}).items():
            name = ",".join(pattern)  # no space's name holds a comma
            result[f"pattern/{name}/n"] = torch.tensor(sums.n, dtype=torch.float64)
            result[f"pattern/{name}/total"], result[f"pattern/{name}/outer"] = sums.total, sums.outer
        return result

    def config(self) -> dict[str, Any]:
        """The options, with the rank that was chosen."""
        return {name: getattr(self, name) for name in ("rank", "sweeps", "tolerance", "noise_floor")}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> LatentImputer:
        """Rebuild from ``config`` and ``tensors``.

        Raises:
            ArtifactError: a tensor is missing or has the wrong shape.
        """
        own = {name for name in tensors if not name.startswith("pattern/")}
        spaces = sorted({name.rpartition("/")[0] for name in own})
        try:
            model = IsotropicModel(
                {s: tensors[f"{s}/loading"] for s in spaces}, {s: tensors[f"{s}/mean"] for s in spaces},
                {s: float(tensors[f"{s}/noise"]) for s in spaces},
            )  # fmt: skip
            statistics = _restored_sums(tensors, model.dims)
        except KeyError as error:
            what = "a tensor of the imputer is missing"
            raise ArtifactError(what, got=sorted(tensors), expected=str(error)) from None
        for space in spaces:
            expected = (len(model.means[space]), config["rank"])
            if tuple(model.loadings[space].shape) != expected:
                raise ArtifactError(
                    "an imputer's tensor has the wrong shape", where=f"space {space!r}",
                    got=tuple(model.loadings[space].shape), expected=expected,
                )  # fmt: skip
        return cls(**config, model=model, statistics=statistics)

    # -------------------------------------------------------------- internal

    def _fitted(self) -> IsotropicModel:
        if self.model is None:
            raise DataError("the imputer has not been fitted", hint="call fit first")
        return self.model

    def _fits(self, statistics: PatternSums, rank: int) -> bool:
        """Whether the parameters there are can be gone on from."""
        dims = {space: statistics.dims[space] for space in statistics.spaces}
        return self.model is not None and self.model.rank == rank and self.model.dims == dims

    def _require_known(self, rows: Rows) -> None:
        dims = self._fitted().dims
        if not rows:
            raise DataError("there are no rows", expected=f"rows of one or more of {', '.join(dims)}")
        for space, matrix in rows.items():
            if space not in dims:
                raise UnknownNameError("the imputer was not fitted on a space", got=space, expected=sorted(dims))
            if matrix.ndim != 2 or matrix.shape[1] != dims[space]:
                raise ShapeError(
                    "vectors do not fit the imputer", where=f"space {space!r}",
                    got=tuple(matrix.shape), expected=f"(n, {dims[space]})",
                )  # fmt: skip

    def _run(self, model: IsotropicModel, statistics: PatternSums, sweeps: int) -> IsotropicModel:
        _, variances, weights = statistics.pooled()
        floors = {space: self.noise_floor * variance for space, variance in variances.items()}
        numbers = sum(weights[space] * statistics.dims[space] for space in weights)
        before = -math.inf
        for _ in range(sweeps):
            improved, reached = em_sweep(model, statistics, floors)
            if reached - before < self.tolerance * numbers:
                break
            model, before = improved, reached
        return model

    def _choose(self, parts: Sequence[PatternSums]) -> int:
        """The rank that imputes held-out rows best from their own other spaces: the last before it gets worse."""
        ranks = [rank for rank in _RANKS if rank <= _largest_rank(summed(parts))]
        splits = list(_held_out(parts))
        if not splits:
            raise SelectionError(
                "there are too few rows to choose the imputer's rank on",
                expected=f"folds with {FEWEST_HELD_OUT_ROWS} rows that show two spaces, and spaces that stay joined "
                "without them", hint="give the rank",
            )  # fmt: skip
        starts = [Start.of(rest) for _, rest in splits]
        best, least = ranks[0], math.inf
        for rank in ranks:
            error = sum(
                imputation_error(self._run(begin.model(rank, self.noise_floor), rest, _SELECTION_SWEEPS), held)
                for begin, (held, rest) in zip(starts, splits, strict=True)
            )
            if error > least:
                break
            best, least = rank, error
        return best


def require_connected(statistics: PatternSums) -> None:
    """Refuse rows that do not join all spaces.

    The latent dims of parts that no row joins may turn against each other at will, so imputing one from the
    other is arbitrary: worse than the mean.

    Raises:
        DataError: a space has no rows, or the spaces fall into parts; the message names them.
    """
    absent = sorted(statistics.dims.keys() - set(statistics.spaces))
    if absent:
        raise DataError("a space has no rows: they are all missing", where=f"space {', '.join(map(repr, absent))}")
    parts = statistics.components()
    if len(parts) > 1:
        raise DataError(
            "no chain of rows joins all spaces, so nothing tells how to impute one part from another",
            got="; ".join(f"part {i}: {', '.join(part)}" for i, part in enumerate(parts, 1)),
            expected="one part", hint="add rows that show a space of each part, or fit each part by itself",
        )  # fmt: skip


def fold_sums(rows: Rows, present: Rows | None, folds: torch.Tensor) -> dict[int, PatternSums]:
    """Fold -> the statistics of its rows; ``folds`` is (n,) integers."""
    parts = {}
    for fold in torch.unique(folds).tolist():
        own = folds == fold
        masks = {space: mask[own] for space, mask in (present or {}).items()}
        parts[fold] = PatternSums.of({space: matrix[own] for space, matrix in rows.items()}, masks)
    return parts


def _posterior_mean(model: IsotropicModel, rows: Rows, pattern: Pattern, numbers: torch.Tensor) -> torch.Tensor:
    """(k, q) posterior means of the rows that show a pattern."""
    if not pattern:
        return torch.zeros(len(numbers), model.rank, dtype=torch.float64)
    stacked = torch.cat([rows[space][numbers].to(torch.float64) for space in pattern], dim=1)
    return (stacked - model.mean(pattern)) @ model.gain(pattern).matrix.T


def _held_out(parts: Sequence[PatternSums]) -> Iterator[tuple[PatternSums, PatternSums]]:
    """(held out, rest) for the first folds that can be judged and leave something to fit on."""
    whole, found = summed(parts), 0
    for i, held in enumerate(parts):
        others = [part for j, part in enumerate(parts) if j != i]
        judged = sum(sums.n for pattern, sums in held.sums.items() if len(pattern) > 1)
        if found == _SELECTION_FOLDS or not others or judged < FEWEST_HELD_OUT_ROWS:
            continue
        rest = summed(others)
        if rest.spaces == whole.spaces and len(rest.components()) == 1:
            found += 1
            yield held, rest


def _largest_rank(statistics: PatternSums) -> int:
    """As many latent dims as the spaces but the widest have: more could serve one space alone."""
    dims = sorted(statistics.dims.values())
    return max(1, sum(dims[:-1]))


def _checked_rank(rank: int, statistics: PatternSums) -> int:
    largest = sum(statistics.dims.values()) - 1
    if not 1 <= rank <= largest:
        raise SelectionError(
            "the data do not allow this rank", where="the imputer's rank", got=rank, expected=f"1 to {largest}",
        )  # fmt: skip
    return rank


def _restored_sums(tensors: Mapping[str, torch.Tensor], dims: Mapping[str, int]) -> PatternSums | None:
    names = sorted({name.split("/")[1] for name in tensors if name.startswith("pattern/")})
    if not names:
        return None
    sums = {}
    for name in names:
        pattern = tuple(name.split(","))
        n, total, outer = (tensors[f"pattern/{name}/{part}"] for part in ("n", "total", "outer"))
        width = sum(dims[space] for space in pattern)
        if total.shape != (width,) or outer.shape != (width, width):
            raise ArtifactError("an imputer's statistics have the wrong shape", where=name, expected=f"{width} dims")
        sums[pattern] = Sums(float(n), total, outer)
    return PatternSums(dims, sums)
