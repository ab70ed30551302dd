"""Adding data to a fitted binder: from its moments and the new rows, without those it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anybind.artifact import DatasetInfo, SpaceInfo, Training
from anybind.bridging import all_targets, routes_for
from anybind.errors import AnybindError, ShapeError, UsageError
from anybind.fit_data import FitData, RowSource, collect
from anybind.input_maps import InputMap
from anybind.moments import Moments
from anybind.provenance import space_described, training_described

if TYPE_CHECKING:
    from anybind.registry import Registry


@dataclass(frozen=True)
class Parts:
    """What a fit leaves behind, and what it saw.

    Attributes:
        method: Fitted.
        spaces: Space -> what it is.
        inputs: Space -> the map from raw vectors to the method's input.
        training: The data.
        moments: Of all rows, as the method sees them.
    """

    method: Any
    spaces: Mapping[str, SpaceInfo]
    inputs: Mapping[str, InputMap]
    training: Training
    moments: Moments


def require_extensible(method_name: str, method: Any, moments: Moments | None, registry: Registry) -> Moments:
    """The moments of a binder that can be extended.

    Raises:
        UsageError: the method needs rows, or the moments were not kept.
    """
    if not hasattr(method, "partial_fit"):
        raise UsageError(
            f"the method {method_name!r} cannot add data to a fit", expected=f"one of {', '.join(_able(registry))}",
            hint="fit again on all data sets, or fit with one of these methods and keep_moments=True",
        )  # fmt: skip
    if moments is None:
        raise UsageError(
            "this binder was fitted without keeping its moments, so nothing can be added to it",
            hint="fit again with keep_moments=True (anybind fit --keep-moments)",
        )
    return moments


def extended(
    parts: Parts,
    sources: Sequence[RowSource],
    *,
    steps: int = 5,
    spaces: Mapping[str, SpaceInfo] | None = None,
    datasets: Mapping[str, DatasetInfo] | None = None,
) -> Parts:
    """The parts of a binder with more data sets.

    Known spaces keep their input maps. A new space gets one of its own, made as theirs were: of unit length, with
    kernel features, projected where the data are too wide. The targets are those of before, and every pair that
    the new data join for the first time; routes are found anew.

    Args:
        parts: Of a binder; they are not changed.
        sources: The new data sets.
        steps: For methods that need steps.
        spaces: What is known of new spaces.
        datasets: What is known of the new data sets.

    Raises:
        UsageError: a data set of this name is there already, or ``steps`` is below 1.
        ShapeError: a space has other dims than before.
        DataError, MemoryLimitError: as ``anybind.fit``.
    """
    if steps < 1:
        raise UsageError("there must be a step to go on by", got=steps, expected="steps of at least 1")
    _require_new(parts.training, sources)
    _require_dims(parts.spaces, sources)
    data = _collected(parts, sources)
    merged = parts.moments.merge(data.moments)
    targets = _targets(parts, merged)
    routes = routes_for(merged, targets)
    method = parts.method.partial_fit(merged, targets=targets, routes=routes, steps=steps)
    raw_dims = {space: dim for source in sources for space, dim in source.dims.items()}
    infos = dict(parts.spaces)
    for space in raw_dims.keys() - infos.keys():
        infos[space] = space_described(space, raw_dims[space], data.inputs[space], (spaces or {}).get(space))
    known = dict(parts.training.datasets)
    for source in sources:
        told = (datasets or {}).get(source.name, DatasetInfo(rows={}))
        known[source.name] = told.model_copy(update={"added": True})
    training = training_described(merged, parts.training.seed, routes, known)
    return Parts(method, infos, {**parts.inputs, **data.inputs}, training, merged)


def _collected(parts: Parts, sources: Sequence[RowSource]) -> FitData:
    """The new rows' moments, in the coordinates of the fit; of the rows themselves none are kept."""
    return collect(
        list(sources), folds=parts.moments.folds, seed=parts.training.seed,
        normalise=all(each.normalise for each in parts.inputs.values()),
        features=getattr(parts.method, "input_features", None), sample_rows=0, known=parts.inputs,
    )  # fmt: skip


def _targets(parts: Parts, merged: Moments) -> list[tuple[str, str]]:
    joined = {frozenset(pair) for pair in all_targets(parts.moments)}
    before = [path.pair for path in parts.training.paths]
    return before + [pair for pair in all_targets(merged) if frozenset(pair) not in joined]


def _able(registry: Registry) -> list[str]:
    """The methods that can go on from moments."""
    found = []
    for name in registry.binders:
        with suppress(AnybindError):  # another plugin's trouble is not this binder's
            if hasattr(registry.binder_class(name), "partial_fit"):
                found.append(name)
    return sorted(found)


def _require_new(training: Training, sources: Sequence[RowSource]) -> None:
    again = [source.name for source in sources if source.name in training.datasets]
    if again:
        raise UsageError(
            "the binder has seen a data set of this name", got=again[0],
            expected="rows it has not seen, under a name of their own",
            hint=f"if these rows are new, name them {again[0] + '-2'!r}: rows added twice would count twice",
        )  # fmt: skip


def _require_dims(spaces: Mapping[str, SpaceInfo], sources: Sequence[RowSource]) -> None:
    for source in sources:
        for space, dim in source.dims.items():
            if space in spaces and spaces[space].dim != dim:
                raise ShapeError(
                    "a space has other dims than the binder was fitted with",
                    where=f"data set {source.name!r}, space {space!r}", got=dim, expected=spaces[space].dim,
                )  # fmt: skip
