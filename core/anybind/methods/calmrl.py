"""``calmrl``: alignment of whole tuples when rows miss spaces, by calibrated imputation (arXiv:2511.12034).

    1. warm-up     heads are trained by a loss of tuples on what the rows show
    2. alternate   every few epochs, fit z_m = W_m b + mu_m + e_m to all rows' embeddings by EM and impute what is
                   missing by its posterior mean; the loss sees [observed ; imputed], the latter without gradient

The loss is PMRL's, GRAM's, TRIANGLE's or Symile's; ``matching`` times a contrast of observed pairs is added, the
counterpart of the paper's matching loss for heads without a fusion encoder. A row misses every space of the
graph that it does not show, so that data sets a-b and b-c are rows of a, b and c with a hole each.

Imputation needs a chain of rows that joins all spaces; otherwise the fit is refused. What an imputed column
adds is a linear function of the observed ones: it tells nothing new about the row, but pulls the heads towards
one anchor for all. ``anybind.methods.anchor_shift`` measures that. Cost: as ``all-pairs``, and per refresh some
tens of EM sweeps of (sum of the observed joint dims)^2 * rank for each pattern of observed spaces.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from anybind.errors import DataError, SelectionError, UsageError
from anybind.methods.calibration import Calibrated
from anybind.methods.latent_imputer import FEWEST_HELD_OUT_ROWS
from anybind.methods.trained import Setting, TrainedMethod
from anybind.training.step import Objective

_TRIANGLE = 3
_FEWEST_TUPLES = 2
_FOLDS_NEEDED = 2


@dataclass(frozen=True)
class CalMRL(TrainedMethod):
    """Heads trained on tuples that imputation makes whole.

    Args:
        loss: The loss of tuples: "pmrl", "gram", "triangle" (three spaces exactly) or "symile".
        missing: "impute"; or, to compare with, "mean" (every space's mean stands for what is missing) and
            "observed" (tuples stay as they are).
        rank: Latent dims of the imputer, or "auto" to choose by held-out imputation after the warm-up.
        warm_up: Share of the epochs before anything is imputed, in [0, 1].
        refresh: Epochs from one fit of the imputer to the next.
        detach: No gradient through imputed columns: with one, heads would gain by being easy to impute.
        renormalise: Scale imputed columns to unit length: helps a little where the posterior is sharp, and hurts
            where it is not.
        matching: Weight of the contrast of observed pairs.
        masked_views: A row that shows three or more spaces hides one with this probability, reached half-way.
    """

    loss: str = "pmrl"
    missing: str = "impute"
    rank: int | str = "auto"
    warm_up: float = 0.3
    refresh: int = 1
    detach: bool = True
    renormalise: bool = False
    matching: float = 1.0
    masked_views: float = 0.0

    label: ClassVar[str] = "calmrl"

    def settled(self, setting: Setting) -> CalMRL:
        """As it is, where the data allow it.

        Raises:
            DataError: no chain of rows joins all spaces, and missing ones are to be imputed.
            SelectionError: so few rows that the imputer's rank cannot be chosen.
            UsageError: the loss is TRIANGLE's and there are not three spaces, or nothing to train on.
        """
        if self.loss == "triangle":
            _require_three_spaces(setting, whole=self.missing == "observed" and not self.matching)
        if self.missing == "impute":
            _require_joined(setting)
            if self.rank == "auto":
                _require_held_out_rows(setting)
        return self

    def objective(self, setting: Setting) -> Objective:
        """The tuple loss, calibrated."""
        return Calibrated(
            spaces=_spaces(setting), loss=self.loss, missing=self.missing, rank=self.rank,
            warm_up=self._first_epochs(), refresh=self.refresh, detach=self.detach, renormalise=self.renormalise,
            matching=self.matching, masked_views=self.masked_views, runtime=setting.data.context.runtime,
        )  # fmt: skip

    def warm_up_epochs(self) -> int:
        """The warm-up, unless nothing comes after it."""
        first = self._first_epochs()
        return first if self.missing != "observed" and first < self.epochs else 0

    def _first_epochs(self) -> int:
        return round(self.warm_up * self.epochs)


def _spaces(setting: Setting) -> tuple[str, ...]:
    return tuple(sorted(space for part in setting.parts for space in part))


def _require_three_spaces(setting: Setting, *, whole: bool) -> None:
    """For TRIANGLE, which sees whole tuples only; ``whole``: some rows must be so from the start."""
    spaces = _spaces(setting)
    complete = sum(block.n for key, block in setting.data.moments if len(key.spaces) == _TRIANGLE)
    if len(spaces) != _TRIANGLE or (whole and complete < _FEWEST_TUPLES):
        raise UsageError(
            "TRIANGLE takes rows that show three spaces", where="option loss",
            got=f"{', '.join(spaces)}; {complete} rows that show three", expected="three spaces",
            hint="use pmrl, gram or symile",
        )  # fmt: skip


def _require_joined(setting: Setting) -> None:
    """Refuse, before anything is trained, what the imputer would refuse after the warm-up."""
    alone = setting.data.dims.keys() - set(_spaces(setting))
    parts = sorted([*setting.parts, *((space,) for space in alone)])
    if len(parts) > 1:
        raise DataError(
            "no chain of rows joins all spaces, so nothing tells how to impute one part from another",
            got="; ".join(f"part {i}: {', '.join(part)}" for i, part in enumerate(parts, 1)), expected="one part",
            hint="add rows that show a space of each part, fit each part by itself, or set missing: observed",
        )  # fmt: skip


def _require_held_out_rows(setting: Setting) -> None:
    """As ``_require_joined``, for the choice of the rank: one fold may be held out already, to stop by."""
    rows: Counter[int] = Counter()
    for key, block in setting.data.moments:
        if len(key.spaces) > 1:
            rows[key.fold] += block.n
    enough = [fold for fold, n in rows.items() if n >= FEWEST_HELD_OUT_ROWS]
    if len(enough) < _FOLDS_NEEDED:
        raise SelectionError(
            "there are too few rows to choose the imputer's rank on", where="option rank",
            got=f"{sum(rows.values())} rows that show two spaces",
            expected=f"{_FOLDS_NEEDED} folds with at least {FEWEST_HELD_OUT_ROWS}", hint="give the rank",
        )  # fmt: skip
