"""One edge: how well each of two paired spaces predicts the other, beside how alike they are as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from anybind.diagnosis.alignment import unbiased_cka
from anybind.diagnosis.matching import match_tables, table_hubness
from anybind.diagnosis.neighbours import NEIGHBOURS, mutual_neighbours
from anybind.diagnosis.prediction import FOLDS, held_out_folds, predict_held_out
from anybind.diagnosis.sampling import SampledRows
from anybind.diagnosis.spaces import centre
from anybind.postprocessing import csls

FEWEST_GROUPS = 50  # of paired rows: ten a fold
ALIGNED_ON = 1024  # rows, as Huh et al.: a neighbourhood of ten is a share of the rows, so their number counts


@dataclass(frozen=True)
class Measured:
    """What the pairs of an edge carry.

    Predict: ridge regression and canonical correlation analysis, every row by a fit without its fold (5 folds). A
    fold's rows are looked up among the rows of their fold: rows that a fit has seen would draw its predictions to
    them. Align: nothing is fitted.

    Attributes:
        gallery: Rows that are searched, mean over folds: a fifth of the pairs.
        r2: (b from a, a from b) by ridge: share of the squared deviation from the mean that is predicted, all dims
            together; 0 is no better than the mean.
        mrr: Retrieval in canonical directions, weighted by their correlations, mean of both directions.
        mrr_half: The same fitted on half of the rows.
        mrr_csls: ``mrr`` when queries come in one batch and CSLS sees it.
        chance: MRR of a random order.
        placed_above: Mean share of wrong rows that the right one is placed above; 0.5 by chance, at any size.
        z: See ``Matching.z``; a group counts as one row.
        hubness: Skewness of the 10-occurrence among the answers, the larger of both directions; None where a fold
            has 20 rows or fewer.
        compared: Rows that the three below look at: one of each group, at most 1,024.
        mutual: Mutual nearest neighbours, see ``neighbours.mutual_neighbours``.
        mutual_chance: What unrelated spaces have.
        cka: Unbiased linear CKA.
    """

    gallery: int
    r2: tuple[float, float]
    mrr: float
    mrr_half: float
    mrr_csls: float
    chance: float
    placed_above: float
    z: float
    hubness: float | None
    compared: int
    mutual: float
    mutual_chance: float
    cka: float


@dataclass(frozen=True)
class EdgeReport:
    """One data set's pairs of two spaces.

    Attributes:
        a, b, dataset: Where.
        pairs: Sampled rows that hold both.
        groups: Groups of near-duplicates among them; as many as pairs where none are known.
        measured: What they carry; None below 50 groups.
    """

    a: str
    b: str
    dataset: str
    pairs: int
    groups: int
    measured: Measured | None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        fields = asdict(self)
        if self.measured is not None:
            fields["measured"]["r2"] = list(self.measured.r2)
        return fields


def edge_report(rows: SampledRows, a: str, b: str, seed: int = 0) -> EdgeReport:
    """Look at the rows of a data set that hold two spaces."""
    one, other, groups = rows.paired(a, b)
    folds = held_out_folds(groups, seed)
    enough = len(set(groups)) >= FEWEST_GROUPS and min(folds.bincount(minlength=FOLDS)) > 1
    measured = _measured(one, other, groups, folds) if enough else None
    return EdgeReport(a, b, rows.name, len(one), len(set(groups)), measured)


def _measured(a: torch.Tensor, b: torch.Tensor, groups: Sequence[str], folds: torch.Tensor) -> Measured:
    predicted = predict_held_out(a, b, folds)
    found = match_tables(predicted.tables)
    single = _one_per_group(groups)
    few_a, few_b = a[single], b[single]
    return Measured(
        gallery=round(len(a) / FOLDS),
        r2=predicted.r2,
        mrr=found.mrr,
        mrr_half=match_tables(predict_held_out(a, b, folds, fitted_on=_half(groups)).tables).mrr,
        mrr_csls=match_tables([csls(table) for table in predicted.tables]).mrr,
        chance=found.chance,
        placed_above=found.placed_above,
        z=found.z(len(set(groups))),
        hubness=table_hubness(predicted.tables),
        compared=len(single),
        mutual=mutual_neighbours(centre(few_a), centre(few_b)),
        mutual_chance=NEIGHBOURS / (len(few_a) - 1),
        cka=unbiased_cka(few_a, few_b),
    )


def _one_per_group(groups: Sequence[str]) -> torch.Tensor:
    """Numbers of the first row of each group: copies are each other's neighbours in any space."""
    first = {group: row for row, group in reversed(list(enumerate(groups)))}
    return torch.tensor(sorted(first.values())[:ALIGNED_ON])  # the sample is in random order


def _half(groups: Sequence[str]) -> torch.Tensor:
    """(n,) bool: the rows of every other group. The sample is in random order, so any half will do."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return torch.tensor([numbers[group] % 2 == 0 for group in groups])
