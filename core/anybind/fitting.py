"""Fitting a binder: on arrays, or on streams of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.array_input import array_sources
from anybind.binder import Binder
from anybind.bridging import all_targets, routes_for
from anybind.errors import NoPathError, SelectionError
from anybind.fit_context import FitContext
from anybind.fit_data import FitData, RowSource, collect
from anybind.forecasting.forecast import Basis, forecast_basis
from anybind.forecasting.held_out import repeats_cheaply
from anybind.plugins import installed_registry
from anybind.provenance import space_described, training_described

if TYPE_CHECKING:
    from anybind.artifact import DatasetInfo, SpaceInfo
    from anybind.progress import EpochCallback
    from anybind.protocols import BinderMethod
    from anybind.registry import Registry

Pair = tuple[str, str]

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
    keep_moments: bool = False,
    forecast: bool | None = None,
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
        keep_moments: Keep the sums that were fitted from, so that ``Binder.partial_fit`` can add data later. They are
            saved with the binder, and can tell of single rows; see docs/artifact.md.
        forecast: Whether to look at how the method does on held-out rows, so that ``Binder.forecast`` can tell what to
            expect: about as much work again as the fit, and for a trained method up to five more fits. None for
            all but trained methods. Without enough rows there is no forecast.
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
    sources = array_sources(datasets, present=present, ids=ids, groups=groups, from_nan=from_nan)
    return fit_sources(
        sources,
        method=method,
        options=options,
        targets=targets,
        normalise=normalise,
        seed=seed,
        keep_moments=keep_moments,
        forecast=forecast,
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
    keep_moments: bool = False,
    forecast: bool | None = None,
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
    infos = {
        space: space_described(space, dim, data.inputs[space], (spaces or {}).get(space))
        for space, dim in raw_dims.items()
    }
    training = training_described(data.moments, seed, routes, datasets or {})
    return Binder(method, fitted, infos, data.inputs, training, texts, registry,
                  moments=data.moments if keep_moments else None,
                  basis=_basis(fitted, data, wanted, routes, seed, forecast))  # fmt: skip


def _basis(
    fitted: BinderMethod,
    data: FitData,
    wanted: Sequence[Pair],
    routes: Mapping[Pair, Any],
    seed: int,
    forecast: bool | None,
) -> Basis | None:
    """What forecasts are calculated from, for the targets and every pair of spaces that rows hold; None if nothing."""
    if forecast is False or (forecast is None and not repeats_cheaply(fitted)):
        return None
    hops = [(a, b) for _, a, b in data.moments.edges()]
    pairs = list(dict.fromkeys([*wanted, *(hop for hop in hops if hop not in wanted and hop[::-1] not in wanted)]))
    try:
        basis = forecast_basis(fitted, data, pairs, {**{hop: [hop] for hop in hops}, **routes}, seed=seed)
    except SelectionError:  # too few rows for any fold
        return None
    return Basis.from_dict(basis.to_dict()) if basis.pairs else None  # rounded, as a saved one is


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
