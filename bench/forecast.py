"""Forecasts against what true pairs show: in worlds that nothing was fitted to, and on emoji.

For every gallery size: how often the 90 % predictive interval holds the truth, its median width as a share of the
centre, its interval score (Gneiting & Raftery 2007, lower is better) beside that of the best constant interval (the truths'
own 5 % and 95 % quantiles), the rank correlation of centre and truth, the median ratio of the two, and how often the
assumption-free range holds the truth.

    python bench/forecast.py [--worlds 4100-4139] [--clear 5100-5139] [--splits 0-3] [--method cca-chain] [--store runs/store]

The constants were fitted on worlds 4000-4079 and clear worlds 5000 and up (``--fit`` does it again).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forecast_worlds import World
from numpy.typing import NDArray

from anybind.array_input import array_sources
from anybind.bridging import routes_for
from anybind.fit_data import collect
from anybind.forecasting.evidence import Evidence, gather
from anybind.forecasting.forecast import Forecast, pair_basis
from anybind.forecasting.held_out import held_out_folds
from anybind.forecasting.ranks import beaten_share, mean_reciprocal_rank
from anybind.plugins import installed_registry
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, load_graph
from anybind.workflow.vectors import row_source

GALLERIES = (50, 100, 300)
PAIRS = (100, 200, 400, 672)
LANGUAGES = ("en", "ja", "fr", "de", "es", "ru", "zh")
PATHS = (
    ("image", "en", "ja"), ("image", "en", "fr"), ("image", "ja", "en"), ("image", "fr", "ja"), ("en", "fr", "ja"),
    ("fr", "en", "zh"), ("en", "image", "ja"), ("de", "ja", "ru"), ("image", "en", "zh"), ("image", "es", "ru"),
    ("en", "de", "es"), ("ru", "image", "en"),
)  # fmt: skip
WORLD_PATHS = (("a", "b", "c"), ("b", "c", "d"), ("a", "b", "c", "d"))
MISS = 0.1  # of the predictive intervals
Rows = Mapping[str, Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Case:
    """A forecast and the truth."""

    forecast: Forecast
    truth: float


@dataclass(frozen=True)
class Setting:
    """What a binder is fitted on and judged by."""

    rows: Rows
    paths: Sequence[tuple[str, ...]]
    test: Mapping[str, NDArray[np.float32]]
    ids: Mapping[str, list[str]] | None = None
    groups: Mapping[str, list[str]] | None = None


def main() -> None:
    """Measure and print the tables."""
    arguments = _arguments()
    torch.set_num_threads(1)
    worlds = [World(seed) for seed in arguments.worlds] + [World(seed, clear=True) for seed in arguments.clear]
    print_table(f"Worlds that nothing was fitted to, {arguments.method}", _cases(map(_of_world, worlds), arguments.method))
    if arguments.splits:
        emoji = _emoji(EmbeddingStore(arguments.store), arguments.splits)
        print_table(f"Emoji, {arguments.method}", _cases(emoji, arguments.method))


def measured(setting: Setting, method: str, options: Mapping[str, Any]) -> tuple[Evidence, dict[Any, torch.Tensor]]:
    """The evidence of a fit's held-out rows, and of every pair that is tested how often wrong items win."""
    sources = array_sources(setting.rows, present=None, ids=setting.ids, groups=setting.groups, from_nan=False)
    unfitted: Any = installed_registry().build_binder(method, **options)
    (unfitted,) = unfitted.alternatives()
    data = collect(sources, features=unfitted.input_features)
    ends = [(path[0], path[-1]) for path in setting.paths]
    hops = [(a, b) for _, a, b in data.moments.edges()]
    pairs = list(dict.fromkeys([*ends, *hops]))
    routes = routes_for(data.moments, pairs)
    fitted = unfitted.fit(data, targets=pairs, routes=routes)
    evidence = gather(held_out_folds(fitted, data, ends, routes, 0), [*setting.paths, *hops])
    beaten = {}
    for a, b in pairs:
        seen = {space: data.inputs[space](torch.from_numpy(setting.test[space])) for space in (a, b)}
        table = fitted.score(a, seen[a], b, seen[b])
        beaten[a, b] = torch.cat([beaten_share(table), beaten_share(table.T)])
    return evidence, beaten


def _cases(settings: Iterable[Setting], method: str) -> list[Case]:
    options = {"features": "nystroem", "width": 1.0}
    found = []
    for setting in settings:
        evidence, beaten = measured(setting, method, options)
        for path in [*setting.paths, *evidence.hops]:
            pair = (path[0], path[-1])
            basis = pair_basis(pair, tuple(path), evidence)
            for gallery in GALLERIES if basis is not None and pair in beaten else ():
                found.append(Case(basis.forecast(gallery), mean_reciprocal_rank(beaten[pair], gallery)))
    return found


def _of_world(world: World) -> Setting:
    return Setting(world.data_sets(), WORLD_PATHS, world.test())


def _emoji(store: EmbeddingStore, splits: Sequence[int]) -> Iterator[Setting]:
    """Every path at every number of pairs, and each on one of the splits in turn."""
    for i, pairs in enumerate(PAIRS):
        for j, path in enumerate(PATHS):
            yield _emoji_setting(store, path, pairs, splits[(i + j) % len(splits)])


def _emoji_setting(store: EmbeddingStore, path: tuple[str, ...], pairs: int, seed: int) -> Setting:
    spaces = tuple(name if name == "image" else f"text_{name}" for name in path)
    parts = {"d1": spaces[:2], "d2": spaces[1:], "test": spaces}
    rows, ids, groups = {}, {}, {}
    for split, names in parts.items():
        use = f"{{use: emoji, split: {split}, seed: {seed}, modalities: [{', '.join(names)}]}}"
        kinds = "".join(f"  {s}: {{kind: text}}\n" for s in spaces if s != "image")
        graph = load_graph(_written(use, names, kinds))
        extract_graph(graph, store, seeds=[seed])
        ((name, dataset),) = dict(graph.training(seed)).items()
        batches = list(row_source(graph, store, name, dataset, None).batches())
        every = [item for batch in batches for item in batch.ids]
        family = [group for batch in batches for group in batch.groups or batch.ids]
        chosen = sorted(range(len(every)), key=lambda k, f=family, e=every: (_hash(seed, f[k]), e[k]))
        chosen = chosen if split == "test" else chosen[:pairs]
        rows[split] = {s: torch.cat([b.vectors[s] for b in batches])[chosen].numpy() for s in names}
        ids[split], groups[split] = [every[k] for k in chosen], [family[k] for k in chosen]
    test = rows.pop("test")
    return Setting(rows, [spaces], test, {n: ids[n] for n in rows}, {n: groups[n] for n in rows})
