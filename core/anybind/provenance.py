"""What a binder was made of, and the licence that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from anybind.artifact import SpaceInfo, Training
from anybind.licences import Combined, combined


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
