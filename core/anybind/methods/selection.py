"""Choosing ranks and regularisation on held-out rows of the edges that exist.

Every candidate is fitted on all folds but one and judged by retrieval on that fold's rows: never by a
pair of spaces that no data set holds together, and never by rows that were fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.retrieval import ranks_from_scores

Choice = TypeVar("Choice")
Edge = tuple[str, str, str]
Score = Callable[[str, torch.Tensor, str, torch.Tensor], torch.Tensor]

# Below this many held-out pairs in all, one lucky row decides; the choice would be noise.
_FEWEST_HELD_OUT_PAIRS = 20


def selection_folds(data: FitData, edges: Sequence[Edge], *, limit: int, by_rows: bool = True) -> list[int]:
    """The folds to hold out in turn: at most ``limit``, each with two or more held-out pairs on some edge.

    A fold that holds (nearly) all rows of two spaces is passed over: without it there is nothing to fit on.
    Counts the sampled rows, or all rows where the judge sees moments only (``by_rows`` false).

    Raises:
        SelectionError: too few held-out pairs exist for an honest choice.
    """
    held_out = _held_out_pairs if by_rows else _summed_pairs
    counts = {fold: [held_out(data, edge, fold) for edge in edges] for fold in range(data.moments.folds)}
    usable = [f for f, pairs in counts.items() if any(n >= 2 for n in pairs) and _enough_left(data, edges, f)][:limit]
    total = sum(n for fold in usable for n in counts[fold] if n >= 2)
    if total < _FEWEST_HELD_OUT_PAIRS:
        raise SelectionError(
            "there are too few paired rows to choose options on held-out rows",
            where=f"data sets {', '.join(sorted({edge[0] for edge in edges})) or '(none)'}",
            got=f"{total} held-out pairs", expected=f"at least {_FEWEST_HELD_OUT_PAIRS}",
            hint="name a method and set its options yourself (features, rank, shrinkage, ridge), or add paired rows",
        )  # fmt: skip
    return usable


def held_out_mrr(score: Score, data: FitData, edges: Sequence[Edge], fold: int, means: Means) -> float:
    """Mean reciprocal rank on a fold's rows, mean over edges and both directions.

    Args:
        score: (space, rows, space, rows) -> scores, for rows centred by ``means``.
        data: Gives the held-out rows.
        edges: (data set, space, space) to judge by.
        fold: The fold that was left out.
        means: (data set, space) -> mean of the rows that were fitted on.
    """
    values = []
    for dataset, a, b in edges:
        rows_a, rows_b = data.samples[dataset].paired(a, b, fold)
        if len(rows_a) >= 2 and (dataset, a) in means and (dataset, b) in means:
            table = score(a, rows_a - means[dataset, a], b, rows_b - means[dataset, b])
            values.append(symmetric_mrr(table))
    return sum(values) / len(values) if values else math.nan


Means = Mapping[tuple[str, str], torch.Tensor]


def symmetric_mrr(table: torch.Tensor) -> float:
    """Mean reciprocal rank of the diagonal of an (n, n) score table, mean of both directions."""
    truth = torch.arange(len(table))
    return float(sum((1 / ranks_from_scores(t, truth)).mean() for t in (table, table.T))) / 2


def best_choice(candidates: Iterable[Choice], folds: Sequence[int], judge: Callable[[Choice, int], float]) -> Choice:
    """The candidate with the highest mean of ``judge(candidate, fold)``; the first one on a tie."""
    scored = [(candidate, sum(judge(candidate, fold) for fold in folds) / len(folds)) for candidate in candidates]
    return max(scored, key=lambda pair: pair[1])[0]


def _held_out_pairs(data: FitData, edge: Edge, fold: int) -> int:
    dataset, a, b = edge
    return len(data.samples[dataset].paired(a, b, fold)[0]) if dataset in data.samples else 0


def _summed_pairs(data: FitData, edge: Edge, fold: int) -> int:
    dataset, a, b = edge
    return sum(n for name, held, n in _rows(data, a, b) if name == dataset and held == fold)


def _enough_left(data: FitData, edges: Sequence[Edge], fold: int) -> bool:
    """Whether every two spaces that an edge joins keep two rows (or all they have) when a fold is left out."""
    for a, b in {edge[1:] for edge in edges}:
        both = _rows(data, a, b)
        if sum(n for _, held, n in both if held != fold) < min(2, sum(n for _, _, n in both)):
            return False
    return True


def _rows(data: FitData, a: str, b: str) -> list[tuple[str, int, int]]:
    """(data set, fold, rows) of all rows that have both spaces."""
    return [(key.dataset, key.fold, block.n) for key, block in data.moments if a in key.spaces and b in key.spaces]
