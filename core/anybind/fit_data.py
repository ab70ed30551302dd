"""From vectors to what a method fits on: moments, a bounded sample of rows, and the map from raw vectors.

The data is read as a stream of batches, once, or twice when the spaces are too wide for full joint
moments: then the first pass takes each space's own covariance and a projection, the second the moments
of the projections. Memory never depends on the number of rows.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from anybind.errors import DataError
from anybind.moments import DEFAULT_MEMORY_LIMIT, Moments

if TYPE_CHECKING:
    from anybind.distributed import Runtime

SAMPLE_ROWS = 2000
FULL_WIDTH = 4096
PROJECTED_DIM = 256


@dataclass(frozen=True)
class Batch:
    """Some rows of one data set.

    ``vectors``: space -> (n, dim) float32. ``present``: space -> (n,) bool for the spaces in which rows
    are missing; a missing row's vector is ignored.
    """

    ids: tuple[str, ...]
    vectors: Mapping[str, torch.Tensor]
    present: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class RowSource:
    """One data set as a stream: its dims per space, and a function that starts a pass over its batches."""

    name: str
    dims: Mapping[str, int]
    batches: Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class InputMap:
    """How raw vectors of a space become a method's input: unit length if asked, then a projection if any."""

    normalise: bool
    projection: torch.Tensor | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, raw dim) -> (n, dim) float32."""
        vectors = vectors.to(torch.float32)
        if self.normalise:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors if self.projection is None else vectors @ self.projection


@dataclass(frozen=True)
class Sample:
    """A bounded sample of one data set's rows, in method input coordinates, for selection on held-out rows."""

    ids: tuple[str, ...]
    vectors: Mapping[str, torch.Tensor]
    present: Mapping[str, torch.Tensor]
    folds: torch.Tensor

    def paired(self, a: str, b: str, fold: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The sample's rows of one fold that have both spaces: (k, d_a) and (k, d_b)."""
        rows = self.present[a] & self.present[b] & (self.folds == fold)
        return self.vectors[a][rows], self.vectors[b][rows]


@dataclass(frozen=True)
class FitData:
    """Everything a binder method may look at while fitting."""

    moments: Moments
    samples: Mapping[str, Sample]
    inputs: Mapping[str, InputMap]

    @property
    def dims(self) -> Mapping[str, int]:
        """Space -> dims of a method's input."""
        return self.moments.dims


def fold_of(item_id: str, seed: int, folds: int) -> int:
    """The fold an id belongs to; the same on every machine and for every data set that holds the id."""
    digest = hashlib.blake2b(f"{seed}:{item_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % folds


def collect(
    sources: list[RowSource],
    *,
    folds: int = 5,
    seed: int = 0,
    normalise: bool = True,
    sample_rows: int = SAMPLE_ROWS,
    full_width: int = FULL_WIDTH,
    projected_dim: int = PROJECTED_DIM,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    runtime: Runtime | None = None,
) -> FitData:
    """Read data sets into moments and samples.

    Args:
        sources: The data sets; a space has the same dims in all of them.
        folds: Number of folds; rows are assigned by a hash of their id.
        seed: Seeds the folds and the sample.
        normalise: Scale every row to unit length first.
        sample_rows: At most this many rows per data set are kept for selection.
        full_width: Spaces are projected first when the widest data set stacks more dims than this.
        projected_dim: Dims of a projected space.
        memory_limit: Bytes the moments may take.
        runtime: Sum over ranks; every rank passes its own part of the rows.

    Raises:
        DataError: a data set has no rows, one row, duplicate ids, or NaN; dims differ between data sets.
        MemoryLimitError: the moments would not fit.

    Returns:
        FitData in the coordinates given by its ``inputs``.
    """
    dims = _joint_dims(sources)
    inputs = {space: InputMap(normalise) for space in dims}
    if max((sum(source.dims.values()) for source in sources), default=0) > full_width:
        inputs = _projections(sources, dims, inputs, projected_dim, memory_limit, runtime)
        dims = {space: min(dim, projected_dim) for space, dim in dims.items()}
    moments = Moments(dims, folds=folds, memory_limit=memory_limit)
    samples = {}
    for source in sources:
        sampler = _Sampler(sample_rows, seed)
        count = 0
        for batch in _checked_batches(source):
            vectors = {space: inputs[space](rows) for space, rows in batch.vectors.items()}
            fold = torch.tensor([fold_of(item, seed, folds) for item in batch.ids], dtype=torch.long)
            moments.update(source.name, vectors, fold, batch.present)
            sampler.offer(batch, vectors, fold)
            count += len(batch.ids)
        _require_rows(source.name, count, runtime)
        samples[source.name] = sampler.sample(source.dims, dims)
    if runtime is not None and runtime.world > 1:
        moments.all_reduce(runtime)
        samples = _gathered_samples(samples, sample_rows, seed, dims, runtime)
    return FitData(moments, samples, inputs)


def _joint_dims(sources: list[RowSource]) -> dict[str, int]:
    dims: dict[str, int] = {}
    for source in sources:
        for space, dim in source.dims.items():
            if dims.setdefault(space, dim) != dim:
                raise DataError(
                    "a space has different dims in two data sets",
                    where=f"data set {source.name!r}, space {space!r}", got=dim, expected=dims[space],
                )  # fmt: skip
    return dims


def _projections(
    sources: list[RowSource],
    dims: Mapping[str, int],
    inputs: Mapping[str, InputMap],
    projected_dim: int,
    memory_limit: int,
    runtime: Runtime | None,
) -> dict[str, InputMap]:
    """Pass 1: each space's own covariance, pooled over data sets, and its leading directions."""
    own = Moments(dims, folds=1, memory_limit=memory_limit)
    for source in sources:
        for batch in _checked_batches(source):
            zeros = torch.zeros(len(batch.ids), dtype=torch.long)
            for space, rows in batch.vectors.items():
                present = {space: batch.present[space]} if space in batch.present else {}
                own.update(source.name, {space: inputs[space](rows)}, zeros, present)
    if runtime is not None:
        own.all_reduce(runtime)
    groups = own.groups()
    result = {}
    for space, dim in dims.items():
        if dim <= projected_dim:
            result[space] = inputs[space]
            continue
        pooled = sum(
            (g.n * g.covariance for g in groups if g.spaces == (space,)), torch.zeros(dim, dim, dtype=torch.float64)
        )
        directions = torch.linalg.eigh(pooled).eigenvectors[:, -projected_dim:].flip(1)
        result[space] = InputMap(inputs[space].normalise, directions.to(torch.float32))
    return result


def _checked_batches(source: RowSource) -> Iterator[Batch]:
    """The source's batches; refuses an id that was seen before."""
    seen: set[str] = set()
    for batch in source.batches():
        for item in batch.ids:
            if item in seen:
                raise DataError(
                    "an id occurs twice in a data set",
                    where=f"data set {source.name!r}", got=item, expected="ids that are unique within the data set",
                )  # fmt: skip
            seen.add(item)
        yield batch


def _require_rows(name: str, count: int, runtime: Runtime | None) -> None:
    if count < 2 and (runtime is None or runtime.world == 1):
        raise DataError(
            "a data set is too small to fit on",
            where=f"data set {name!r}", got=f"{count} rows", expected="at least 2 paired rows",
        )  # fmt: skip


class _Sampler:
    """Keeps the rows whose id hashes lowest: a uniform sample that does not depend on order or ranks."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._heap: list[tuple[int, str, int, dict[str, tuple[torch.Tensor, bool]]]] = []

    def offer(self, batch: Batch, vectors: Mapping[str, torch.Tensor], folds: torch.Tensor) -> None:
        for i, item in enumerate(batch.ids):
            # negated: heapq keeps the smallest on top, and the largest hash must go first
            order = -fold_of(item, self._seed + 1_000_003, 2**62)
            if len(self._heap) == self._size and order < self._heap[0][0]:
                continue
            held = {s: (v[i], bool(batch.present[s][i]) if s in batch.present else True) for s, v in vectors.items()}
            entry = (order, item, int(folds[i]), held)
            push = heapq.heappush if len(self._heap) < self._size else heapq.heappushpop
            push(self._heap, entry)

    def sample(self, spaces: Mapping[str, int], dims: Mapping[str, int]) -> Sample:
        rows = sorted(self._heap, key=lambda entry: entry[1])
        vectors, present = {}, {}
        for space in spaces:
            present[space] = torch.tensor([row[3][space][1] for row in rows], dtype=torch.bool)
            empty = torch.zeros(0, dims[space])
            vectors[space] = torch.stack([row[3][space][0] for row in rows]) if rows else empty
        folds = torch.tensor([row[2] for row in rows], dtype=torch.long)
        return Sample(tuple(row[1] for row in rows), vectors, present, folds)


def _gathered_samples(
    samples: Mapping[str, Sample], size: int, seed: int, dims: Mapping[str, int], runtime: Runtime
) -> dict[str, Sample]:
    """The sample one rank would have drawn from all rows."""
    parts = runtime.all_gather_object(samples)
    result = {}
    for name, own in samples.items():
        sampler = _Sampler(size, seed)
        for part in parts:
            sample: Sample = part[name]
            sampler.offer(Batch(sample.ids, sample.vectors, sample.present), sample.vectors, sample.folds)
        result[name] = sampler.sample(dict.fromkeys(own.vectors, 0), dims)
    return result
