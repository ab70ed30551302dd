"""User arrays, checked and turned into row sources: numpy arrays, memory-maps and tensors go in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from anybind.errors import DataError, ShapeError, UnknownNameError, UsageError
from anybind.fit_data import Batch, RowSource
from anybind.options import did_you_mean
from anybind.specs import Name

Numbers: TypeAlias = "torch.Tensor | np.ndarray[Any, Any]"

_EXAMPLE = '{"pictures": {"image": array, "text": array}}'
_ROWS_AT_ONCE = 8192
_NAME = TypeAdapter(Name)


def as_matrix(array: Any, where: str, dim: int | None = None) -> torch.Tensor:
    """An (n, d) float32 CPU tensor of ``array``; the caller's array is never changed.

    Raises:
        ShapeError: not two-dimensional, or not ``dim`` wide.
        DataError: not real numbers.
    """
    return _as_tensor(_numeric(array, where, dim))


def finite_matrix(array: Any, where: str, dim: int | None = None) -> torch.Tensor:
    """``as_matrix`` that also refuses NaN and infinity, naming the row."""
    matrix = as_matrix(array, where, dim)
    bad = (~torch.isfinite(matrix).all(1)).nonzero()
    if len(bad):
        raise DataError(
            "a vector holds NaN or infinity", where=f"{where}, row {bad[0].item()}",
            got=f"{len(bad)} such rows of {len(matrix)}", expected="finite float32 numbers",
        )  # fmt: skip
    return matrix


def shown_rows(
    rows: Any, present: Any, dims: Mapping[str, int]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Rows of several spaces, row i of each the same item.

    Args:
        rows: Space -> (n, dim) array; the values of missing rows are ignored.
        present: Space -> (n,) booleans, for spaces with missing rows; or None.
        dims: The spaces there are, and their dims.

    Returns:
        Space -> (n, dim) float32, zeros where a row is missing, and the masks that were given.

    Raises:
        UsageError: not by space. UnknownNameError: a space that does not exist, or a mask without rows.
        ShapeError, DataError: an array or a mask does not fit, or holds NaN or infinity where it is present.
    """
    if not isinstance(rows, Mapping):
        raise UsageError("rows are given by space", got=type(rows).__name__, expected='{"image": array}')
    for space in rows:
        if space not in dims:
            raise UnknownNameError("this binder has no such space", got=space, expected=", ".join(dims),
                                   hint=did_you_mean(space, dims))  # fmt: skip
    matrices = {space: as_matrix(array, f"space {space!r}", dims[space]) for space, array in rows.items()}
    masks = _masks("rows", matrices, {} if present is None else present, from_nan=False)
    held = {
        space: torch.where(masks[space][:, None], matrix, 0.0) if space in masks else matrix
        for space, matrix in matrices.items()
    }
    return {space: finite_matrix(matrix, f"space {space!r}") for space, matrix in held.items()}, masks


def array_sources(
    datasets: Any, *, present: Any = None, ids: Any = None, groups: Any = None, from_nan: bool = False
) -> list[RowSource]:
    """Every data set as a stream; arguments and errors as ``anybind.fit``."""
    if not isinstance(datasets, Mapping) or not datasets:
        got = "none" if isinstance(datasets, Mapping) else type(datasets).__name__
        raise UsageError("data sets are given by name", got=got, expected=_EXAMPLE)
    present, ids, groups = (_by_dataset(what, given, datasets) for what, given in
                            (("present", present), ("ids", ids), ("groups", groups)))  # fmt: skip
    return [
        array_source(name, spaces, ids=ids.get(name), groups=groups.get(name), present=present.get(name),
                     from_nan=from_nan)
        for name, spaces in datasets.items()
    ]  # fmt: skip


def _by_dataset(what: str, given: Any, datasets: Mapping[str, Any]) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        example = f"{{{next(iter(datasets))!r}: ...}}"
        raise UsageError(f"{what} is given by data set", got=type(given).__name__, expected=example)
    unknown = sorted(set(given) - set(datasets), key=str)
    if unknown:
        raise UnknownNameError(
            f"{what} names a data set that was not given",
            got=unknown, expected=list(datasets), hint=did_you_mean(unknown[0], datasets),
        )  # fmt: skip
    return given


