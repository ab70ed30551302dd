"""User arrays, checked and turned into row sources: numpy arrays, memory-maps and tensors go in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

from anybind.errors import DataError, ShapeError, UnknownNameError
from anybind.fit_data import Batch, RowSource

Numbers: TypeAlias = "torch.Tensor | np.ndarray[Any, Any]"

_ROWS_AT_ONCE = 8192


def as_matrix(array: Any, where: str, dim: int | None = None) -> torch.Tensor:
    """An (n, d) float32 CPU tensor of ``array``; the caller's array is never changed.

    Raises:
        ShapeError: not two-dimensional, or not ``dim`` wide.
        DataError: not numbers.
    """
    return _as_tensor(_numeric(array, where, dim))


def finite_matrix(array: Any, where: str, dim: int | None = None) -> torch.Tensor:
    """``as_matrix`` that also refuses NaN and infinity, naming the row."""
    matrix = as_matrix(array, where, dim)
    bad = (~torch.isfinite(matrix).all(1)).nonzero()
    if len(bad):
        raise DataError(
            "a vector holds NaN or infinity", where=f"{where}, row {bad[0].item()}",
            got=f"{len(bad)} such rows of {len(matrix)}", expected="finite numbers",
        )  # fmt: skip
    return matrix


def array_source(
    name: str,
    spaces: Mapping[str, Any],
    *,
    ids: Sequence[str] | None = None,
    present: Mapping[str, Any] | None = None,
    from_nan: bool = False,
) -> RowSource:
    """One data set given as arrays, rows paired by position.

    Args:
        name: The data set's name.
        spaces: Space -> (n, dim) array.
        ids: The rows' ids; the row numbers, prefixed by the data set, if None.
        present: Space -> (n,) booleans for spaces with missing rows.
        from_nan: Read rows that are all NaN as missing.

    Raises:
        ShapeError, DataError, UnknownNameError: see the messages.
    """
    where = f"data set {name!r}"
    matrices = {space: _numeric(array, f"{where}, space {space!r}") for space, array in spaces.items()}
    counts = {space: len(matrix) for space, matrix in matrices.items()}
    if not matrices:
        raise DataError("a data set holds no spaces", where=where, expected="at least one space with rows")
    if len(set(counts.values())) > 1:
        raise ShapeError("the spaces of a data set have different numbers of rows", where=where, got=counts,
                         expected="one row per item in every space; give missing rows by present=")  # fmt: skip
    n = next(iter(counts.values()))
    row_ids = tuple(f"{name}:{i}" for i in range(n)) if ids is None else tuple(map(str, ids))
    if len(row_ids) != n:
        raise ShapeError("a data set has as many ids as rows", where=where, got=f"{len(row_ids)} ids", expected=n)
    masks = _masks(where, matrices, present or {}, from_nan)
    dims = {space: matrix.shape[1] for space, matrix in matrices.items()}
    return RowSource(name, dims, partial(_batches, row_ids, matrices, masks))


def _batches(
    ids: tuple[str, ...], matrices: Mapping[str, Numbers], masks: Mapping[str, torch.Tensor]
) -> Iterator[Batch]:
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        vectors = {space: _as_tensor(matrix[rows]) for space, matrix in matrices.items()}
        yield Batch(ids[rows], vectors, {space: mask[rows] for space, mask in masks.items()})


def _masks(
    where: str, matrices: Mapping[str, Numbers], present: Mapping[str, Any], from_nan: bool
) -> dict[str, torch.Tensor]:
    unknown = sorted(set(present) - set(matrices))
    if unknown:
        raise UnknownNameError("present names a space the data set does not have", where=where, got=unknown,
                               expected=sorted(matrices))  # fmt: skip
    masks = {}
    for space, given in present.items():
        mask = torch.as_tensor(np.asarray(given))
        if mask.dtype != torch.bool or tuple(mask.shape) != (len(matrices[space]),):
            raise ShapeError("a presence mask does not fit", where=f"{where}, space {space!r}",
                             got=f"{mask.dtype} {tuple(mask.shape)}", expected=f"bool ({len(matrices[space])},)")  # fmt: skip
        masks[space] = mask
    if from_nan:
        for space, matrix in matrices.items():
            held = torch.cat([~torch.isnan(_as_tensor(matrix[i : i + _ROWS_AT_ONCE])).all(1)
                              for i in range(0, len(matrix), _ROWS_AT_ONCE)] or [torch.zeros(0, dtype=torch.bool)])  # fmt: skip
            masks[space] = masks[space] & held if space in masks else held
    return masks


def _numeric(array: Any, where: str, dim: int | None = None) -> Numbers:
    """The array as it is, checked: a memory-map stays on disk until its rows are read."""
    values = array.detach() if isinstance(array, torch.Tensor) else np.asanyarray(array)
    if not isinstance(values, torch.Tensor) and values.dtype.kind not in "fiub":
        raise DataError("vectors must be numbers", where=where, got=f"dtype {values.dtype}", expected="real numbers")
    if values.ndim != 2 or dim not in (None, values.shape[1]) or not values.shape[1]:
        expected = f"(rows, {dim or 'dims'})"
        raise ShapeError("vectors must form a matrix", where=where, got=tuple(values.shape), expected=expected)
    return values


def _as_tensor(values: Numbers) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.to("cpu", torch.float32)
    return torch.from_numpy(np.array(values, dtype=np.float32))
