"""Statistics per pattern of present spaces: what the rows give when they are summed one by one."""

from __future__ import annotations

import pytest
import torch

from anybind.errors import DataError, ShapeError
from anybind.methods.pattern_sums import PatternSums, patterns_of

DIMS = {"a": 3, "b": 2, "c": 4}


def holed(n: int = 60, seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    rows = {space: torch.randn(n, dim, generator=generator) for space, dim in DIMS.items()}
    return rows, {space: torch.rand(n, generator=generator) < 0.6 for space in DIMS}


def test_patterns_divide_the_rows() -> None:
    rows, present = holed()
    found = dict(patterns_of(rows, present))
    assert sorted(i for numbers in found.values() for i in numbers.tolist()) == list(range(60))
    for pattern, numbers in found.items():
        assert pattern == tuple(sorted(pattern))
        for space in DIMS:
            assert present[space][numbers].unique().tolist() == [space in pattern]


def test_sums_are_those_of_the_rows_one_by_one() -> None:
    rows, present = holed()
    statistics = PatternSums.of(rows, present)
    for pattern, sums in statistics.sums.items():
        n, total, outer = 0, 0, 0
        for i in range(60):
            if tuple(s for s in DIMS if present[s][i]) == pattern:
                x = torch.cat([rows[s][i].double() for s in pattern])
                n, total, outer = n + 1, total + x, outer + torch.outer(x, x)
        assert sums.n == n
        torch.testing.assert_close(sums.total, total)
        torch.testing.assert_close(sums.outer, outer)
        mean = torch.arange(len(sums.total), dtype=torch.float64)
        centred_total, centred_outer = sums.centred(mean)
        torch.testing.assert_close(centred_total, total - n * mean)
        expected = outer - torch.outer(total, mean) - torch.outer(mean, total) + n * torch.outer(mean, mean)
        torch.testing.assert_close(centred_outer, expected)


def test_parts_add_up_and_weights_scale() -> None:
    rows, present = holed()
    whole = PatternSums.of(rows, present)
    parts = [
        PatternSums.of({s: x[part] for s, x in rows.items()}, {s: m[part] for s, m in present.items()})
        for part in (slice(0, 10), slice(10, 60))
    ]
    added = parts[0] + parts[1]
    assert added.sums.keys() == whole.sums.keys()
    for pattern, sums in added.sums.items():
        torch.testing.assert_close(sums.outer, whole.sums[pattern].outer)
        doubled = (whole + whole).sums[pattern]
        assert doubled.n == whole.scaled(2).sums[pattern].n == 2 * sums.n
        torch.testing.assert_close(doubled.total, whole.scaled(2).sums[pattern].total)


def test_pooled_means_and_variances() -> None:
    rows, present = holed()
    means, variances, weights = PatternSums.of(rows, present).pooled()
    for space in DIMS:
        shown = rows[space][present[space]].double()
        torch.testing.assert_close(means[space], shown.mean(0))
        assert variances[space] == pytest.approx(float(shown.var(0, correction=0).mean()))
        assert weights[space] == len(shown)


def test_what_is_not_present_may_be_anything() -> None:
    rows, present = holed()
    rows["a"][~present["a"]] = float("nan")
    assert all(torch.isfinite(sums.outer).all() for sums in PatternSums.of(rows, present).sums.values())


def test_components_are_joined_by_chains_of_rows() -> None:
    def shown(*patterns: str) -> PatternSums:
        rows = {s: torch.randn(len(patterns), 2) for s in "abcd"}
        return PatternSums.of(rows, {s: torch.tensor([s in p for p in patterns]) for s in "abcd"})

    assert shown("ab", "bc", "cd").components() == (("a", "b", "c", "d"),)
    assert shown("ab", "cd").components() == (("a", "b"), ("c", "d"))
    assert shown("ab", "cd", "a", "d").components() == (("a", "b"), ("c", "d"))
    assert shown("ab", "cd", "bd").components() == (("a", "b", "c", "d"),)
    assert shown("bc", "d", "abd").components() == (("a", "b", "c", "d"),)


def test_bad_rows_are_refused() -> None:
    rows, present = holed()
    with pytest.raises(ShapeError, match="do not fit") as caught:
        PatternSums.of({**rows, "b": rows["b"][:5]}, present)
    assert "'b'" in caught.value.where
    with pytest.raises(ShapeError):
        PatternSums.of(rows, {"a": present["a"][:5]})
    rows["a"][3, 0] = float("nan")
    with pytest.raises(DataError, match="NaN"):
        PatternSums.of(rows)
    with pytest.raises(DataError, match="does not vary"):
        PatternSums.of({"a": torch.ones(5, 3)}).pooled()
    with pytest.raises(ShapeError, match="different dims"):
        PatternSums.of({"a": torch.ones(5, 3)}) + PatternSums.of({"a": torch.ones(5, 2)})
