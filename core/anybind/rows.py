"""Rows of paired vectors as they stream by: batches, folds, checks, and samples drawn from them."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from anybind.errors import DataError

if TYPE_CHECKING:
    from anybind.distributed import Runtime


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

    def without_fold(self, fold: int) -> Sample:
        """The rows of all other folds."""
        kept = self.folds != fold
        ids = tuple(item for item, keep in zip(self.ids, kept.tolist(), strict=True) if keep)
        vectors, present = ({s: t[kept] for s, t in part.items()} for part in (self.vectors, self.present))
        return Sample(ids, vectors, present, self.folds[kept])

def fold_of(name: str, seed: int, folds: int) -> int:
    """The fold of an id (or group); the same on every machine and for every data set that holds it."""
    # surrogates stand in names of files that are no UTF-8
    digest = hashlib.blake2b(f"{seed}:{name}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % folds


def folds_of(batch: Batch, seed: int, folds: int) -> list[int]:
    """The fold of every row."""
    return [fold_of(name, seed, folds) for name in batch.groups or batch.ids]


def chosen_rows(batch: Batch, chosen: torch.Tensor) -> Batch:
    """The rows of a batch where ``chosen`` is true."""
    ids, groups = (
        None if names is None else tuple(name for name, keep in zip(names, chosen.tolist(), strict=True) if keep)
        for names in (batch.ids, batch.groups)
    )
    vectors, present = ({s: t[chosen] for s, t in part.items()} for part in (batch.vectors, batch.present))
    return Batch(ids or (), vectors, present, groups)


def narrowed(sources: Sequence[RowSource], spaces: Collection[str]) -> list[RowSource]:
    """The sources with some of their spaces only; without those that have none of them."""
    kept = {source.name: {space: dim for space, dim in source.dims.items() if space in spaces} for source in sources}
    return [
        RowSource(source.name, kept[source.name], partial(_narrow_batches, source, kept[source.name]))
        for source in sources if kept[source.name]
    ]  # fmt: skip


def _narrow_batches(source: RowSource, spaces: Collection[str]) -> Iterator[Batch]:
    for batch in source.batches():
        vectors, present = ({s: t for s, t in part.items() if s in spaces} for part in (batch.vectors, batch.present))
        yield replace(batch, vectors=vectors, present=present)


def checked_batches(source: RowSource) -> Iterator[Batch]:
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

def random_order(item: str, seed: int) -> int:
    """A place in a random order of all ids there could be; apart from the folds."""
    return fold_of(item, seed + 1_000_003, 2**62)


class Sampler:
    """Keeps the rows whose id hashes lowest: a uniform sample that does not depend on order or ranks."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._heap: list[tuple[int, str, int, dict[str, tuple[torch.Tensor, bool]]]] = []

    def offer(self, batch: Batch, vectors: Mapping[str, torch.Tensor], folds: torch.Tensor) -> None:
        """Rows of a batch, as a method sees them, with their folds."""
        for i, item in enumerate(batch.ids if self._size else ()):
            # negated: heapq keeps the smallest on top, and the largest hash must go first
            order = -random_order(item, self._seed)
            if len(self._heap) == self._size and order < self._heap[0][0]:
                continue
            # cloned: a view would keep the whole batch in memory
            held = {s: (v[i].clone(), _held(batch, s, i)) for s, v in vectors.items()}
            entry = (order, item, int(folds[i]), held)
            push = heapq.heappush if len(self._heap) < self._size else heapq.heappushpop
            push(self._heap, entry)

    def sample(self, spaces: Mapping[str, int], dims: Mapping[str, int]) -> Sample:
        """What was kept, by id."""
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


def gathered_samples(
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
        sampler = Sampler(size, seed)
        for part in parts:
            sample: Sample = part[name]
            sampler.offer(Batch(sample.ids, sample.vectors, sample.present), sample.vectors, sample.folds)
        result[name] = sampler.sample(dict.fromkeys(own.vectors, 0), dims)
    return result
