"""Moments against numpy on the rows themselves: patterns, folds, merging, projection, limits and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import DataError, MemoryLimitError, ShapeError, UnknownNameError
from anybind.moments import Block, Moments

DIMS = {"a": 3, "b": 5, "c": 4}
EXACT = {"rtol": 1e-10, "atol": 1e-12}


@dataclass
class Table:
    """Rows of one data set as plain numpy: the truth that moments are checked against."""

    vectors: dict[str, NDArray[np.float64]]
    present: dict[str, NDArray[np.bool_]]
    folds: NDArray[np.int64]

    def part(self, rows: NDArray[np.int64] | slice) -> Table:
        vectors = {space: values[rows] for space, values in self.vectors.items()}
        return Table(vectors, {space: mask[rows] for space, mask in self.present.items()}, self.folds[rows])

    def add_to(self, moments: Moments, dataset: str, size: int = 10**6) -> Moments:
        for start in range(0, len(self.folds), size):
            batch = self.part(slice(start, start + size))
            moments.update(
                dataset,
                {space: torch.from_numpy(values) for space, values in batch.vectors.items()},
                torch.from_numpy(batch.folds),
                {space: torch.from_numpy(mask) for space, mask in batch.present.items()},
            )
        return moments

    def covariances(self) -> dict[tuple[str, ...], tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
        """Pattern -> rows, stacked means over all rows that have each space, covariance around them."""
        means = {s: rows[self.present[s]].mean(0) for s, rows in self.vectors.items()}
        held = [tuple(s for s in self.vectors if self.present[s][i]) for i in range(len(self.folds))]
        patterns = set(held) - {()}
        result = {}
        for pattern in patterns:
            rows = np.all([self.present[s] == (s in pattern) for s in self.vectors], axis=0)
            mean = np.concatenate([means[s] for s in pattern])
            centred = np.concatenate([self.vectors[s][rows] for s in pattern], axis=1) - mean
            result[pattern] = (int(rows.sum()), mean, centred.T @ centred / rows.sum())
        return result


def random_table(seed: int, n: int = 120, missing: float = 0.4, folds: int = 3) -> Table:
    random = np.random.default_rng(seed)
    vectors = {s: random.normal(size=(n, d)) @ random.normal(size=(d, d)) + 2 for s, d in DIMS.items()}
    present = {space: random.random(n) >= missing for space in DIMS}
    for space in DIMS:
        vectors[space][~present[space]] = np.nan  # what is missing must never be read
    return Table(vectors, present, random.integers(0, folds, n))


def assert_same_groups(left: Moments, right: Moments) -> None:
    for one, other in zip(left.groups(), right.groups(), strict=True):
        assert (one.dataset, one.spaces, one.n) == (other.dataset, other.spaces, other.n)
        torch.testing.assert_close(one.mean, other.mean, **EXACT)
        torch.testing.assert_close(one.covariance, other.covariance, **EXACT)


def assert_groups_are(moments: Moments, tables: Mapping[str, Table], **folds: int) -> None:
    found = {(group.dataset, group.spaces): group for group in moments.groups(**folds)}
    expected = {(d, pattern): v for d, table in tables.items() for pattern, v in table.covariances().items()}
    assert found.keys() == expected.keys()
    for key, (n, mean, covariance) in expected.items():
        assert found[key].n == n
        np.testing.assert_allclose(found[key].mean, mean, rtol=1e-10)
        np.testing.assert_allclose(found[key].covariance, covariance, rtol=1e-9, atol=1e-10)


# --------------------------------------------------------------------------------------- correctness


def test_complete_rows_give_the_covariance_of_numpy() -> None:
    table = random_table(0, missing=0.0)
    (group,) = table.add_to(Moments(DIMS, folds=3), "d").groups()
    stacked = np.concatenate([table.vectors[space] for space in "abc"], axis=1)
    np.testing.assert_allclose(group.covariance, np.cov(stacked.T, bias=True), rtol=1e-10)
    np.testing.assert_allclose(group.mean, stacked.mean(0), rtol=1e-12)
    np.testing.assert_allclose(group.block("c", "a"), np.cov(stacked.T, bias=True)[8:, :3], rtol=1e-10)
    assert group.covariance.dtype == torch.float64


@pytest.mark.parametrize("batch", [1, 7, 50, 1000])
def test_missing_spaces_are_centred_by_all_rows_that_have_them(batch: int) -> None:
    tables = {"d1": random_table(1), "d2": random_table(2, n=31, missing=0.6)}
    moments = Moments(DIMS, folds=3)
    for name, table in tables.items():
        table.add_to(moments, name, batch)
    assert len(moments.groups()) > 8
    assert_groups_are(moments, tables)
    for dataset, space in [("d1", "a"), ("d2", "c")]:
        held = tables[dataset].vectors[space][tables[dataset].present[space]]
        np.testing.assert_allclose(moments.means()[dataset, space], held.mean(0), rtol=1e-12)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_leaving_a_fold_out_is_leaving_its_rows_out(fold: int) -> None:
    table = random_table(3)
    moments = table.add_to(Moments(DIMS, folds=3), "d", 40)
    rest, only = table.part(table.folds != fold), table.part(table.folds == fold)
    assert_groups_are(moments, {"d": rest}, without_fold=fold)
    assert_groups_are(moments, {"d": only}, only_fold=fold)
    held = rest.vectors["b"][rest.present["b"]]
    np.testing.assert_allclose(moments.means(without_fold=fold)["d", "b"], held.mean(0), rtol=1e-12)
    assert_groups_are(moments.without_fold(fold), {"d": rest})


def test_a_shifted_and_ill_scaled_space_keeps_its_correlations() -> None:
    """Means of 10,000 standard deviations and scales from 1e-3 to 1e3: float32 sums lose everything here."""
    random = np.random.default_rng(4)
    scales = np.logspace(-3, 3, 8)
    latent = random.normal(size=(3000, 8)) @ random.normal(size=(8, 8))
    rows = ((latent + 1e4) * scales).astype(np.float32)
    moments = Moments({"a": 8}, folds=1)
    for start in range(0, 3000, 256):
        batch = torch.from_numpy(rows[start : start + 256])
        moments.update("d", {"a": batch}, torch.zeros(len(batch), dtype=torch.long))
    truth = np.cov(rows.astype(np.float64).T, bias=True) / np.outer(scales, scales)
    found = moments.groups()[0].covariance.numpy() / np.outer(scales, scales)
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-6)
    short = rows.T @ rows / np.float32(3000) - np.outer(rows.mean(0), rows.mean(0))
    assert not np.allclose(short / np.outer(scales, scales), truth, rtol=1e-1)


def test_more_spaces_than_bits_of_a_word() -> None:
    names = [f"s{i:02}" for i in range(70)]
    present = {name: torch.tensor([True, i != 65, i != 3]) for i, name in enumerate(names)}
    moments = Moments(dict.fromkeys(names, 1), folds=1)
    vectors = {name: torch.tensor([[1.0], [2.0], [4.0]]) for name in names}
    moments.update("d", vectors, torch.zeros(3, dtype=torch.long), present)
    assert sorted(len(group.spaces) for group in moments.groups()) == [69, 69, 70]
    assert [moments.pairs("s00", other) for other in ("s01", "s03", "s65")] == [3, 2, 2]


def test_projection_is_exact() -> None:
    tables = {"many": random_table(5, n=400), "few": random_table(6, n=6)}
    random = np.random.default_rng(0)
    maps = {space: random.normal(size=(dim, dim - 1)) for space, dim in DIMS.items()}
    moments = Moments(DIMS, folds=3)
    projected = Moments({space: dim - 1 for space, dim in DIMS.items()}, folds=3)
    for name, table in tables.items():
        table.add_to(moments, name)
        vectors = {space: values @ maps[space] for space, values in table.vectors.items()}
        Table(vectors, table.present, table.folds).add_to(projected, name)
    assert_same_groups(moments.projected({s: torch.from_numpy(m) for s, m in maps.items()}), projected)
    assert_groups_are(moments, tables)  # and the original is as it was


# ------------------------------------------------------------------------------------------- merging


def test_any_split_merges_to_the_whole() -> None:
    table = random_table(7, n=200)
    whole = table.add_to(Moments(DIMS, folds=3), "d")
    parts = np.random.default_rng(0).integers(0, 4, 200)
    merged = Moments(DIMS, folds=3)
    for part in range(4):
        merged = merged.merge(table.part(parts == part).add_to(Moments(DIMS, folds=3), "d", 13))
    assert_same_groups(merged, whole)


def test_merging_changes_neither_part_and_joins_their_spaces() -> None:
    left = Moments({"a": 2, "b": 2}, folds=1)
    right = Moments({"b": 2, "c": 1}, folds=1)
    rows = torch.arange(12, dtype=torch.float64).view(6, 2)
    left.update("d1", {"a": rows, "b": rows + 1}, torch.zeros(6, dtype=torch.long))
    right.update("d2", {"b": rows, "c": rows[:, :1]}, torch.zeros(6, dtype=torch.long))
    before = left.groups()[0].covariance.clone()
    merged = left.merge(right)
    merged.update("d1", {"a": rows * 9, "b": rows}, torch.zeros(6, dtype=torch.long))
    assert merged.dims == {"a": 2, "b": 2, "c": 1}
    assert merged.edges() == [("d1", "a", "b"), ("d2", "b", "c")]
    assert (left.pairs("a", "b"), merged.pairs("a", "b")) == (6, 12)
    assert torch.equal(left.groups()[0].covariance, before)
    assert left.dims == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("other", "named"), [(Moments({"a": 4}, folds=3), "'a'"), (Moments(DIMS, folds=5), "5")]
)
def test_moments_of_another_kind_do_not_merge(other: Moments, named: str) -> None:
    with pytest.raises(ShapeError, match="cannot be merged") as caught:
        Moments(DIMS, folds=3).merge(other)
    assert named in str(caught.value.got)


# ----------------------------------------------------------------------------------------- questions


def test_counts_edges_and_parts() -> None:
    table = random_table(8)
    only_ab = Table(table.vectors, {**table.present, "c": np.zeros(120, bool)}, table.folds)
    moments = only_ab.add_to(table.add_to(Moments(DIMS, folds=3), "d1"), "d2")
    both = table.present["a"] & table.present["b"]
    assert moments.datasets == ("d1", "d2")
    assert moments.spaces_of("d2") == ("a", "b")
    assert moments.pairs("a", "b") == 2 * both.sum()
    assert moments.pairs("b", "a", "d2") == both.sum()
    assert moments.pairs("a", "c", "d2") == 0
    assert moments.pairs("c", "c") == table.present["c"].sum()
    assert moments.edges() == [("d1", "a", "b"), ("d1", "a", "c"), ("d1", "b", "c"), ("d2", "a", "b")]
    assert sum(block.n for _, block in moments) == 2 * 120 - sum(
        (~np.any([t.present[s] for s in DIMS], axis=0)).sum() for t in (table, only_ab)
    )


def test_no_rows_leave_no_trace() -> None:
    moments = Moments(DIMS, folds=3)
    nothing = torch.zeros(0, dtype=torch.long)
    moments.update("d", {"a": torch.zeros(0, 3)}, nothing)
    moments.update("d", {}, nothing)
    moments.update("d", {"a": torch.ones(2, 3)}, torch.zeros(2).long(), {"a": torch.zeros(2).bool()})
    assert (moments.datasets, moments.groups(), moments.edges(), moments.means()) == ((), [], [], {})


def test_adding_rows_changes_no_input() -> None:
    rows = torch.randn(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    folds = torch.zeros(30, dtype=torch.long)
    before = rows.clone()
    moments = Moments({"a": 3}, folds=1)
    for _ in range(3):
        moments.update("d", {"a": rows}, folds)
    rows_seen = moments.groups()[0].covariance.clone()
    assert torch.equal(rows, before)
    rows.zero_()
    assert torch.equal(moments.groups()[0].covariance, rows_seen)


# ------------------------------------------------------------------------------------------- memory


def filled(width: int, rows: int, limit: int, patterns: int = 1) -> Moments:
    moments = Moments({f"s{i}": width for i in range(patterns)}, folds=1, memory_limit=limit)
    for i in range(patterns):
        moments.update("d", {f"s{i}": torch.ones(rows, width)}, torch.zeros(rows, dtype=torch.long))
    return moments


def test_too_many_statistics_are_refused_with_the_estimate() -> None:
    with pytest.raises(MemoryLimitError, match="would not fit") as caught:
        filled(1000, 2000, limit=7 * 2**20)
    assert "0.00745 GiB for 1 block" in str(caught.value.got)
    assert "0.00684 GiB" in str(caught.value.expected)
    assert "'d'" in str(caught.value.where)
    assert "memory_limit" in str(caught.value.hint)
    assert filled(1000, 2000, limit=8 * 2**20).pairs("s0", "s0") == 2000


def test_rare_patterns_keep_their_rows_and_take_no_more() -> None:
    """40 patterns of 5 rows with 500 dims take 0.8 MB; as matrices they would take 80."""
    moments = filled(500, 5, limit=10**6, patterns=40)
    assert len(moments.groups()) == 40
    moments.update("e", {"s0": torch.ones(40, 500)}, torch.zeros(40, dtype=torch.long))
    with pytest.raises(MemoryLimitError):
        moments.update("e", {"s1": torch.ones(40, 500)}, torch.zeros(40, dtype=torch.long))
    small = Moments(moments.dims, folds=moments.folds, memory_limit=moments.memory_limit)
    small.update("e", {"s0": torch.ones(40, 500)}, torch.zeros(40, dtype=torch.long))
    small.update("e", {"s1": torch.ones(40, 500)}, torch.zeros(40, dtype=torch.long))
    with pytest.raises(MemoryLimitError):
        small.merge(moments)


def test_a_block_of_many_rows_keeps_sums_only() -> None:
    block = Block(4)
    block.add_rows(torch.ones(3, 4))
    assert block.kept_rows is not None
    assert block.size() == 3 * 4 * 8
    block.add_rows(torch.ones(100, 4))
    assert block.kept_rows is None
    assert block.size() == 4 * 4 * 8
    assert block.sums()[1].tolist() == torch.full((4, 4), 103.0).tolist()


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named(value: float) -> None:
    rows = torch.ones(5, 3)
    rows[3, 1] = value
    with pytest.raises(DataError, match="NaN or infinity") as caught:
        Moments(DIMS).update("pets", {"a": rows}, torch.zeros(5, dtype=torch.long))
    assert caught.value.where == "data set 'pets', space 'a', row 3"
    present = {"a": torch.tensor([True, True, True, False, True])}
    moments = Moments(DIMS)
    moments.update("pets", {"a": rows}, torch.zeros(5, dtype=torch.long), present)
    assert torch.isfinite(moments.groups()[0].covariance).all()


@pytest.mark.parametrize(
    ("vectors", "folds", "present", "error", "words"),
    [
        ({"a": torch.ones(4, 2)}, [0] * 4, {}, ShapeError, "(4, 2)"),
        ({"a": torch.ones(3, 3)}, [0] * 4, {}, ShapeError, "(3, 3)"),
        ({"a": torch.ones(4)}, [0] * 4, {}, ShapeError, "(4,)"),
        ({"x": torch.ones(4, 3)}, [0] * 4, {}, UnknownNameError, "'x'"),
        ({"a": torch.ones(4, 3)}, [0, 1, 2, 5], {}, DataError, "0 to 5"),
        ({"a": torch.ones(4, 3)}, [0, -1, 2, 4], {}, DataError, "-1 to 4"),
        ({"a": torch.ones(4, 3)}, [0] * 4, {"a": torch.ones(3).bool()}, ShapeError, "(3,)"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    vectors: dict[str, torch.Tensor],
    folds: list[int],
    present: dict[str, torch.Tensor],
    error: type[Exception],
    words: str,
) -> None:
    moments = Moments(DIMS)
    with pytest.raises(error) as caught:
        moments.update("d", vectors, torch.tensor(folds), present)
    assert words in str(caught.value)
    assert moments.groups() == []
