"""Moments as a file: sums in safetensors, never rows.

Of every block the sum of its rows (D,) and the lower triangle of their summed outer products, D (D + 1) / 2
numbers, float64. What the blocks are stands in the file's metadata as JSON: folds, dims, and for every block its
data set, spaces, fold and number of rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load, save

from anybind.errors import AnybindError, ArtifactError
from anybind.moments import BlockKey, Moments
from anybind.specs import Name

_KEY = "anybind_moments"
_MAX_INDEX_BYTES = 16 * 2**20
_MAX_ROWS = 2**53
# By how much rounding may make a sum of squares smaller than it can be.
_ROUNDING = 1e-6


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _BlockInfo(_Model):
    dataset: str
    spaces: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    fold: int = Field(ge=0)
    n: int = Field(ge=1, le=_MAX_ROWS)


class _Index(_Model):
    """What stands in the metadata."""

    folds: int = Field(ge=1, le=1000)
    dims: dict[Name, Annotated[int, Field(ge=1, le=65536)]] = Field(max_length=1024)
    blocks: Annotated[tuple[_BlockInfo, ...], Field(strict=False, max_length=100_000)]


def moments_bytes(moments: Moments) -> bytes:
    """The content of a file. Rows that the moments keep as they are go in as their sums.

    Raises:
        ArtifactError: a sum is not finite.
    """
    infos: list[dict[str, Any]] = []
    tensors: dict[str, torch.Tensor] = {}
    for key, block in moments:
        if not block.n:
            continue
        total, outer = block.sums()
        rows, columns = torch.tril_indices(block.width, block.width)
        tensors |= {f"{len(infos)}/total": total.clone(), f"{len(infos)}/outer": outer[rows, columns]}
        _require_finite(tensors, len(infos), f"data set {key.dataset!r}")
        infos.append({**key._asdict(), "n": block.n})
    index = {"folds": moments.folds, "dims": moments.dims, "blocks": infos}
    return save(tensors, metadata={_KEY: json.dumps(index, sort_keys=True)})


def moments_from(content: bytes, where: Path | str) -> Moments:
    """The moments of a file.

    Args:
        content: What ``moments_bytes`` made.
        where: What to call it in messages.

    Raises:
        ArtifactError: damaged, of something else, or of sums that no rows could have.
    """
    try:
        index = _Index.model_validate(_index(content))
        tensors = load(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ArtifactError("the moments are damaged", where=where, got=f"{place}: {first['msg']}") from error
    except Exception as error:  # safetensors lets errors of several kinds through
        raise ArtifactError("the moments are damaged", where=where, got=error) from error
    _require_consistent(index, tensors, where)
    moments = Moments(index.dims, folds=index.folds)
    for number, info in enumerate(index.blocks):
        width = sum(index.dims[space] for space in info.spaces)
        total, outer = tensors[f"{number}/total"], tensors[f"{number}/outer"]
        _require_shapes(total, outer, width, f"{where}: block {number}")
        _require_finite(tensors, number, f"{where}: block {number}")
        full = _symmetric(outer, width)
        _require_possible(info.n, total, full, f"{where}: block {number}")
        try:
            moments.add_sums(BlockKey(info.dataset, info.spaces, info.fold), info.n, total, full)
        except AnybindError as error:
            raise ArtifactError("the moments do not fit into memory", where=where, got=error.got) from error
    return moments


def _index(content: bytes) -> Any:
    """The JSON in the metadata; ValueError or KeyError where there is none."""
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, _MAX_INDEX_BYTES):
        raise ValueError(f"a header of {length} bytes")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_KEY])


def _symmetric(lower: torch.Tensor, width: int) -> torch.Tensor:
    full = torch.zeros(width, width, dtype=torch.float64)
    rows, columns = torch.tril_indices(width, width)
    full[rows, columns] = lower
    full[columns, rows] = lower
    return full


def _require_consistent(index: _Index, tensors: dict[str, torch.Tensor], where: Path | str) -> None:
    """Every block once, of known spaces in order, in a fold that exists; every space somewhere; no other tensor."""
    keys = [(info.dataset, info.spaces, info.fold) for info in index.blocks]
    held = {space for info in index.blocks for space in info.spaces}
    wanted = {f"{number}/{part}" for number in range(len(keys)) for part in ("total", "outer")}
    problems = {
        "a block occurs twice": len(set(keys)) < len(keys),
        "the spaces of a block are not in order": any(list(s) != sorted(set(s)) for _, s, _ in keys),
        "a fold is out of range": any(fold >= index.folds for _, _, fold in keys),
        "the blocks hold other spaces than the dims": held != index.dims.keys(),
        "the tensors are not those of the blocks": wanted != tensors.keys(),
    }
    found = [words for words, wrong in problems.items() if wrong]
    if found:
        raise ArtifactError("the moments are damaged", where=where, got="; ".join(found))


def _require_shapes(total: torch.Tensor, outer: torch.Tensor, width: int, where: str) -> None:
    got = [(tuple(tensor.shape), tensor.dtype) for tensor in (total, outer)]
    expected = [((width,), torch.float64), ((width * (width + 1) // 2,), torch.float64)]
    if got != expected:
        raise ArtifactError("sums do not fit their spaces", where=where, got=got, expected=expected)


def _require_finite(tensors: dict[str, torch.Tensor], number: int, where: str) -> None:
    if not all(torch.isfinite(tensors[f"{number}/{part}"]).all() for part in ("total", "outer")):
        raise ArtifactError("sums hold NaN or infinity", where=where)


def _require_possible(n: int, total: torch.Tensor, outer: torch.Tensor, where: str) -> None:
    """No variance is negative: n times a sum of squares is at least the square of the sum."""
    if (n * outer.diagonal() < total.square() * (1 - _ROUNDING)).any():
        raise ArtifactError("sums of squares are smaller than any rows could make them", where=where)
