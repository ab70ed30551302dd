"""How much of one space can be told from another, on rows that the fit has not seen: ridge regression and CCA.

Both sides are centred by the means of the rows fitted on and written in those rows' principal directions, where
covariances are diagonal; so one eigendecomposition per side and fold serves both fits and all their strengths.
A fold's strength is the one that does best on the other folds: no row has a say in its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from anybind.diagnosis.matching import match_tables
from anybind.rows import fold_of

FOLDS = 5
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # of ridge, in units of the mean variance of a direction
SHRINKAGES = (0.03, 0.3, 3.0, 30.0)  # of CCA, alike
_MOST_DIRECTIONS = 256  # of a side that CCA looks at: those of most variance
_ROUNDING = 1e-10  # of the largest variance


@dataclass(frozen=True)
class Predicted:
    """What held-out rows tell of an edge.

    Attributes:
        r2: (b from a, a from b) by ridge: the share of the squared deviation from the mean fitted on that is
            predicted, all dims together; 0 is no better than that mean.
        tables: Per fold the (m, m) cosines of its rows of a with those of b, in canonical directions weighted by
            their correlations.
    """

    r2: tuple[float, float]
    tables: tuple[torch.Tensor, ...]


def held_out_folds(groups: Sequence[str], seed: int = 0) -> torch.Tensor:
    """The fold of every row, (n,) int64: a group of near-duplicates is never divided."""
    return torch.tensor([fold_of(group, seed, FOLDS) for group in groups])


def predict_held_out(
    a: torch.Tensor, b: torch.Tensor, folds: torch.Tensor, *, fitted_on: torch.Tensor | None = None
) -> Predicted:
    """Predict every row by fits without its fold, and look it up among the rows of its fold.

    Args:
        a: (n, d_a), b: (n, d_b): paired rows.
        folds: (n,), at least three different ones, two rows each.
        fitted_on: (n,) bool: the rows that fits may use; all if None. All rows are predicted.
    """
    usable = torch.ones(len(a), dtype=torch.bool) if fitted_on is None else fitted_on
    to_b, to_a, tables = [], [], []
    for fold in sorted(set(folds.tolist())):
        view = _View.of(a, b, usable & (folds != fold), folds == fold)
        to_b.append(view.ridge_errors())
        to_a.append(view.turned().ridge_errors())
        tables.append(view.canonical_tables())
    return Predicted((_r2(to_b), _r2(to_a)), tuple(_best_tables(tables)))


@dataclass(frozen=True)
class _Side:
    """One side of a fold: variances (k,) of its directions, held-out coordinates (m, k), and rows' length squared."""

    variances: torch.Tensor
    held_out: torch.Tensor
    length: float

    @classmethod
    def of(cls, train: torch.Tensor, test: torch.Tensor) -> tuple[_Side, torch.Tensor]:
        """The side, and the (n, k) coordinates of the rows fitted on."""
        mean = train.double().mean(0)
        fitted, held_out = train.double() - mean, test.double() - mean
        wide = fitted.shape[1] > fitted.shape[0]
        values, vectors = torch.linalg.eigh((fitted @ fitted.T if wide else fitted.T @ fitted) / len(fitted))
        kept = values > values[-1].clamp(min=1e-300) * _ROUNDING
        values, vectors = values[kept].flip(0), vectors[:, kept].flip(1)
        directions = fitted.T @ vectors / (values * len(fitted)).sqrt() if wide else vectors
        return cls(values, held_out @ directions, float((held_out**2).sum())), fitted @ directions


@dataclass(frozen=True)
class _View:
    """One fold: both sides, and the (k_a, k_b) covariance of their coordinates over the rows fitted on."""

    a: _Side
    b: _Side
    cross: torch.Tensor

    @classmethod
    def of(cls, a: torch.Tensor, b: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> _View:
        (side_a, fitted_a), (side_b, fitted_b) = (_Side.of(rows[train], rows[test]) for rows in (a, b))
        return cls(side_a, side_b, fitted_a.T @ fitted_b / len(fitted_a))

    def turned(self) -> _View:
        return _View(self.b, self.a, self.cross.T)

    def ridge_errors(self) -> torch.Tensor:
        """Squared errors of b for every penalty, and last its squared deviation from the mean: (penalties + 1,)."""
        unit = self.a.variances.mean() if len(self.a.variances) else torch.tensor(0.0)
        outside = self.b.length - float((self.b.held_out**2).sum())  # where no row fitted on varies
        errors = []
        for penalty in PENALTIES:
            predicted = (self.a.held_out / (self.a.variances + penalty * unit)) @ self.cross
            errors.append(float(((self.b.held_out - predicted) ** 2).sum()) + outside)
        return torch.tensor([*errors, self.b.length], dtype=torch.float64)

    def canonical_tables(self) -> list[torch.Tensor]:
        """(m, m) cosines of the held-out rows of a and of b for every shrinkage, float32."""
        k_a, k_b = (min(len(side.variances), _MOST_DIRECTIONS) for side in (self.a, self.b))
        if not k_a or not k_b:
            return [torch.zeros(len(self.a.held_out), len(self.b.held_out)) for _ in SHRINKAGES]
        tables = []
        for shrinkage in SHRINKAGES:
            scale_a, scale_b = (
                (side.variances + shrinkage * side.variances.mean()).rsqrt()[:k]
                for side, k in ((self.a, k_a), (self.b, k_b))
            )
            whitened = scale_a[:, None] * self.cross[:k_a, :k_b] * scale_b
            left, rho, right = torch.linalg.svd(whitened, full_matrices=False)
            one = (self.a.held_out[:, :k_a] * scale_a) @ (left * rho)
            other = (self.b.held_out[:, :k_b] * scale_b) @ (right.T * rho)
            tables.append((_unit(one) @ _unit(other).T).float())
        return tables


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-300)


def _r2(errors: Sequence[torch.Tensor]) -> float:
    table = torch.stack(list(errors))
    missed, total = table[:, :-1], float(table[:, -1].sum())
    chosen = (missed.sum(0) - missed).argmin(1)
    return 1 - float(missed.gather(1, chosen[:, None]).sum()) / total if total > 0 else 0.0


def _best_tables(tables: Sequence[Sequence[torch.Tensor]]) -> list[torch.Tensor]:
    """Of every fold the table with the shrinkage that finds best in the other folds."""
    found = torch.tensor([[match_tables([table]).mrr * len(table) for table in fold] for fold in tables])
    chosen = (found.sum(0) - found).argmax(1).tolist()
    return [fold[best] for fold, best in zip(tables, chosen, strict=True)]
