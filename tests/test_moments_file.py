"""Moments on disk: what is read is what was summed; rows are never there; and whatever is wrong is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from anybind.errors import ArtifactError
from anybind.moments import Moments
from anybind.moments_file import moments_bytes, moments_from

DIMS = {"a": 4, "b": 3}


def drawn(rows: int, seed: int = 0, dataset: str = "d/1, 犬") -> Moments:
    random = np.random.default_rng(seed)
    moments = Moments(DIMS, folds=3)
    vectors = {space: torch.tensor(random.normal(loc=5, size=(rows, dim))) for space, dim in DIMS.items()}
    present = {"b": torch.arange(rows) % 4 > 0}
    moments.update(dataset, vectors, torch.arange(rows) % 3, present)
    return moments


@pytest.fixture
def content() -> bytes:
    return moments_bytes(drawn(60))


def index_of(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    found: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["anybind_moments"])
    return found


def changed(content: bytes, index: Callable[[Any], Any] = lambda i: i, **tensors: torch.Tensor | None) -> bytes:
    """The file with another index, and tensors replaced or (None) left out."""
    kept = {**load(content), **{name.replace("_", "/"): tensor for name, tensor in tensors.items()}}
    told = index_of(content)
    return save({name: t for name, t in kept.items() if t is not None},
                metadata={"anybind_moments": json.dumps(index(told) or told)})  # fmt: skip


# ---------------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("rows", [5, 60], ids=["fewer rows than dims", "more"])
def test_what_is_read_is_what_was_summed(rows: int) -> None:
    moments = drawn(rows)
    again = moments_from(moments_bytes(moments), "here")
    assert (again.dims, again.folds, again.datasets) == (moments.dims, moments.folds, moments.datasets)
    for without in (None, 0, 2):
        for one, other in zip(moments.groups(without_fold=without), again.groups(without_fold=without), strict=True):
            assert (one.dataset, one.spaces, one.n) == (other.dataset, other.spaces, other.n)
            torch.testing.assert_close(one.mean, other.mean, rtol=1e-12, atol=0)
            torch.testing.assert_close(one.covariance, other.covariance, rtol=1e-9, atol=1e-12)


def test_the_same_sums_give_the_same_bytes(content: bytes) -> None:
    assert moments_bytes(drawn(60)) == content
    assert moments_bytes(moments_from(content, "here")) == content


def test_no_row_is_in_the_file() -> None:
    """Few rows are kept as they are in memory; of three rows only sums may get out."""
    moments = Moments(DIMS, folds=1)
    rows = {space: torch.arange(3.0 * dim).view(3, dim) + 0.125 for space, dim in DIMS.items()}
    moments.update("rare", rows, torch.zeros(3, dtype=torch.long))
    assert next(iter(moments))[1].kept_rows is not None
    tensors = load(moments_bytes(moments))
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {"0/total": (7,), "0/outer": (28,)}
    stacked = torch.cat(list(rows.values()), 1).to(torch.float64)
    torch.testing.assert_close(tensors["0/total"], stacked.sum(0))
    assert not any(row.allclose(tensors["0/total"]) for row in stacked)


def test_what_was_read_can_be_merged_with_more() -> None:
    first, second = drawn(40), drawn(30, seed=1, dataset="more")
    merged = moments_from(moments_bytes(first), "here").merge(second)
    for one, other in zip(first.merge(second).groups(), merged.groups(), strict=True):
        torch.testing.assert_close(one.covariance, other.covariance, rtol=1e-9, atol=1e-12)


def test_the_smallest_sum_is_known() -> None:
    assert drawn(60).fewest_rows == 5
    assert Moments(DIMS).fewest_rows == 0


def test_any_reader_of_safetensors_can_list_it(content: bytes, tmp_path: Any) -> None:
    (tmp_path / "moments.safetensors").write_bytes(content)
    with safe_open(tmp_path / "moments.safetensors", "pt") as file:
        assert len(file.keys()) == 2 * len(index_of(content)["blocks"])


# ---------------------------------------------------------------------------------------- what is refused


def first_block(**change: Any) -> Callable[[Any], Any]:
    def edit(index: Any) -> None:
        index["blocks"][0].update(change)

    return edit


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda c: b"", "damaged"),
    "cut off": (lambda c: c[:-3], "damaged"),
    "a header that is too long": (lambda c: (2**60).to_bytes(8, "little") + c[8:], "header"),
    "no index": (lambda c: save(load(c)), "damaged"),
    "an index that is no JSON": (lambda c: save(load(c), metadata={"anybind_moments": "{"}), "damaged"),
    "an unknown field": (lambda c: changed(c, lambda i: {**i, "colour": "red"}), "colour"),
    "no folds": (lambda c: changed(c, lambda i: {**i, "folds": 0}), "folds"),
    "a fold out of range": (lambda c: changed(c, first_block(fold=9)), "fold"),
    "no rows": (lambda c: changed(c, first_block(n=0)), "n:"),
    "fewer rows than the sums allow": (lambda c: changed(c, first_block(n=1)), "smaller"),
    "an unknown space": (lambda c: changed(c, first_block(spaces=["a", "z"])), "damaged"),
    "spaces out of order": (lambda c: changed(c, first_block(spaces=["b", "a"])), "order"),
    "a space that no block has": (lambda c: changed(c, lambda i: {**i, "dims": {**DIMS, "z": 2}}), "other spaces"),
    "other dims": (lambda c: changed(c, lambda i: {**i, "dims": {"a": 5, "b": 3}}), "do not fit"),
    "huge dims": (lambda c: changed(c, lambda i: {**i, "dims": {"a": 10**9, "b": 3}}), "dims"),
    "a block twice": (lambda c: changed(c, lambda i: {**i, "blocks": [*i["blocks"][:-1], i["blocks"][0]]}), "twice"),
    "a tensor too few": (lambda c: changed(c, **{"0_outer": None}), "tensors"),
    "a tensor too many": (lambda c: changed(c, x=torch.ones(1)), "tensors"),
    "rows where sums belong": (lambda c: changed(c, **{"0_outer": torch.ones(7, 7).double()}), "do not fit"),
    "float32": (lambda c: changed(c, **{"0_total": torch.ones(4)}), "do not fit"),
    "NaN": (lambda c: changed(c, **{"0_total": torch.full((4,), torch.nan).double()}), "NaN"),
    "negative variance": (lambda c: changed(c, **{"0_outer": -load(c)["0/outer"]}), "smaller"),
}


@pytest.mark.parametrize("case", WRONG)
def test_whatever_is_wrong_is_refused(content: bytes, case: str) -> None:
    damage, words = WRONG[case]
    with pytest.raises(ArtifactError) as caught:
        moments_from(damage(content), "here")
    assert words in str(caught.value)
    assert "here" in str(caught.value)


def test_sums_that_are_not_finite_are_not_written() -> None:
    moments = drawn(60)
    next(iter(moments))[1].sums()[0][0] = torch.inf
    with pytest.raises(ArtifactError, match="NaN or infinity"):
        moments_bytes(moments)


@pytest.mark.parametrize("place", range(0, 2000, 97))
def test_a_changed_byte_never_ends_in_a_foreign_error(content: bytes, place: int) -> None:
    """The artifact's own sum finds every changed byte; this is what stands behind it."""
    damaged = bytearray(content)
    damaged[place % len(damaged)] ^= 0xFF
    try:
        found = moments_from(bytes(damaged), "here")
    except ArtifactError:
        return
    assert all(torch.isfinite(block.sums()[1]).all() for _, block in found)
