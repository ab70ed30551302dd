"""Arrays of any kind go in unchanged; what is wrong with one is said by data set, space and row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anybind import array_input
from anybind.array_input import array_source, as_matrix, finite_matrix
from anybind.errors import DataError, ShapeError, UnknownNameError, UsageError
from anybind.fit_data import RowSource, collect

ROWS = np.arange(24).reshape(6, 4) % 7 - 2.0


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def spread_out(array: np.ndarray) -> np.ndarray:
    """The same numbers, neither contiguous nor in order of memory."""
    wide = np.zeros((12, 8))
    wide[::-2, ::2] = array
    return wide[::-2, ::2]


KINDS: dict[str, Callable[[], Any]] = {
    "float64": ROWS.copy,
    "float32": lambda: ROWS.astype(np.float32),
    "float16": lambda: ROWS.astype(np.float16),
    "big-endian": lambda: ROWS.astype(">f8"),
    "int8": lambda: ROWS.astype(np.int8),
    "int64": lambda: ROWS.astype(np.int64),
    "columns first": lambda: np.asfortranarray(ROWS),
    "not contiguous": lambda: spread_out(ROWS),
    "read-only": lambda: read_only(ROWS.copy()),
    "matrix subclass": lambda: ROWS.copy().view(np.recarray),
    "lists": ROWS.tolist,
    "list of rows": lambda: list(ROWS),
    "tensor": lambda: torch.tensor(ROWS),
    "tensor float32": lambda: torch.tensor(ROWS, dtype=torch.float32),
    "tensor float16": lambda: torch.tensor(ROWS).half(),
    "tensor bfloat16": lambda: torch.tensor(ROWS).bfloat16(),
    "tensor int32": lambda: torch.tensor(ROWS).int(),
    "tensor with gradient": lambda: torch.tensor(ROWS, requires_grad=True),
    "tensor transposed": lambda: torch.tensor(ROWS.T).T,
}


def as_numpy(array: Any) -> np.ndarray:
    return np.array(array.detach().double().numpy() if isinstance(array, torch.Tensor) else array)


def read(source: RowSource) -> dict[str, torch.Tensor]:
    """All rows of a source, joined."""
    batches = list(source.batches())
    return {space: torch.cat([batch.vectors[space] for batch in batches]) for space in source.dims}


# --------------------------------------------------------------------------------------- what goes in


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_every_kind_are_read_and_not_changed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_input, "_ROWS_AT_ONCE", 4)
    given = KINDS[kind]()
    before = as_numpy(given)
    source = array_source("d", {"a": given, "b": ROWS})
    for matrix in (finite_matrix(given, "here", 4), read(source)["a"]):
        assert (matrix.dtype, matrix.device.type, matrix.requires_grad) == (torch.float32, "cpu", False)
        np.testing.assert_array_equal(matrix, ROWS)
        assert matrix.is_contiguous(), "the last bits of sums depend on the order of memory"
    collect([source])
    np.testing.assert_array_equal(as_numpy(given), before)


def test_booleans_are_numbers() -> None:
    assert finite_matrix(ROWS > 0, "here").tolist() == (ROWS > 0).astype(float).tolist()
    assert as_matrix(torch.tensor([[True, False]]), "here").tolist() == [[1.0, 0.0]]


def test_a_memory_map_stays_on_disk_until_it_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    source = array_source("d", {"a": np.load(tmp_path / "a.npy", mmap_mode="r")})
    changed = np.load(tmp_path / "a.npy", mmap_mode="r+")
    changed[2, 3] = 99
    changed.flush()
    assert read(source)["a"][2, 3] == 99
    assert read(source)["a"].sum() == ROWS.sum() - ROWS[2, 3] + 99


def test_batches_hold_all_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_input, "_ROWS_AT_ONCE", 4)
    mask = np.array([True, False, True, True, False, True])
    groups = ["x", "x", "y", "y", "z", "z"]
    source = array_source("d", {"a": ROWS, "b": ROWS[:, :1]}, present={"b": mask}, groups=groups)
    assert (source.name, source.dims) == ("d", {"a": 4, "b": 1})
    first, second = source.batches()
    assert (first.ids, second.ids) == (("d:0", "d:1", "d:2", "d:3"), ("d:4", "d:5"))
    assert (first.groups, second.groups) == (("x", "x", "y", "y"), ("z", "z"))
    assert torch.cat([first.present["b"], second.present["b"]]).tolist() == mask.tolist()
    assert "a" not in first.present
    np.testing.assert_array_equal(torch.cat([first.vectors["b"], second.vectors["b"]]), ROWS[:, :1])


def test_ids_are_texts() -> None:
    (batch,) = array_source("d", {"a": ROWS}, ids=np.arange(6) * 10).batches()
    assert batch.ids == ("0", "10", "20", "30", "40", "50")
    assert batch.groups is None


@pytest.mark.parametrize(
    "mask",
    [
        [True, False] * 3,
        np.array([True, False] * 3),
        np.array([False, True] * 3)[::-1],
        read_only(np.array([True, False] * 3)),
        torch.tensor([True, False] * 3),
    ],
    ids=["list", "array", "reversed", "read-only", "tensor"],
)
def test_masks_of_every_kind(mask: Any) -> None:
    (batch,) = array_source("d", {"a": ROWS}, present={"a": mask}).batches()
    assert batch.present["a"].tolist() == [True, False] * 3
    batch.present["a"][:] = False
    assert mask[0], "the caller's mask is a different one"


def test_rows_of_nan_are_missing_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_input, "_ROWS_AT_ONCE", 4)
    rows = ROWS.copy()
    rows[[1, 5]] = np.nan
    given = {"a": rows, "b": torch.tensor(ROWS), "c": ROWS.astype(int)}
    present = {"a": np.arange(6) > 0}
    source = array_source("d", given, present=present, from_nan=True)
    held = {s: torch.cat([batch.present[s] for batch in source.batches()]).tolist() for s in "abc"}
    assert held == {"a": [False, False, True, True, True, False], "b": [True] * 6, "c": [True] * 6}
    assert present["a"].tolist() == [False] + [True] * 5
    assert collect([source]).moments.pairs("a", "b") == 3


def test_a_row_that_is_partly_nan_is_an_error_all_the_same() -> None:
    rows = ROWS.copy()
    rows[4, 1] = np.nan
    with pytest.raises(DataError, match="NaN or infinity") as caught:
        collect([array_source("d", {"a": rows, "b": ROWS}, from_nan=True)])
    assert caught.value.where == "data set 'd', space 'a', row 4"


# ------------------------------------------------------------------------------------------ bad rows


def test_the_row_named_is_that_of_the_array_not_of_the_batch() -> None:
    n = array_input._ROWS_AT_ONCE + 10
    rows = np.ones((n, 2), dtype=np.float32)
    rows[n - 3, 1] = np.inf
    with pytest.raises(DataError) as caught:
        collect([array_source("pets", {"a": np.ones((n, 2)), "b": rows})])
    assert caught.value.where == f"data set 'pets', space 'b', row {n - 3}"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_single_matrix_names_the_row_as_well(value: float) -> None:
    rows = ROWS.copy()
    rows[3, 0] = value  # 1e300 is finite, but not as a float32
    with pytest.raises(DataError, match="NaN or infinity") as caught:
        finite_matrix(rows, "space 'a'")
    assert caught.value.where == "space 'a', row 3"
    assert "1 such rows of 6" in str(caught.value.got)
    assert as_matrix(rows, "space 'a'").shape == (6, 4)


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("array", "error", "got"),
    [
        (np.ones(4), ShapeError, "(4,)"),
        (np.ones((2, 2, 2)), ShapeError, "(2, 2, 2)"),
        (np.float32(1), ShapeError, "()"),
        (np.ones((4, 0)), ShapeError, "(4, 0)"),
        (torch.ones(4), ShapeError, "(4,)"),
        (None, DataError, "object"),
        ("text", DataError, "<U4"),
        (np.array([["a", "b"]]), DataError, "<U1"),
        (np.array([[None, 1.0]]), DataError, "object"),
        (np.ones((2, 2), dtype=complex), DataError, "complex128"),
        (torch.ones(2, 2, dtype=torch.complex64), DataError, "complex64"),
        (torch.ones(2, 2).to_sparse(), DataError, "sparse"),
        ([[1.0, 2.0], [3.0]], DataError, "inhomogeneous"),
        ([torch.ones(2, requires_grad=True)], DataError, "grad"),
        (np.array(["2020-01-01"], dtype="datetime64[D]")[None], DataError, "datetime64"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(array: Any, error: type[DataError], got: str) -> None:
    with pytest.raises(error) as caught:
        finite_matrix(array, "space 'a'")
    assert type(caught.value) is error
    assert got in str(caught.value.got)
    assert caught.value.where == "space 'a'"
    with pytest.raises(error) as caught:
        array_source("d", {"a": array})
    assert caught.value.where == "data set 'd', space 'a'"


def test_a_masked_array_is_refused_rather_than_unmasked() -> None:
    with pytest.raises(DataError, match="masked") as caught:
        array_source("d", {"a": np.ma.masked_less(ROWS, 0)})
    assert "present=" in str(caught.value.expected)


def test_wrong_dims_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        finite_matrix(ROWS, "space 'a'", dim=5)
    assert (caught.value.got, caught.value.expected) == ((6, 4), "(rows, 5)")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"spaces": {}}, DataError, "no spaces"),
        ({"spaces": ROWS}, UsageError, "ndarray"),
        ({"spaces": {"a": ROWS, "b": ROWS[:5]}}, ShapeError, "'b': 5"),
        ({"spaces": {"a": ROWS}, "ids": ["x"]}, ShapeError, "1 ids"),
        ({"spaces": {"a": ROWS}, "groups": ["x"] * 7}, ShapeError, "7 groups"),
        ({"spaces": {"a": ROWS}, "present": {"a": [True] * 5}}, ShapeError, "(5,)"),
        ({"spaces": {"a": ROWS}, "present": {"a": [1, 0] * 3}}, ShapeError, "int"),
        ({"spaces": {"a": ROWS}, "present": {"a": [True, None] * 3}}, ShapeError, "object"),
        ({"spaces": {"a": ROWS}, "present": {"a": ROWS > 0}}, ShapeError, "(6, 4)"),
        ({"spaces": {"a": ROWS}, "present": [True] * 6}, UsageError, "list"),
        ({"spaces": {"image": ROWS}, "present": {"imag": [True] * 6}}, UnknownNameError, "mean 'image'?"),
        ({"spaces": {"a b": ROWS}}, UsageError, "'a b'"),
        ({"spaces": {"a/to/b": ROWS}}, UsageError, "letters"),
        ({"spaces": {"": ROWS}}, UsageError, "letters"),
        ({"spaces": {3: ROWS}}, UsageError, "3"),
    ],
)
def test_a_data_set_that_does_not_fit_together_is_refused(
    given: dict[str, Any], error: type[DataError], words: str
) -> None:
    with pytest.raises(error) as caught:
        array_source("pets", **given)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "'pets'" in str(caught.value.where)
