"""From vectors to what a method fits on: moments, a bounded sample of rows, and the map from raw vectors.

The data is read as a stream of batches, once, or twice when the spaces are too wide for full joint
moments: then the first pass takes each space's own covariance and a projection, the second the moments
of the projections. Of the rows, only their ids stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from anybind.distributed import Runtime
from anybind.errors import DataError
from anybind.features import FeatureOptions
from anybind.fit_context import FitContext
from anybind.input_fitting import as_unseen, feature_maps, projections
from anybind.input_maps import InputMap
from anybind.moments import DEFAULT_MEMORY_LIMIT, Group, Moments
from anybind.rows import (
    Batch,
    RowSource,
    Sample,
    Sampler,
    checked_batches,
    chosen_rows,
    fold_of,
    folds_of,
    gathered_samples,
    narrowed,
)

__all__ = ["Batch", "FitData", "RowSource", "Sample", "collect", "fold_of"]

SAMPLE_ROWS = 2000
FULL_WIDTH = 4096
PROJECTED_DIM = 256


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
        landmarks: Space -> id -> which landmark of the space's kernel features the item is.

    Samples are as rows to come would be: what a landmark's features owe to its being one is taken off.
    """

    moments: Moments
    samples: Mapping[str, Sample]
    inputs: Mapping[str, InputMap]
    sources: Sequence[RowSource] = ()
    seed: int = 0
    context: FitContext = field(default_factory=FitContext)
    landmarks: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)
    _groups: dict[int | None, list[Group]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dims(self) -> Mapping[str, int]:
        """Space -> dims of a method's input."""
        return self.moments.dims

    def rows(self) -> dict[str, Sample]:
        """Every row of every data set (of all ranks) as a method sees it, sorted by id: for methods that train.

        Takes 4 bytes a number on every rank; closed forms need ``moments`` only. To judge by held-out rows among
        them, take ``as_unseen`` of these.
        """
        folds, runtime = self.moments.folds, self.context.runtime
        return {source.name: _all_rows(source, self.inputs, self.seed, folds, runtime) for source in self.sources}

    def as_unseen(self, sample: Sample) -> Sample:
        """Rows as they would be, had none been a landmark of the kernel features; see ``NystroemMap.own_parts``."""
        return as_unseen(sample, self.inputs, self.landmarks)

    def without_fold(self, fold: int) -> FitData:
        """The data less one fold, so that a whole fit can be judged by rows it has not seen."""
        sources = tuple(replace(source, batches=partial(self._kept, source, fold)) for source in self.sources)
        samples = {name: sample.without_fold(fold) for name, sample in self.samples.items()}
        moments = self.moments.without_fold(fold)
        return FitData(moments, samples, self.inputs, sources, self.seed, self.context, self.landmarks)

    def _kept(self, source: RowSource, fold: int) -> Iterator[Batch]:
        for batch in source.batches():
            kept = torch.tensor([f != fold for f in folds_of(batch, self.seed, self.moments.folds)], dtype=torch.bool)
            yield chosen_rows(batch, kept)

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
        held_out += folds_of(batch, seed, folds)
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

def collect(
    sources: list[RowSource],
    *,
    folds: int = 5,
    seed: int = 0,
    normalise: bool = True,
    features: FeatureOptions | None = None,
    sample_rows: int = SAMPLE_ROWS,
    full_width: int = FULL_WIDTH,
    projected_dim: int = PROJECTED_DIM,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    context: FitContext | None = None,
    known: Mapping[str, InputMap] | None = None,
) -> FitData:
    """Read data sets into moments and samples.

    Args:
        sources: The data sets; a space has the same dims in all of them.
        folds: Number of folds; rows are assigned by a hash of their group, or of their id without groups.
        seed: Seeds the folds and the sample.
        normalise: Scale every row to unit length first.
        features: Kernel features to replace the rows by; needs one more pass over the data.
        sample_rows: At most this many rows per data set are kept for selection; 0 for no samples at all.
        full_width: Spaces are projected first when the widest data set stacks more dims than this.
        projected_dim: Dims of a projected space.
        memory_limit: Bytes the moments may take.
        context: The ranks to sum over, every one of which passes its own part of the rows; goes into the result.
        known: Space -> a map that is given; the other spaces get maps of their own, as told above.

    Raises:
        DataError: a data set has no rows, one row, duplicate ids, or NaN; a space has no rows; dims differ
            between data sets.
        MemoryLimitError: the moments would not fit.

    Returns:
        FitData in the coordinates given by its ``inputs``.
    """
    context = context or FitContext()
    runtime = context.runtime
    raw, known = _joint_dims(sources), known or {}
    inputs = {space: known.get(space, InputMap(normalise)) for space in raw}
    dims = {space: inputs[space].width(dim) for space, dim in raw.items()}
    new = [space for space in raw if space not in known]
    unmapped = narrowed(sources, new) if known else sources
    landmarks: dict[str, dict[str, int]] = {}
    if features is not None and new:
        made, landmarks = feature_maps(unmapped, {s: dims[s] for s in new}, inputs, features, seed, runtime)
        inputs |= made
        dims |= {space: made[space].width(raw[space]) for space in new}
    if new and max((sum(dims[space] for space in source.dims) for source in sources), default=0) > full_width:
        inputs |= projections(unmapped, {s: dims[s] for s in new}, inputs, projected_dim, memory_limit, runtime)
        dims |= {space: min(dims[space], projected_dim) for space in new}
    moments = Moments(dims, folds=folds, memory_limit=memory_limit)
    samples, counts = {}, {}
    for source in sources:
        sampler = Sampler(sample_rows, seed)
        counts[source.name] = 0
        for batch in checked_batches(source):
            vectors = {space: inputs[space](rows) for space, rows in batch.vectors.items()}
            fold = torch.tensor(folds_of(batch, seed, folds), dtype=torch.long)
            moments.update(source.name, vectors, fold, batch.present)
            sampler.offer(batch, vectors, fold)
            counts[source.name] += len(batch.ids)
        samples[source.name] = sampler.sample(source.dims, dims)
    _require_rows(counts, runtime)
    if runtime.world > 1:
        moments.all_reduce(runtime)
        samples = gathered_samples(samples, sample_rows, seed, dims, runtime)
    _require_every_space(moments)
    samples = {name: as_unseen(sample, inputs, landmarks) for name, sample in samples.items()}
    return FitData(moments, samples if sample_rows else {}, inputs, tuple(sources), seed, context, landmarks)

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
