"""Looking up in tables, by brute force."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata, skew

from anybind.diagnosis.matching import match_tables, table_hubness


def test_means_over_rows_and_both_directions_by_sorting(draws):
    tables = [draws(6, 6), draws(9, 9, 1)]
    ranks = [rankdata(-line)[i] for table in tables for side in (table, table.T)
             for i, line in enumerate(side.numpy())]  # fmt: skip
    sizes = [6] * 12 + [9] * 18
    found = match_tables(tables)
    assert found.mrr == pytest.approx(np.mean(1 / np.array(ranks)))
    assert found.placed_above == pytest.approx(np.mean([(m - r) / (m - 1) for m, r in zip(sizes, ranks, strict=True)]))
    assert found.chance == pytest.approx(np.mean([sum(1 / i for i in range(1, m + 1)) / m for m in sizes]))


def test_the_ends():
    assert match_tables([torch.eye(5)]).mrr == 1
    assert match_tables([torch.eye(5)]).placed_above == 1
    assert match_tables([-torch.eye(5)]).placed_above == 0
    assert match_tables([torch.zeros(5, 5)]).placed_above == 0.5, "ties count half"


def test_hubness_pools_the_tables_and_takes_the_worse_direction(draws):
    tables = [draws(30, 30), draws(40, 40, 1)]
    tables[0][:, :2] += 5  # two columns are near every row; no row is near every column
    counts = [np.bincount(np.argsort(-t.numpy(), axis=1)[:, :10].ravel(), minlength=len(t)) for t in tables]
    assert table_hubness(tables) == pytest.approx(skew(np.concatenate(counts)))
    assert table_hubness([table.T for table in tables]) == pytest.approx(skew(np.concatenate(counts)))
    assert table_hubness([draws(20, 20), draws(40, 40)]) is None
