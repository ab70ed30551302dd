"""One pass over a data set: what is counted over all rows, and the bounded sample that the rest is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from anybind.fit_data import Batch, RowSource
from anybind.rows import random_order

FEWEST_ROWS = 20  # below this nothing is measured: the numbers would be noise
_MOST_NAMED = 5


@dataclass(frozen=True)
class Tally:
    """What one space's vectors of a data set are, counted over all rows.

    Attributes:
        rows: Rows that hold the space, with or without a sound vector.
        missing: Rows of the data set that do not hold it.
        zero: Vectors that are zero throughout.
        not_finite: Vectors with a NaN or infinity.
        dead_dims: Dims that have one value in all finite vectors; 0 where there are fewer than two.
        dead_ids: The first few ids of zero or not finite vectors.
    """

    rows: int
    missing: int
    zero: int
    not_finite: int
    dead_dims: int
    dead_ids: tuple[str, ...]


@dataclass(frozen=True)
class SampledRows:
    """A sample of one data set's rows, drawn by a hash of their ids: it does not depend on order or machine.

    Attributes:
        name: The data set.
        n_rows: Its rows in all.
        ids, groups: Of the sampled rows; a row without a group is its own.
        vectors: Space -> (k, dim) float32 unit vectors; zeros where not sound.
        raw: Space -> (k, dim) float32, as they were stored.
        sound: Space -> (k,) bool: there is a vector, it is finite, and it is not zero.
        tallies: Space -> counts over all rows.
    """

    name: str
    n_rows: int
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    vectors: Mapping[str, torch.Tensor]
    raw: Mapping[str, torch.Tensor]
    sound: Mapping[str, torch.Tensor]
    tallies: Mapping[str, Tally]

    def of(self, space: str) -> torch.Tensor:
        """The sound unit vectors of a space, (m, dim) float32."""
        return self.vectors[space][self.sound[space]]

    def paired(self, a: str, b: str) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        """Unit vectors of two spaces, (m, d_a) and (m, d_b), and groups of the rows where both are sound."""
        both = self.sound[a] & self.sound[b]
        return self.vectors[a][both], self.vectors[b][both], self.groups_where(both)

    def groups_where(self, rows: torch.Tensor) -> list[str]:
        """The groups of the rows where the mask (k,) is true."""
        return [group for group, kept in zip(self.groups, rows.tolist(), strict=True) if kept]


def sample_rows(source: RowSource, limit: int, seed: int = 0) -> SampledRows:
    """Read a data set once: count over all rows, keep at most ``limit`` of them.

    Args:
        source: The data set.
        limit: Rows kept at most: those whose ids hash lowest.
        seed: Another seed draws another sample.
    """
    counters = {space: _Counter(dim) for space, dim in source.dims.items()}
    kept, n_rows = _Kept(limit, seed), 0
    for batch in source.batches():
        n_rows += len(batch.ids)
        for space, counter in counters.items():
            counter.add(batch.vectors[space], _held(batch, space), batch.ids)
        kept.offer(batch)
    return kept.sample(source, n_rows, {space: counter.tally() for space, counter in counters.items()})


class _Counter:
    """Counts over the rows of one space as they stream by."""

    def __init__(self, dim: int) -> None:
        self._rows = self._missing = self._zero = self._not_finite = self._finite = 0
        self._low, self._high = torch.full((dim,), torch.inf), torch.full((dim,), -torch.inf)
        self._dead: list[str] = []

    def add(self, vectors: torch.Tensor, held: torch.Tensor, ids: Sequence[str]) -> None:
        finite = torch.isfinite(vectors).all(1)
        zero = (vectors == 0).all(1)
        self._rows += int(held.sum())
        self._missing += int((~held).sum())
        self._zero += int((held & zero).sum())
        self._not_finite += int((held & ~finite).sum())
        rows = vectors[held & finite]
        if len(rows):
            self._finite += len(rows)
            self._low = torch.minimum(self._low, rows.amin(0))
            self._high = torch.maximum(self._high, rows.amax(0))
        if len(self._dead) < _MOST_NAMED:
            dead = (held & (zero | ~finite)).nonzero().flatten()[:_MOST_NAMED].tolist()
            self._dead += [ids[row] for row in dead]

    def tally(self) -> Tally:
        dead_dims = int((self._low == self._high).sum()) if self._finite > 1 else 0
        return Tally(self._rows, self._missing, self._zero, self._not_finite, dead_dims,
                     tuple(self._dead[:_MOST_NAMED]))  # fmt: skip


class _Kept:
    """The rows whose ids hash lowest."""

    def __init__(self, limit: int, seed: int) -> None:
        self._limit, self._seed = limit, seed
        self._names: list[tuple[int, str, str]] = []  # order, id, group
        self._vectors: dict[str, torch.Tensor] = {}
        self._held: dict[str, torch.Tensor] = {}

    def offer(self, batch: Batch) -> None:
        groups = batch.groups or batch.ids
        names = [(random_order(item, self._seed), item, group) for item, group in zip(batch.ids, groups, strict=True)]
        pooled = [*self._names, *names]
        chosen = sorted(range(len(pooled)), key=pooled.__getitem__)[: self._limit]
        self._names = [pooled[i] for i in chosen]
        for space, rows in batch.vectors.items():
            self._vectors[space] = _joined(self._vectors.get(space), rows)[chosen]
            self._held[space] = _joined(self._held.get(space), _held(batch, space))[chosen]

    def sample(self, source: RowSource, n_rows: int, tallies: Mapping[str, Tally]) -> SampledRows:
        raw = {space: self._vectors.get(space, torch.zeros(0, dim)) for space, dim in source.dims.items()}
        held = {space: self._held.get(space, torch.zeros(0, dtype=torch.bool)) for space in source.dims}
        sound = {space: held[space] & torch.isfinite(v).all(1) & (v != 0).any(1) for space, v in raw.items()}
        unit = {space: torch.where(sound[space][:, None], _unit(v), 0.0) for space, v in raw.items()}
        ids, groups = tuple(name[1] for name in self._names), tuple(name[2] for name in self._names)
        return SampledRows(source.name, n_rows, ids, groups, unit, raw, sound, tallies)


def _held(batch: Batch, space: str) -> torch.Tensor:
    held = batch.present.get(space)
    return torch.ones(len(batch.ids), dtype=torch.bool) if held is None else held


def _joined(before: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    return rows if before is None else torch.cat([before, rows])


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    wide = vectors.double()  # squares of float32 overflow
    unit: torch.Tensor = wide / wide.norm(dim=1, keepdim=True)
    return unit.float()
