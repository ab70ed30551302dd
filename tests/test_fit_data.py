"""From streams of rows to moments and samples: folds, the sample, the projection, and refusals."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from anybind.array_input import array_source
from anybind.errors import DataError, MemoryLimitError
from anybind.features import FeatureOptions, NystroemMap
from anybind.fit_data import Batch, FitData, RowSource, collect, fold_of

EXACT = {"rtol": 1e-10, "atol": 1e-14}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def streamed(
    name: str, ids: list[str], vectors: dict[str, np.ndarray], size: int, **masks: np.ndarray
) -> RowSource:
    """A data set in batches of ``size`` rows; ``masks`` says which rows of a space are there."""

    def batches() -> Iterator[Batch]:
        for start in range(0, len(ids), size):
            rows = slice(start, start + size)
            part = {s: torch.tensor(values[rows], dtype=torch.float32) for s, values in vectors.items()}
            present = {s: torch.from_numpy(mask[rows]) for s, mask in masks.items()}
            yield Batch(tuple(ids[rows]), part, present)

    return RowSource(name, {space: values.shape[1] for space, values in vectors.items()}, batches)


# --------------------------------------------------------------------------------------------- folds


def test_folds_are_the_same_on_every_machine() -> None:
    assert [fold_of(name, 0, 5) for name in ("a", "b", "cat.png", "猫")] == [2, 0, 1, 0]
    assert [fold_of("cat.png", seed, 5) for seed in range(5)] == [1, 2, 0, 0, 4]


def test_any_text_is_an_id() -> None:
    ids = ["", " ", "a\nb", "\x00", "\udcff.png", "x" * 10**5]
    data = collect([array_source("d", {"a": normal(0, 6, 2), "b": normal(1, 6, 2)}, ids=ids)])
    assert sorted(ids) == list(data.samples["d"].ids)


def test_folds_share_the_ids_out_evenly() -> None:
    counts = Counter(fold_of(f"row {i}", 0, 5) for i in range(5000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert max(abs(count - 1000) for count in counts.values()) < 120  # four standard deviations


def test_an_id_has_one_fold_in_every_data_set() -> None:
    ids = [f"item {i}" for i in range(60)]
    sources = [
        array_source("d1", {"a": normal(0, 60, 4), "b": normal(1, 60, 4)}, ids=ids),
        array_source("d2", {"b": normal(2, 40, 4), "c": normal(3, 40, 4)}, ids=ids[::-1][:40]),
    ]
    data = collect(sources, seed=3)
    first, second = (
        dict(zip(sample.ids, sample.folds.tolist(), strict=True)) for sample in data.samples.values()
    )
    assert (len(first), len(second)) == (60, 40)
    assert all(first[item] == fold for item, fold in second.items())
    assert len(set(first.values())) == 5


def test_a_group_is_never_divided() -> None:
    groups = [f"clip {i // 7}" for i in range(210)]
    data = collect([array_source("d", {"a": normal(0, 210, 3), "b": normal(1, 210, 3)}, groups=groups)])
    sample = data.samples["d"]
    group_of = {f"d:{i}": group for i, group in enumerate(groups)}
    folds = {(group_of[item], fold) for item, fold in zip(sample.ids, sample.folds.tolist(), strict=True)}
    assert len(folds) == 30
    assert len({fold for _, fold in folds}) == 5


# ------------------------------------------------------------------------------------------- moments


def test_moments_are_those_of_the_rows_at_unit_length() -> None:
    a, b = normal(0, 80, 5) * 7 + 3, normal(1, 80, 4)
    mask = normal(2, 80) > -0.5
    a[~mask] = np.nan
    data = collect([streamed("d", [str(i) for i in range(80)], {"a": a, "b": b}, 9, a=mask)])
    unit = np.concatenate([x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)], axis=1)[mask]
    both = next(group for group in data.moments.groups() if group.spaces == ("a", "b"))
    assert both.n == mask.sum()
    np.testing.assert_allclose(both.block("a", "a"), np.cov(unit[:, :5].T, bias=True), atol=1e-7)
    raw = collect([streamed("d", [str(i) for i in range(80)], {"a": a, "b": b}, 9, a=mask)], normalise=False)
    found = next(group for group in raw.moments.groups() if group.spaces == ("a", "b")).block("a", "a")
    np.testing.assert_allclose(found, np.cov(a[mask].T, bias=True), rtol=1e-4)


def test_folds_of_moments_and_sample_agree() -> None:
    source = array_source("d", {"a": normal(0, 90, 3), "b": normal(1, 90, 3)})
    data = collect([source], folds=4, normalise=False)
    for fold in range(4):
        a, b = data.samples["d"].paired("a", "b", fold)
        (group,) = data.moments.groups(only_fold=fold)
        assert group.n == len(a) == len(b) > 0
        np.testing.assert_allclose(group.mean, np.concatenate([a.mean(0), b.mean(0)]), rtol=1e-4, atol=1e-6)


# -------------------------------------------------------------------------------------------- sample


def sampled(order: np.ndarray, size: int, rows: int = 20, seed: int = 0) -> FitData:
    ids = np.array([f"item {i}" for i in range(len(order))])
    a, b = normal(0, len(order), 3), normal(1, len(order), 2)
    mask = normal(2, len(order)) > 0
    source = streamed("d", list(ids[order]), {"a": a[order], "b": b[order]}, size, b=mask[order])
    return collect([source], sample_rows=rows, seed=seed, normalise=False)


def test_the_sample_depends_on_neither_order_nor_batches() -> None:
    straight = sampled(np.arange(300), 300).samples["d"]
    shuffled = sampled(np.random.default_rng(9).permutation(300), 17).samples["d"]
    assert len(straight.ids) == 20
    assert straight.ids == shuffled.ids
    for left, right in [(straight.vectors, shuffled.vectors), (straight.present, shuffled.present)]:
        assert all(torch.equal(left[space], right[space]) for space in ("a", "b"))
    assert torch.equal(straight.folds, shuffled.folds)
    assert sampled(np.arange(300), 50, seed=1).samples["d"].ids != straight.ids


def test_the_sample_holds_the_rows_of_its_ids() -> None:
    sample = sampled(np.arange(300), 32).samples["d"]
    rows = [int(item.removeprefix("item ")) for item in sample.ids]
    np.testing.assert_allclose(sample.vectors["a"], normal(0, 300, 3)[rows].astype(np.float32))
    assert sample.present["b"].tolist() == (normal(2, 300) > 0)[rows].tolist()
    assert sample.present["a"].all()
    assert sample.folds.tolist() == [fold_of(item, 0, 5) for item in sample.ids]
    pairs = [sample.paired("a", "b", fold) for fold in range(5)]
    assert sum(len(a) for a, _ in pairs) == sample.present["b"].sum()


def test_every_row_is_as_likely_to_be_in_the_sample() -> None:
    samples = [sampled(np.arange(40), 40, 10, seed).samples["d"] for seed in range(200)]
    counts = Counter(item for sample in samples for item in sample.ids)
    assert len(counts) == 40
    assert min(counts.values()) > 25  # 50 expected, four standard deviations of 6.1
    assert max(counts.values()) < 75


def test_small_data_sets_are_sampled_whole_and_none_can_be_asked_for() -> None:
    assert len(sampled(np.arange(12), 5).samples["d"].ids) == 12
    nothing = sampled(np.arange(12), 5, rows=0)
    assert nothing.samples == {}
    assert nothing.moments.pairs("a", "a") == 12


def test_the_sample_keeps_no_batch_alive() -> None:
    given: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def batches() -> Iterator[Batch]:
        for i in range(5):
            alive.append(sum(array() is not None for array in given[:-1]))  # the last one is in use
            array = np.full((50, 2), i, dtype=np.float32)
            given.append(weakref.ref(array))
            yield Batch(tuple(f"{i}:{j}" for j in range(50)), {"a": torch.from_numpy(array)}, {})
            del array

    data = collect([RowSource("d", {"a": 2}, batches)], normalise=False, sample_rows=100)
    assert alive == [0] * 5
    assert len(data.samples["d"].ids) == 100


# ---------------------------------------------------------------------------------------- projection


def low_rank(seed: int, n: int, dim: int, rank: int, mixing: int) -> np.ndarray:
    """Rows on a plane of ``rank`` dims (given by ``mixing``), plus a little of everything."""
    return normal(seed, n, rank) @ normal(mixing, rank, dim) + 0.01 * normal(seed + 500, n, dim) + 1


def test_wide_spaces_are_projected_to_where_they_vary() -> None:
    wide = [low_rank(seed, 400, 30, 4, mixing=50) for seed in (1, 2)]
    narrow = normal(3, 400, 5)
    sources = [array_source("d1", {"a": wide[0], "b": narrow}), array_source("d2", {"a": wide[1]})]
    data = collect(sources, full_width=20, projected_dim=6, normalise=False)
    projection = data.inputs["a"].projection
    assert projection is not None
    assert data.dims == {"a": 6, "b": 5}
    assert data.inputs["b"].projection is None
    torch.testing.assert_close(projection.T @ projection, torch.eye(6), rtol=1e-5, atol=1e-5)
    for name, rows in zip(("d1", "d2"), wide, strict=True):
        group = next(group for group in data.moments.groups() if group.dataset == name)
        truth = np.cov(rows.T, bias=True)
        own = group.block("a", "a").numpy()
        assert own.trace() > 0.999 * truth.trace()
        np.testing.assert_allclose(own, projection.numpy().T @ truth @ projection.numpy(), atol=1e-3)
    cross = next(group for group in data.moments.groups() if group.dataset == "d1").block("a", "b")
    full = np.cov(wide[0].T, narrow.T, bias=True)[:30, 30:]
    np.testing.assert_allclose(projection.numpy() @ cross.numpy(), full, atol=0.02)
    assert data.samples["d1"].vectors["a"].shape == (400, 6)


def test_projection_bounds_the_memory_and_the_binder_projects_alike() -> None:
    rows = {space: low_rank(i, 150, 40, 3, mixing=60) for i, space in enumerate("ab")}
    with pytest.raises(MemoryLimitError):
        collect([array_source("d", rows)], memory_limit=50_000)
    data = collect([array_source("d", rows)], full_width=64, projected_dim=8, memory_limit=50_000)
    assert data.dims == {"a": 8, "b": 8}
    mapped = data.inputs["a"](torch.tensor(rows["a"], dtype=torch.float32))
    held = [int(item.removeprefix("d:")) for item in data.samples["d"].ids]
    torch.testing.assert_close(mapped[held], data.samples["d"].vectors["a"])


def test_spaces_that_fit_are_left_as_they_are() -> None:
    data = collect([array_source("d", {"a": normal(0, 20, 10), "b": normal(1, 20, 10)})], full_width=20)
    assert data.dims == {"a": 10, "b": 10}
    assert all(inputs.projection is None for inputs in data.inputs.values())


# -------------------------------------------------------------------------------------- kernel features


def test_kernel_features_take_the_place_of_the_rows() -> None:
    rows = {"a": normal(0, 90, 4), "b": normal(1, 90, 3)}
    data = collect([array_source("d", rows)], features=FeatureOptions(landmarks=25), normalise=False)
    kernel = data.inputs["a"].features
    assert isinstance(kernel, NystroemMap)
    held = {tuple(row) for row in rows["a"].astype(np.float32).tolist()}
    assert len(kernel.landmarks) == 25
    assert all(tuple(row) in held for row in kernel.landmarks.tolist())
    features = data.inputs["a"](torch.tensor(rows["a"], dtype=torch.float32))
    assert data.dims["a"] == features.shape[1] == data.samples["d"].vectors["a"].shape[1]
    (group,) = data.moments.groups()
    np.testing.assert_allclose(group.block("a", "a"), np.cov(features.numpy().T, bias=True), atol=1e-7)


def test_landmarks_in_the_sample_look_like_new_rows() -> None:
    """Else what is chosen on held-out rows would be chosen for rows that look like none to come."""
    rows = {"a": normal(0, 90, 4), "b": normal(1, 90, 3)}
    data = collect([array_source("d", rows)], features=FeatureOptions(landmarks=25), normalise=False)
    sample, inputs = data.samples["d"], data.inputs["a"]
    assert isinstance(inputs.features, NystroemMap)
    order = [int(item.partition(":")[2]) for item in sample.ids]
    plain = inputs(torch.tensor(rows["a"], dtype=torch.float32)[order])
    marked = [i for i, item in enumerate(sample.ids) if item in data.landmarks["a"]]
    moved = (sample.vectors["a"] - plain).norm(dim=1) > 1e-6
    assert moved.nonzero()[:, 0].tolist() == marked
    own = inputs.features.own_parts()[[data.landmarks["a"][sample.ids[i]] for i in marked]]
    torch.testing.assert_close(sample.vectors["a"][marked], plain[marked] - own)


def test_landmarks_come_from_all_data_sets_and_each_item_counts_once() -> None:
    ids = [f"item {i}" for i in range(30)]
    shared = normal(0, 30, 4)
    sources = [
        array_source("d1", {"a": shared, "b": normal(1, 30, 3)}, ids=ids),
        array_source("d2", {"a": shared[::-1], "b": normal(2, 30, 3)}, ids=ids[::-1]),
        array_source("d3", {"a": normal(3, 10, 4), "c": normal(4, 10, 3)}),
    ]
    data = collect(sources, features=FeatureOptions(landmarks=100), normalise=False)
    features = data.inputs["a"].features
    assert isinstance(features, NystroemMap)
    landmarks = {tuple(row) for row in features.landmarks.tolist()}
    expected = np.concatenate([shared, normal(3, 10, 4)]).astype(np.float32)
    assert len(features.landmarks) == 40
    assert landmarks == {tuple(row) for row in expected.tolist()}


def test_missing_rows_are_no_landmarks() -> None:
    rows, held = normal(0, 40, 3), np.arange(40) % 4 > 0
    rows[~held] = np.nan
    source = array_source("d", {"a": rows, "b": normal(1, 40, 3)}, present={"a": held})
    kernel = collect([source], features=FeatureOptions()).inputs["a"].features
    assert isinstance(kernel, NystroemMap)
    assert len(kernel.landmarks) == held.sum()
    assert torch.isfinite(kernel.root).all()


def test_a_rare_space_has_as_many_landmarks_as_rows() -> None:
    held = np.arange(400) % 20 == 0
    source = array_source("d", {"a": normal(0, 400, 3), "b": normal(1, 400, 3)}, present={"a": held})
    inputs = collect([source], features=FeatureOptions(landmarks=20)).inputs
    assert all(inputs[space].features is not None for space in "ab")
    assert [len(inputs[space].tensors()["landmarks"]) for space in "ab"] == [20, 20]


def test_many_features_are_projected_as_wide_rows_are() -> None:
    rows = {"a": normal(0, 60, 4), "b": normal(1, 60, 3)}
    options = FeatureOptions(width=0.5)
    data = collect([array_source("d", rows)], features=options, full_width=40, projected_dim=12)
    assert data.dims == {"a": 12, "b": 12}
    features = data.inputs["a"](torch.tensor(rows["a"], dtype=torch.float32))
    assert features.shape == (60, 12)
    assert data.inputs["a"].width(4) == 12


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("full_width", [1, 4096])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_number_is_named_by_its_row_in_the_data_set(value: float, full_width: int) -> None:
    rows = normal(0, 50, 3)
    rows[37, 2] = value
    source = streamed("pets", [f"id {i}" for i in range(50)], {"a": normal(1, 50, 3), "b": rows}, 8)
    with pytest.raises(DataError, match="NaN or infinity") as caught:
        collect([source], full_width=full_width, projected_dim=2)
    assert caught.value.where == "data set 'pets', space 'b', row 37"
    assert "'id 37'" in str(caught.value.got)


def test_a_bad_number_in_a_missing_row_is_nothing() -> None:
    rows, mask = normal(0, 50, 3), np.arange(50) != 37
    rows[37] = np.inf
    ids = [str(i) for i in range(50)]
    data = collect([streamed("d", ids, {"a": normal(1, 50, 3), "b": rows}, 8, b=mask)])
    assert data.moments.pairs("a", "b") == 49
    assert all(torch.isfinite(group.covariance).all() for group in data.moments.groups())


def test_an_id_twice_is_refused_also_in_another_batch() -> None:
    ids = [str(i) for i in range(20)]
    ids[17] = "3"
    with pytest.raises(DataError, match="occurs twice") as caught:
        collect([streamed("d", ids, {"a": normal(0, 20, 2), "b": normal(1, 20, 2)}, 5)])
    assert (caught.value.where, caught.value.got) == ("data set 'd'", "3")


@pytest.mark.parametrize("rows", [0, 1])
def test_a_data_set_needs_two_rows(rows: int) -> None:
    enough = array_source("big", {"a": normal(0, 9, 2), "b": normal(1, 9, 2)})
    small = array_source("small", {"a": normal(0, rows, 2), "b": normal(1, rows, 2)})
    with pytest.raises(DataError, match="too small") as caught:
        collect([enough, small])
    assert caught.value.where == "data set 'small'"
    assert str(rows) in str(caught.value.got)


def test_a_space_has_one_length_everywhere() -> None:
    sources = [array_source(f"d{dim}", {"a": normal(0, 9, 2), "b": normal(1, 9, dim)}) for dim in (3, 4)]
    with pytest.raises(DataError, match="different dims") as caught:
        collect(sources)
    assert caught.value.where == "data set 'd4', space 'b'"
    assert (caught.value.got, caught.value.expected) == (4, 3)


def test_a_space_without_a_row_is_refused() -> None:
    nowhere = {"b": np.zeros(9, dtype=bool)}
    with pytest.raises(DataError, match="no rows") as caught:
        collect([array_source("d", {"a": normal(0, 9, 2), "b": normal(1, 9, 2)}, present=nowhere)])
    assert "'b'" in str(caught.value.where)