def array_source(
    name: str,
    spaces: Mapping[str, Any],
    *,
    ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    present: Mapping[str, Any] | None = None,
    from_nan: bool = False,
) -> RowSource:
    """One data set given as arrays, rows paired by position.

    Args:
        name: The data set's name, any text.
        spaces: Space -> (n, dim) array; a space's name takes letters, digits, dots, hyphens and underscores.
        ids: The rows' ids; the row numbers, prefixed by the data set, if None.
        groups: The group of near-duplicates each row belongs to; every row its own if None.
        present: Space -> (n,) booleans for spaces with missing rows.
        from_nan: Read rows that are all NaN as missing.

    Raises:
        ShapeError, DataError, UnknownNameError, UsageError: see the messages.
    """
    where = f"data set {name!r}"
    if not isinstance(name, str) or not isinstance(spaces, Mapping):
        raise UsageError(
            "a data set is a name and its arrays by space",
            where=where, got=type(spaces).__name__, expected='{"pictures": {"image": array, "text": array}}',
        )  # fmt: skip
    for space in spaces:
        _require_name(space, where)
    matrices = {space: _numeric(array, f"{where}, space {space!r}") for space, array in spaces.items()}
    counts = {space: len(matrix) for space, matrix in matrices.items()}
    if not matrices:
        raise DataError("a data set holds no spaces", where=where, expected="at least one space with rows")
    if len(set(counts.values())) > 1:
        raise ShapeError(
            "the spaces of a data set have different numbers of rows", where=where, got=counts,
            expected="one row per item in every space; give missing rows by present=",
        )  # fmt: skip
    n = next(iter(counts.values()))
    row_ids = tuple(f"{name}:{i}" for i in range(n)) if ids is None else tuple(map(str, ids))
    row_groups = None if groups is None else tuple(map(str, groups))
    for what, given in (("ids", row_ids), ("groups", row_groups)):
        if given is not None and len(given) != n:
            got = f"{len(given)} {what}"
            raise ShapeError(f"a data set has as many {what} as rows", where=where, got=got, expected=n)
    masks = _masks(where, matrices, {} if present is None else present, from_nan)
    dims = {space: matrix.shape[1] for space, matrix in matrices.items()}
    return RowSource(name, dims, partial(_batches, row_ids, row_groups, matrices, masks))


def _batches(
    ids: tuple[str, ...],
    groups: tuple[str, ...] | None,
    matrices: Mapping[str, Numbers],
    masks: Mapping[str, torch.Tensor],
) -> Iterator[Batch]:
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        vectors = {space: _as_tensor(matrix[rows]) for space, matrix in matrices.items()}
        present = {space: mask[rows] for space, mask in masks.items()}
        yield Batch(ids[rows], vectors, present, None if groups is None else groups[rows])


def _masks(
    where: str, matrices: Mapping[str, Numbers], present: Mapping[str, Any], from_nan: bool
) -> dict[str, torch.Tensor]:
    if not isinstance(present, Mapping):
        raise UsageError("present is given by space", where=where, got=type(present).__name__)
    unknown = sorted(set(present) - set(matrices))
    if unknown:
        raise UnknownNameError(
            "present names a space that has no rows",
            where=where, got=unknown, expected=sorted(matrices), hint=did_you_mean(unknown[0], matrices),
        )  # fmt: skip
    masks = {}
    for space, given in present.items():
        masks[space] = _mask(given, f"{where}, space {space!r}", len(matrices[space]))
    if from_nan:
        for space, matrix in matrices.items():
            held = _not_all_nan(matrix)
            masks[space] = masks[space] & held if space in masks else held
    return masks


def _mask(given: Any, where: str, n: int) -> torch.Tensor:
    """(n,) bool, a copy."""
    mask = _array(given.detach().cpu() if isinstance(given, torch.Tensor) else given, where)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        got = f"{mask.dtype} {mask.shape}"
        raise ShapeError("a presence mask does not fit", where=where, got=got, expected=f"bool ({n},)")
    return torch.from_numpy(np.array(mask))


def _not_all_nan(matrix: Numbers) -> torch.Tensor:
    """(n,) bool: which rows hold any number."""
    chunks = [_as_tensor(matrix[i : i + _ROWS_AT_ONCE]) for i in range(0, len(matrix), _ROWS_AT_ONCE)]
    return torch.cat([torch.zeros(0, dtype=torch.bool), *(~torch.isnan(chunk).all(1) for chunk in chunks)])


def _require_name(space: Any, where: str) -> None:
    try:
        _NAME.validate_python(space, strict=True)
    except ValidationError as error:
        raise UsageError(
            "a space has a name that cannot be used", where=where, got=repr(space),
            expected="up to 100 letters, digits, dots, hyphens and underscores, a letter or digit first",
        ) from error  # fmt: skip


def _numeric(array: Any, where: str, dim: int | None = None) -> Numbers:
    """The array as it is, checked: a memory-map stays on disk until its rows are read."""
    values: Numbers = array.detach() if isinstance(array, torch.Tensor) else _array(array, where)
    if isinstance(values, torch.Tensor):
        real = values.layout == torch.strided and not (values.is_complex() or values.is_quantized)
    else:
        real = values.dtype.kind in "fiub"
    if not real:
        dtype = f"{values.dtype} {getattr(values, 'layout', '')}"
        raise DataError("vectors must be numbers", where=where, got=dtype, expected="real numbers, dense")
    if values.ndim != 2 or dim not in (None, values.shape[1]) or not values.shape[1]:
        got, expected = tuple(values.shape), f"(rows, {dim or 'dims'})"
        raise ShapeError("vectors must form a matrix", where=where, got=got, expected=expected)
    return values


def _array(values: Any, where: str) -> np.ndarray[Any, Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise DataError("masked arrays cannot be read", where=where, expected="a plain array and present=")
    try:
        return np.asanyarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError("not an array", where=where, got=error, expected="rows of equal length") from error


def _as_tensor(values: Numbers) -> torch.Tensor:
    """In one order of memory, since sums, and so the bits of every result, depend on it."""
    if isinstance(values, torch.Tensor):
        return values.to("cpu", torch.float32).contiguous()
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, and is refused as such
        return torch.from_numpy(np.array(values, dtype=np.float32, order="C", subok=False))
