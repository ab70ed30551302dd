"""What a binder was made of, and the licence that follows from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from anybind.artifact import DatasetInfo, PathInfo, SpaceInfo, Training
from anybind.input_maps import InputMap
from anybind.licences import Combined, combined
from anybind.moments import Moments


def space_described(space: str, dim: int, inputs: InputMap, known: SpaceInfo | None) -> SpaceInfo:
    """A space of raw length ``dim`` as it was fitted; ``known`` tells of its encoder."""
    known = known or SpaceInfo(name=space, modality=space, dim=dim, input_dim=dim)
    return known.model_copy(update={"dim": dim, "normalise": inputs.normalise, "input_dim": inputs.width(dim)})


def training_described(
    moments: Moments,
    seed: int,
    routes: Mapping[tuple[str, str], Sequence[Sequence[str]]],
    known: Mapping[str, DatasetInfo],
) -> Training:
    """What was fitted on: row counts, and the best route of every pair, in the order of ``routes``.

    Args:
        moments: Of all data sets.
        seed: Of the fit.
        routes: Pair -> its routes, best first.
        known: Data set -> what is known of it.
    """
    datasets = {
        name: known.get(name, DatasetInfo(rows={})).model_copy(
            update={"rows": {space: moments.pairs(space, space, name) for space in moments.spaces_of(name)}}
        )
        for name in moments.datasets
    }
    paths = tuple(_path(moments, pair, several[0]) for pair, several in routes.items())
    return Training(datasets=datasets, seed=int(seed), paths=paths)


def _path(moments: Moments, pair: tuple[str, str], spaces: Sequence[str]) -> PathInfo:
    """A route with the data sets of each hop."""
    hops = [
        tuple(name for name in moments.datasets if moments.pairs(a, b, name)) for a, b in itertools.pairwise(spaces)
    ]
    return PathInfo(pair=pair, spaces=tuple(spaces), datasets=tuple(hops))


def combined_licence(spaces: Mapping[str, SpaceInfo], training: Training) -> Combined:
    """The licences of all encoders and data sets, taken together; see ``anybind.licences``.

    Vectors and data whose origin is not known count as of unknown licence.
    """
    parts: dict[str, str | None] = {}
    for name, space in spaces.items():
        parts[f"encoder {space.encoder}" if space.encoder else f"vectors of {name}"] = space.licence
    for name, dataset in training.datasets.items():
        parts[f"data set {dataset.use}" if dataset.use else f"data set {name}"] = dataset.licence
    return combined(parts)


def local_paths(spaces: Mapping[str, SpaceInfo]) -> dict[str, str]:
    """Space -> an option of its encoder that names a place on this machine, which nobody else has."""
    return {
        name: f"{option}: {value}"
        for name, space in spaces.items()
        for option, value in space.options.items()
        if _is_local(value)
    }


def _is_local(value: Any) -> bool:
    return isinstance(value, str) and PurePath(value).is_absolute()
