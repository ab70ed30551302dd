"""Finding the right column of every row in tables of scores, and the right row of every column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from anybind.diagnosis.neighbours import NEIGHBOURS, occurrences, skewness
from anybind.retrieval import ranks_from_scores
from anybind.retrieval_metrics import chance_metrics


@dataclass(frozen=True)
class Matching:
    """How well paired rows find each other within their tables: means over all rows and both directions.

    Attributes:
        mrr: Mean reciprocal rank.
        chance: That of a random order.
        placed_above: Share of the wrong rows that the right one is placed above.
    """

    mrr: float
    chance: float
    placed_above: float

    def z(self, independent: int) -> float:
        """``placed_above`` less what chance gives, in standard deviations of chance.

        A random place is uniform, and its share has variance 1/12. ``independent`` is how many rows, or groups of
        rows, count as independent.
        """
        return (self.placed_above - 0.5) * math.sqrt(12 * independent)


def match_tables(tables: Sequence[torch.Tensor]) -> Matching:
    """Look up every row and every column of square tables; those on the diagonal belong together.

    Args:
        tables: (m, m) scores each, m at least 2.
    """
    rows = sum(len(table) for table in tables)
    totals = torch.zeros(3, dtype=torch.float64)
    for table in tables:
        m = len(table)
        own = torch.arange(m)
        ranks = torch.cat([ranks_from_scores(table, own), ranks_from_scores(table.T, own)])
        found = torch.stack([(1 / ranks).mean(), ranks.new_tensor(chance_metrics(m).mrr), (m - ranks.mean()) / (m - 1)])
        totals += found * m / rows
    mrr, chance, above = totals.tolist()
    return Matching(mrr, chance, above)


def table_hubness(tables: Sequence[torch.Tensor]) -> float | None:
    """Skewness of the 10-occurrence within tables, the larger of both directions; None below 21 rows a table."""
    if min(map(len, tables)) <= 2 * NEIGHBOURS:
        return None
    return max(_skewness(tables), _skewness([table.T for table in tables]))


def _skewness(tables: Sequence[torch.Tensor]) -> float:
    counts = [occurrences(table.topk(NEIGHBOURS, dim=1).indices, table.shape[1]) for table in tables]
    return skewness(torch.cat(counts))
