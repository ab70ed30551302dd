"""Files of arrays, read row by row: ``.npy``, ``.safetensors``, ``.npz``, and folders of numbered shards."""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from anybind.errors import DataError, ShapeError

Row = NDArray[Any]
ENDINGS = (".npy", ".safetensors")

_TENSOR = "vectors"


class RowArray(NamedTuple):
    """An array (rows, dim) that gives one row at a time."""

    shape: tuple[int, ...]
    row: Callable[[int], Row]


def open_array(path: Path) -> RowArray:
    """A file, or the shards in a folder one after the other, in order of the last number in their names.

    Raises:
        DataError: missing, unreadable, not of real numbers, or shards of two lengths.
        ShapeError: not (rows, dim).
    """
    if not path.is_dir():
        return _open_file(path)
    files = shards(path, ENDINGS)
    return _joined([_open_file(file) for file in files], path)


def shards(path: Path, endings: Sequence[str]) -> list[Path]:
    """The files with one of ``endings`` in a folder, in order of the last number in their names.

    Raises:
        DataError: none, or two with the same number.
    """
    files = [file for file in path.iterdir() if file.suffix.lower() in endings]
    numbers = {file: _number(file) for file in files}
    if not files or len(set(numbers.values())) != len(files):
        got = ", ".join(sorted(file.name for file in files)[:10]) or "none"
        expected = f"files numbered one after the other, with one of {', '.join(endings)}"
        raise DataError("a folder's shards cannot be put in order", where=path, got=got, expected=expected)
    return sorted(files, key=lambda file: numbers[file])


def open_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an ``.npz`` file; nothing is unpickled.

    Raises:
        DataError: missing, unreadable, or with an array that is neither of real numbers nor of text.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError("an array file cannot be read", where=path, got=error) from error


def in_memory(array: NDArray[Any], where: object) -> RowArray:
    """An array that has been read.

    Raises:
        DataError: not of real numbers.
        ShapeError: not (rows, dim).
    """
    if array.dtype.kind not in "fiu":
        raise DataError("an array file cannot be read", where=where, got=array.dtype, expected="real numbers")
    return RowArray(_table_shape(array.shape, where), lambda row: np.array(array[row]))


def _number(file: Path) -> int:
    """The last number of a name, 0 without one: img_emb_10 comes after img_emb_2."""
    found = re.findall(r"\d+", file.stem)
    return int(found[-1]) if found else 0


def _open_file(path: Path) -> RowArray:
    try:
        shape, row = (_open_npy if path.suffix == ".npy" else _open_safetensors)(path)
    except (OSError, ValueError, EOFError, SafetensorError) as error:
        raise DataError("an array file cannot be read", where=path, got=error) from error
    return RowArray(_table_shape(shape, path), row)


def _table_shape(shape: tuple[int, ...], where: object) -> tuple[int, ...]:
    if len(shape) != 2 or 0 in shape:
        raise ShapeError("an array has the wrong shape", where=where, got=shape, expected="(rows, dim)")
    return shape


def _joined(parts: Sequence[RowArray], where: Path) -> RowArray:
    dims = {part.shape[1] for part in parts}
    if len(dims) != 1:
        got = ", ".join(map(str, sorted(dims)))
        raise ShapeError("the shards of an array have unequal dims", where=where, got=got, expected="one dim")
    ends = list(accumulate(part.shape[0] for part in parts))

    def row(index: int) -> Row:
        shard = bisect_right(ends, index)
        return parts[shard].row(index - (ends[shard - 1] if shard else 0))

    return RowArray((ends[-1], dims.pop()), row)


def _open_npy(path: Path) -> tuple[tuple[int, ...], Callable[[int], Row]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ValueError(f"{getattr(array, 'dtype', 'an archive')}: not an array of real numbers")
    return array.shape, lambda row: np.array(array[row])


def _open_safetensors(path: Path) -> tuple[tuple[int, ...], Callable[[int], Row]]:
    file: Any = safe_open(path, framework="numpy")
    names = list(file.keys())
    name = names[0] if len(names) == 1 else _TENSOR
    if name not in names:
        raise ValueError(f"no tensor named {_TENSOR!r} but {', '.join(names) or 'none'}")
    tensor = file.get_slice(name)
    if tensor.get_dtype() not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8"):
        raise ValueError(f"{tensor.get_dtype()}: not a type of numbers that numpy has")
    return tuple(tensor.get_shape()), lambda row: np.array(tensor[row : row + 1][0])
