"""From vectors to what a method fits on: moments, a bounded sample of rows, and the map from raw vectors.

The data is read as a stream of batches, once, or twice when the spaces are too wide for full joint
moments: then the first pass takes each space's own covariance and a projection, the second the moments
of the projections. Of the rows, only their ids stay in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from anybind.errors import DataError
from anybind.fit_context import FitContext
from anybind.input_maps import InputMap, KernelOptions, kernel_map
from anybind.moments import DEFAULT_MEMORY_LIMIT, Group, Moments

if TYPE_CHECKING:
    from anybind.distributed import Runtime

SAMPLE_ROWS = 2000
FULL_WIDTH = 4096
PROJECTED_DIM = 256


@dataclass(frozen=True)
class Batch:
    """Some rows of one data set.

    ``vectors``: space -> (n, dim) float32. ``present``: space -> (n,) bool for the spaces in which rows
    are missing; a missing row's vector is ignored. ``groups``: for every row the name of the group of
    near-duplicates it belongs to, if that is known: a group is never divided between folds.
    """

    ids: tuple[str, ...]
    vectors: Mapping[str, torch.Tensor]
    present: Mapping[str, torch.Tensor]
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RowSource:
    """One data set as a stream: its dims per space, and a function that starts a pass over its batches."""

    name: str
    dims: Mapping[str, int]
    batches: Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Sample:
    """A bounded sample of one data set's rows, as a method sees them, for selection on held-out rows."""

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
    """Everything a binder method may look at while fitting.

    Attributes:
        moments: Second moments of all rows.
        samples: Data set -> a bounded sample of its rows, for choosing options on held-out rows.
        inputs: Space -> the map from raw vectors to a method's input.
        sources: The streams that were read; ``rows`` reads them again.
        seed: Seeds the folds.
        context: The ranks, checkpoints and progress of this fit.
    """

    moments: Moments
    samples: Mapping[str, Sample]
    inputs: Mapping[str, InputMap]
    sources: Sequence[RowSource] = ()
    seed: int = 0
    context: FitContext = field(default_factory=FitContext)
    _groups: dict[int | None, list[Group]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dims(self) -> Mapping[str, int]:
        """Space -> dims of a method's input."""
        return self.moments.dims

    def rows(self) -> dict[str, Sample]:
        """Every row of every data set (of all ranks) as a method sees it, sorted by id: for methods that train.

        Takes 4 bytes a number on every rank; closed forms need ``moments`` only.
        """
        folds, runtime = self.moments.folds, self.context.runtime
        return {source.name: _all_rows(source, self.inputs, self.seed, folds, runtime) for source in self.sources}

    def groups(self, *, without_fold: int | None = None) -> list[Group]:
        """As ``Moments.groups``, kept: choosing options asks for the same folds over and over."""
        if without_fold not in self._groups:
            self._groups[without_fold] = self.moments.groups(without_fold=without_fold)
        return self._groups[without_fold]

    def means(self, *, without_fold: int | None = None) -> dict[tuple[str, str], torch.Tensor]:
        """(data set, space) -> (d,) float64 mean over the rows of the data set that have the space."""
        groups = self.groups(without_fold=without_fold)
        return {(g.dataset, space): g.mean[columns] for g in groups for space, columns in g.columns.items()}


def _all_rows(source: RowSource, inputs: Mapping[str, InputMap], seed: int, folds: int, runtime: Runtime) -> Sample:
    """Every row of a data set in memory, those of all ranks, by id."""
    ids: list[str] = []
    held_out: list[int] = []
    vectors: dict[str, list[torch.Tensor]] = {space: [] for space in source.dims}
    present: dict[str, list[torch.Tensor]] = {space: [] for space in source.dims}
    for batch in source.batches():
        ids += batch.ids
        held_out += [fold_of(name, seed, folds) for name in batch.groups or batch.ids]
        for space, rows in batch.vectors.items():
            vectors[space].append(inputs[space](rows))
            present[space].append(batch.present.get(space, torch.ones(len(rows), dtype=torch.bool)))
    own = (ids, held_out, {s: torch.cat(v) for s, v in vectors.items()}, {s: torch.cat(p) for s, p in present.items()})
    parts = runtime.all_gather_object(own)
    every = [item for part in parts for item in part[0]]
    order = sorted(range(len(every)), key=every.__getitem__)
    return Sample(
        tuple(every[i] for i in order),
        {space: torch.cat([part[2][space] for part in parts])[order] for space in source.dims},
        {space: torch.cat([part[3][space] for part in parts])[order] for space in source.dims},
        torch.tensor([fold for part in parts for fold in part[1]], dtype=torch.long)[order],
    )


def fold_of(name: str, seed: int, folds: int) -> int:
    """The fold of an id (or group); the same on every machine and for every data set that holds it."""
    # surrogates stand in names of files that are no UTF-8
    digest = hashlib.blake2b(f"{seed}:{name}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % folds


def collect(
    sources: list[RowSource],
    *,
    folds: int = 5,
    seed: int = 0,
    normalise: bool = True,
    kernel: KernelOptions | None = None,
    sample_rows: int = SAMPLE_ROWS,
    full_width: int = FULL_WIDTH,
    projected_dim: int = PROJECTED_DIM,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    context: FitContext | None = None,
) -> FitData:
    """Read data sets into moments and samples.

    Args:
        sources: The data sets; a space has the same dims in all of them.
        folds: Number of folds; rows are assigned by a hash of their group, or of their id without groups.
        seed: Seeds the folds and the sample.
        normalise: Scale every row to unit length first.
        kernel: Kernel features to replace the rows by; needs one more pass over the data.
        sample_rows: At most this many rows per data set are kept for selection; 0 for no samples at all.
        full_width: Spaces are projected first when the widest data set stacks more dims than this.
        projected_dim: Dims of a projected space.
        memory_limit: Bytes the moments may take.
        context: The ranks to sum over, every one of which passes its own part of the rows; goes into the result.

    Raises:
        DataError: a data set has no rows, one row, duplicate ids, or NaN; a space has no rows; dims differ
            between data sets.
        MemoryLimitError: the moments would not fit.

    Returns:
        FitData in the coordinates given by its ``inputs``.
    """
    context = context or FitContext()
    runtime = context.runtime
    dims = _joint_dims(sources)
    inputs = {space: InputMap(normalise) for space in dims}
    if kernel is not None:
        inputs = _kernel_maps(sources, dims, inputs, kernel, seed, runtime)
        dims = {space: inputs[space].width(dim) for space, dim in dims.items()}
    if max((sum(dims[space] for space in source.dims) for source in sources), default=0) > full_width:
        inputs = _projections(sources, dims, inputs, projected_dim, memory_limit, runtime)
        dims = {space: min(dim, projected_dim) for space, dim in dims.items()}
    moments = Moments(dims, folds=folds, memory_limit=memory_limit)
    samples, counts = {}, {}
    for source in sources:
        sampler = _Sampler(sample_rows, seed)
        counts[source.name] = 0
        for batch in _checked_batches(source):
            vectors = {space: inputs[space](rows) for space, rows in batch.vectors.items()}
            names = batch.groups or batch.ids
            fold = torch.tensor([fold_of(name, seed, folds) for name in names], dtype=torch.long)
            moments.update(source.name, vectors, fold, batch.present)
            sampler.offer(batch, vectors, fold)
            counts[source.name] += len(batch.ids)
        samples[source.name] = sampler.sample(source.dims, dims)
    _require_rows(counts, runtime)
    if runtime.world > 1:
        moments.all_reduce(runtime)
        samples = _gathered_samples(samples, sample_rows, seed, dims, runtime)
    _require_every_space(moments)
    return FitData(moments, samples if sample_rows else {}, inputs, tuple(sources), seed, context)


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


def _kernel_maps(
    sources: list[RowSource],
    dims: Mapping[str, int],
    inputs: Mapping[str, InputMap],
    options: KernelOptions,
    seed: int,
    runtime: Runtime,
) -> dict[str, InputMap]:
    """A first pass: landmarks drawn from all data sets that hold a space, and the features they make."""
    samples = {}
    for source in sources:
        samplers = {space: _Sampler(options.landmarks, seed) for space in source.dims}
        for batch in _checked_batches(source):
            for space in batch.vectors:
                held = _rows_with(batch, space)
                vectors = {space: inputs[space](held.vectors[space])}
                samplers[space].offer(held, vectors, torch.zeros(len(held.ids), dtype=torch.long))
        for space, sampler in samplers.items():
            samples[f"{source.name}, {space}"] = sampler.sample({space: source.dims[space]}, dims)
    if runtime.world > 1:
        samples = _gathered_samples(samples, options.landmarks, seed, dims, runtime)
    result = {}
    for space in dims:
        landmarks = _landmarks(list(samples.values()), space, options.landmarks, seed)
        features = kernel_map(landmarks, options.width)
        # another machine may find other signs
        shared = runtime.broadcast(features)
        result[space] = replace(inputs[space], kernel=shared)
    return result


def _rows_with(batch: Batch, space: str) -> Batch:
    """The rows of a batch that have a space, and that space only."""
    if space not in batch.present:
        return Batch(batch.ids, {space: batch.vectors[space]}, {})
    mask = batch.present[space]
    ids = tuple(item for item, has in zip(batch.ids, mask.tolist(), strict=True) if has)
    return Batch(ids, {space: batch.vectors[space][mask]}, {})


def _landmarks(samples: list[Sample], space: str, count: int, seed: int) -> torch.Tensor:
    """(<= count, d) rows of a space, each item once, whichever data set it is from."""
    rows = {
        item: sample.vectors[space][i]
        for sample in samples if space in sample.vectors
        for i, item in enumerate(sample.ids) if sample.present[space][i]
    }  # fmt: skip
    chosen = sorted(rows, key=lambda item: (_order(item, seed), item))[:count]
    return torch.stack([rows[item] for item in sorted(chosen)]) if chosen else torch.zeros(0, 1)


def _projections(
    sources: list[RowSource],
    dims: Mapping[str, int],
    inputs: Mapping[str, InputMap],
    projected_dim: int,
    memory_limit: int,
    runtime: Runtime,
) -> dict[str, InputMap]:
    """Pass 1: each space's own covariance, pooled over data sets, and its leading directions."""
    own = Moments(dims, folds=1, memory_limit=memory_limit)
    for source in sources:
        for batch in _checked_batches(source):
            zeros = torch.zeros(len(batch.ids), dtype=torch.long)
            for space, rows in batch.vectors.items():
                present = {space: batch.present[space]} if space in batch.present else {}
                own.update(source.name, {space: inputs[space](rows)}, zeros, present)
    own.all_reduce(runtime)
    groups = own.groups()
    result = {}
    for space, dim in dims.items():
        if dim <= projected_dim:
            result[space] = inputs[space]
            continue
        pooled = torch.zeros(dim, dim, dtype=torch.float64)
        for group in groups:
            if group.spaces == (space,):
                pooled += group.n * group.covariance
        directions = torch.linalg.eigh(pooled).eigenvectors[:, -projected_dim:].flip(1).to(torch.float32)
        # another machine may find other signs, or other directions of equal variance
        shared = runtime.broadcast(directions)
        result[space] = replace(inputs[space], projection=shared.contiguous())
    return result


def _checked_batches(source: RowSource) -> Iterator[Batch]:
    """The source's batches; refuses ids seen before, and NaN by its row in the whole source."""
    seen: set[str] = set()
    for batch in source.batches():
        first = len(seen)
        for item in batch.ids:
            if item in seen:
                raise _repeated(source.name, item)
            seen.add(item)
        for space, rows in batch.vectors.items():
            bad = ~torch.isfinite(rows).all(1)
            if space in batch.present:
                bad &= batch.present[space]
            if bad.any():
                row = int(bad.nonzero()[0])
                raise DataError(
                    "a vector holds NaN or infinity",
                    where=f"data set {source.name!r}, space {space!r}, row {first + row}",
                    got=f"id {batch.ids[row]!r}; {int(bad.sum())} such rows among {len(rows)}",
                    expected="finite float32 numbers in every row that is present",
                )
        yield batch


def _repeated(dataset: str, item: str) -> DataError:
    return DataError(
        "an id occurs twice in a data set",
        where=f"data set {dataset!r}", got=item, expected="ids that are unique within the data set",
    )  # fmt: skip


def _require_rows(counts: Mapping[str, int], runtime: Runtime) -> None:
    parts = runtime.all_gather_object(counts)
    for name in counts:
        count = sum(part[name] for part in parts)
        if count < 2:
            raise DataError(
                "a data set is too small to fit on",
                where=f"data set {name!r}", got=f"{count} row{'' if count == 1 else 's'}",
                expected="at least 2 paired rows",
            )  # fmt: skip


def _require_every_space(moments: Moments) -> None:
    held = {space for dataset in moments.datasets for space in moments.spaces_of(dataset)}
    absent = sorted(moments.dims.keys() - held)
    if absent:
        raise DataError(
            "a space has no rows: they are all missing",
            where=f"space {', '.join(map(repr, absent))}",
            expected="rows in at least one data set", hint="leave the space out",
        )  # fmt: skip


def _order(item: str, seed: int) -> int:
    """A place in a random order of all ids there could be; apart from the folds."""
    return fold_of(item, seed + 1_000_003, 2**62)


class _Sampler:
    """Keeps the rows whose id hashes lowest: a uniform sample that does not depend on order or ranks."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._heap: list[tuple[int, str, int, dict[str, tuple[torch.Tensor, bool]]]] = []

    def offer(self, batch: Batch, vectors: Mapping[str, torch.Tensor], folds: torch.Tensor) -> None:
        for i, item in enumerate(batch.ids if self._size else ()):
            # negated: heapq keeps the smallest on top, and the largest hash must go first
            order = -_order(item, self._seed)
            if len(self._heap) == self._size and order < self._heap[0][0]:
                continue
            # cloned: a view would keep the whole batch in memory
            held = {s: (v[i].clone(), _held(batch, s, i)) for s, v in vectors.items()}
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


def _held(batch: Batch, space: str, row: int) -> bool:
    return space not in batch.present or bool(batch.present[space][row])


def _gathered_samples(
    samples: Mapping[str, Sample], size: int, seed: int, dims: Mapping[str, int], runtime: Runtime
) -> dict[str, Sample]:
    """The sample one rank would have drawn from all rows."""
    parts = runtime.all_gather_object(samples)
    result = {}
    for name, own in samples.items():
        counts = Counter(item for part in parts for item in part[name].ids)
        for item, count in counts.most_common(1):
            if count > 1:
                raise _repeated(name, item)
        sampler = _Sampler(size, seed)
        for part in parts:
            sample: Sample = part[name]
            sampler.offer(Batch(sample.ids, sample.vectors, sample.present), sample.vectors, sample.folds)
        result[name] = sampler.sample(dict.fromkeys(own.vectors, 0), dims)
    return result
