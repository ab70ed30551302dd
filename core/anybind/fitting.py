"""Fitting a binder: on arrays, or on streams of rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.array_input import array_source
from anybind.artifact import DatasetInfo, PathInfo, SpaceInfo, Training
from anybind.binder import Binder
from anybind.bridging import Routes, all_targets, routes_for
from anybind.errors import NoPathError, UnknownNameError, UsageError
from anybind.fit_context import FitContext
from anybind.fit_data import FitData, RowSource, collect
from anybind.options import did_you_mean
from anybind.plugins import installed_registry

if TYPE_CHECKING:
    from anybind.moments import Moments
    from anybind.progress import EpochCallback
    from anybind.protocols import BinderMethod
    from anybind.registry import Registry

Pair = tuple[str, str]

_EXAMPLE = '{"pictures": {"image": array, "text": array}}'
# Held-out MRR of a few hundred rows is known to about this much.
_CLEARLY_BETTER = 0.01


def fit(
    datasets: Mapping[str, Mapping[str, Any]],
    *,
    method: str = "auto",
    options: Mapping[str, Any] | None = None,
    targets: Sequence[Pair] | None = None,
    present: Mapping[str, Mapping[str, Any]] | None = None,
    ids: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    from_nan: bool = False,
    normalise: bool = True,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    progress: EpochCallback | None = None,
    registry: Registry | None = None,
) -> Binder:
    """Fit a binder on arrays.

    Args:
        datasets: Data set -> space -> (n, dim) array; row i of every space of a data set is one item.
        method: Registered name of the method.
        options: The method's options.
        targets: The pairs of spaces that matter; every pair that the data sets join if None.
        present: Data set -> space -> (n,) booleans, where rows are missing.
        ids: Data set -> ids of its rows; items with one id in two data sets go into one fold.
        groups: Data set -> the group of near-duplicates each row belongs to, e.g. the clip of a frame;
            a group is never divided between the rows a choice is fitted on and those it is judged by.
        from_nan: Read rows that are all NaN as missing.
        normalise: Scale every row to unit length first; False for features whose length means something.
        seed: Seeds folds and every other random choice.
        checkpoints: Folder in which a trained method keeps its checkpoints and a log of its epochs; a killed
            fit that is started again goes on from there. Closed forms need none.
        progress: Called with ``anybind.progress.EpochProgress`` after every epoch of a trained method; a bar
            is drawn when None and stderr is a terminal.
        registry: Where the method is looked up; the installed plugins if None.

    Returns:
        A fitted binder. The inputs are not changed.

    Raises:
        DataError, ShapeError: the arrays are wrong; the message names data set, space and row.
        NoPathError: the data sets do not join a target's spaces.
        SelectionError: an option cannot be chosen honestly from so few rows.
        UnknownNameError, UsageError: no such method, space or option.
    """
    if not isinstance(datasets, Mapping) or not datasets:
        got = "none" if isinstance(datasets, Mapping) else type(datasets).__name__
        raise UsageError("fit needs data sets by name", got=got, expected=_EXAMPLE)
    present, ids, groups = (_by_dataset(what, given, datasets) for what, given in
                            (("present", present), ("ids", ids), ("groups", groups)))  # fmt: skip
    sources = [
        array_source(
            name,
            spaces,
            ids=ids.get(name),
            groups=groups.get(name),
            present=present.get(name),
            from_nan=from_nan,
        )
        for name, spaces in datasets.items()
    ]
    return fit_sources(
        sources,
        method=method,
        options=options,
        targets=targets,
        normalise=normalise,
        seed=seed,
        registry=registry,
        context=FitContext(checkpoints=None if checkpoints is None else Path(checkpoints), progress=progress),
    )


def fit_sources(
    sources: Sequence[RowSource],
    *,
    method: str,
    options: Mapping[str, Any] | None = None,
    targets: Sequence[Pair] | None = None,
    normalise: bool = True,
    seed: int = 0,
    registry: Registry | None = None,
    spaces: Mapping[str, SpaceInfo] | None = None,
    datasets: Mapping[str, DatasetInfo] | None = None,
    texts: Mapping[str, str] | None = None,
    context: FitContext | None = None,
) -> Binder:
    """As ``fit``, from streams of rows; ``spaces`` and ``datasets`` tell what is known of them.

    ``texts`` are saved too.
    """
    registry = registry or installed_registry()
    unfitted = registry.build_binder(method, **(options or {}))
    unfitted, data, wanted = _best_prepared(unfitted, sources, targets, normalise, seed, context)
    routes = routes_for(data.moments, wanted)
    fitted = unfitted.fit(data, targets=wanted, routes=routes, seed=seed)
    raw_dims = {space: dim for source in sources for space, dim in source.dims.items()}
    known = spaces or {}
    infos = {space: _space_info(space, dim, data, known.get(space)) for space, dim in raw_dims.items()}
    return Binder(method, fitted, infos, data.inputs, _training(data, seed, routes, datasets or {}), texts, registry)


def _best_prepared(
    unfitted: Any,
    sources: Sequence[RowSource],
    targets: Sequence[Pair] | None,
    normalise: bool,
    seed: int,
    context: FitContext | None,
) -> tuple[BinderMethod, FitData, tuple[Pair, ...]]:
    """The alternative of a method that retrieves held-out rows best, the rows as it wants them, and the targets.

    Alternatives come in order of preference: a later one must be better by more than chance would make it.
    """
    alternatives = unfitted.alternatives() if hasattr(unfitted, "alternatives") else (unfitted,)
    best: tuple[float, BinderMethod, FitData] | None = None
    wanted: tuple[Pair, ...] = ()
    for method in alternatives:
        features = getattr(method, "input_features", None)
        data = collect(list(sources), normalise=normalise, features=features, seed=seed, context=context)
        if best is None:
            wanted = tuple(targets) if targets is not None else all_targets(data.moments)
            routes_for(data.moments, wanted)  # what nothing joins is refused before any choice is made
            if not data.moments.edges():
                where = f"data sets {', '.join(data.moments.datasets)}"
                raise NoPathError("no data set holds two spaces in one row", where=where)
        quality = method.held_out(data) if len(alternatives) > 1 else 0.0
        if best is None or quality > best[0] + _CLEARLY_BETTER:
            best = (quality, method, data)
    assert best is not None  # noqa: S101 - a method offers itself at least
    return best[1], best[2], wanted


def _by_dataset(what: str, given: Any, datasets: Mapping[str, Any]) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        example = f"{{{next(iter(datasets))!r}: ...}}"
        raise UsageError(f"{what} is given by data set", got=type(given).__name__, expected=example)
    unknown = sorted(set(given) - set(datasets), key=str)
    if unknown:
        raise UnknownNameError(
            f"{what} names a data set that was not given",
            got=unknown, expected=list(datasets), hint=did_you_mean(unknown[0], datasets),
        )  # fmt: skip
    return given


def _space_info(space: str, dim: int, data: FitData, known: SpaceInfo | None) -> SpaceInfo:
    inputs = data.inputs[space]
    known = known or SpaceInfo(name=space, modality=space, dim=dim, input_dim=dim)
    made = {"dim": dim, "normalise": inputs.normalise, "input_dim": data.dims[space]}
    return known.model_copy(update=made)


def _training(data: FitData, seed: int, routes: Routes, known: Mapping[str, DatasetInfo]) -> Training:
    moments = data.moments
    rows = {
        name: {space: moments.pairs(space, space, name) for space in moments.spaces_of(name)}
        for name in moments.datasets
    }
    datasets = {
        name: known.get(name, DatasetInfo(rows={})).model_copy(update={"rows": counts})
        for name, counts in rows.items()
    }
    paths = tuple(_path(moments, pair, spaces[0]) for pair, spaces in sorted(routes.items()))
    return Training(datasets=datasets, seed=int(seed), paths=paths)


def _path(moments: Moments, pair: Pair, spaces: Sequence[str]) -> PathInfo:
    """The best route of a pair, with the data sets of each hop."""
    hops = [
        tuple(name for name in moments.datasets if moments.pairs(a, b, name)) for a, b in itertools.pairwise(spaces)
    ]
    return PathInfo(pair=pair, spaces=tuple(spaces), datasets=tuple(hops))
