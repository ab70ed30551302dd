"""Learning the maps from raw vectors to a method's input: kernel features and projections, pass by pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from anybind.distributed import Runtime
from anybind.features import FeatureOptions, NystroemMap, feature_map
from anybind.input_maps import InputMap
from anybind.moments import Moments
from anybind.rows import Batch, RowSource, Sample, Sampler, checked_batches, fold_of, gathered_samples, random_order


def feature_maps(
    sources: list[RowSource],
    dims: Mapping[str, int],
    inputs: Mapping[str, InputMap],
    options: FeatureOptions,
    seed: int,
    runtime: Runtime,
) -> tuple[dict[str, InputMap], dict[str, dict[str, int]]]:
    """A first pass: landmarks drawn from all data sets that hold a space, the features they make, and their ids."""
    samples = {}
    for source in sources:
        samplers = {space: Sampler(options.landmarks, seed) for space in source.dims}
        for batch in checked_batches(source):
            for space in batch.vectors:
                held = _rows_with(batch, space)
                vectors = {space: inputs[space](held.vectors[space])}
                samplers[space].offer(held, vectors, torch.zeros(len(held.ids), dtype=torch.long))
        for space, sampler in samplers.items():
            samples[f"{source.name}, {space}"] = sampler.sample({space: source.dims[space]}, dims)
    if runtime.world > 1:
        samples = gathered_samples(samples, options.landmarks, seed, dims, runtime)
    result, ids = {}, {}
    for space in dims:
        names, landmarks = _landmarks(list(samples.values()), space, options.landmarks, seed)
        features = feature_map(landmarks, options, fold_of(space, seed, 2**31))
        # another machine may find other signs
        shared = runtime.broadcast(features)
        result[space] = replace(inputs[space], features=shared)
        ids[space] = {name: i for i, name in enumerate(names)}
    return result, ids


def as_unseen(sample: Sample, inputs: Mapping[str, InputMap], landmarks: Mapping[str, Mapping[str, int]]) -> Sample:
    """Rows as they would be, had none been a landmark; ``landmarks`` tells which items are. See ``own_parts``."""
    vectors = dict(sample.vectors)
    for space, rows in sample.vectors.items():
        features, projection = inputs[space].features, inputs[space].projection
        which = landmarks.get(space, {})
        found = [(i, which[item]) for i, item in enumerate(sample.ids) if item in which and sample.present[space][i]]
        if found and isinstance(features, NystroemMap):
            at, landmark = (list(part) for part in zip(*found, strict=True))
            own = features.own_parts()[landmark]
            vectors[space] = rows.clone()
            vectors[space][at] -= own if projection is None else own @ projection
    return replace(sample, vectors=vectors)


def _rows_with(batch: Batch, space: str) -> Batch:
    """The rows of a batch that have a space, and that space only."""
    if space not in batch.present:
        return Batch(batch.ids, {space: batch.vectors[space]}, {})
    mask = batch.present[space]
    ids = tuple(item for item, has in zip(batch.ids, mask.tolist(), strict=True) if has)
    return Batch(ids, {space: batch.vectors[space][mask]}, {})


def _landmarks(samples: list[Sample], space: str, count: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Ids and (<= count, d) rows of a space, each item once, whichever data set it is from."""
    rows = {
        item: sample.vectors[space][i]
        for sample in samples if space in sample.vectors
        for i, item in enumerate(sample.ids) if sample.present[space][i]
    }  # fmt: skip
    chosen = sorted(sorted(rows, key=lambda item: (random_order(item, seed), item))[:count])
    return chosen, torch.stack([rows[item] for item in chosen]) if chosen else torch.zeros(0, 1)


def projections(
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
        for batch in checked_batches(source):
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
