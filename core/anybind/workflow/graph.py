"""A graph YAML brought to life: its data sets opened, its bridging graph drawn, its paths planned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.bridge_plan import BridgePlan, Edge, EdgeKind, expected_quality
from anybind.declaration import DatasetUse, Declaration, load_declaration
from anybind.errors import DataError, NoPathError, UnknownNameError
from anybind.graph import BridgeGraph
from anybind.options import closest_name
from anybind.plugins import installed_registry
from anybind.specs import OptionSpec, Space

if TYPE_CHECKING:
    from anybind.forecast_record import RecordedForecasts
    from anybind.protocols import Dataset
    from anybind.registry import Registry

# What two jointly trained towers are taken to keep before anything is measured.
_SHARED_SPACE_QUALITY = 0.5
# Dims of a space whose encoder is not known, when planning over the catalogue.
_TYPICAL_DIM = 512


class Graph:
    """A declaration with the registry that resolves its names.

    Attributes:
        declaration: What the file says.
        registry: Where names are looked up.
        path: The file.
    """

    def __init__(self, declaration: Declaration, registry: Registry, path: Path) -> None:
        self.declaration = declaration
        self.registry = registry
        self.path = path
        self._opened: dict[tuple[str, int], Dataset] = {}

    @property
    def name(self) -> str:
        """The declaration's name."""
        return self.declaration.name

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The pairs of spaces to bind."""
        return self.declaration.target_pairs

    @cached_property
    def spaces(self) -> dict[str, Space]:
        """The spaces by name."""
        return self.declaration.spaces(self.registry)

    def open(self, use: DatasetUse, seed: int, label: str) -> Dataset:
        """The data set an entry asks for, for a seed; opened once.

        Raises:
            DataError: it has no rows, or fewer than two.
        """
        key = (use.model_dump_json(), seed)
        if key not in self._opened:
            options = self.dataset_options(use, seed)
            dataset: Dataset = self.registry.build_dataset(use.use, modalities=use.modalities, **options)
            if len(dataset) < 2:
                raise DataError(
                    "a data set is too small", where=f"data set {label!r} ({use.use})",
                    got="1 row" if len(dataset) else "no rows",
                    expected="at least 2 rows", hint="check its options, for example the split or the path",
                )  # fmt: skip
            self._opened[key] = dataset
        return self._opened[key]

    def opened(self, use: DatasetUse) -> Dataset | None:
        """The data set an entry asks for, if it was opened for some seed."""
        wanted = use.model_dump_json()
        return next((dataset for (key, _), dataset in self._opened.items() if key == wanted), None)

    def training(self, seed: int) -> dict[str, Dataset]:
        """The data sets under ``datasets:``, opened for a seed."""
        return {name: self.open(use, seed, name) for name, use in self.declaration.datasets.items()}

    def dataset_options(self, use: DatasetUse, seed: int) -> dict[str, Any]:
        """The options a data set is built with for a seed."""
        spec = self.registry.dataset(use.use).spec
        return resolved_paths(use.factory_options(spec, seed), spec.options, self.path.parent)

    def encoder_options(self, space: str) -> dict[str, Any]:
        """The options a space's encoder is built with."""
        use = self.declaration.encoders[space]
        spec = self.registry.encoder(use.use).spec
        return resolved_paths(use.factory_options(spec), spec.options, self.path.parent)

    def spaces_in(self, dataset: Dataset) -> list[Space]:
        """The spaces whose modality a data set holds."""
        return [space for space in self.spaces.values() if space.modality in dataset.modalities]

    def resolve(self, name: str) -> str:
        """A space by its name, or by its modality while only one space has it.

        Raises:
            UnknownNameError: none, or several.
        """
        if name in self.spaces:
            return name
        found = [space.name for space in self.spaces.values() if space.modality == name]
        if len(found) == 1:
            return found[0]
        near = closest_name(name, self.spaces)
        what = f"several spaces are of the modality {name!r}" if found else f"the graph has no space {name!r}"
        raise UnknownNameError(what, where=self.path, got=name, expected=f"one of {', '.join(found or self.spaces)}",
                               hint=f"did you mean {near!r}?" if near else None)  # fmt: skip

    @property
    def state(self) -> str:
        """A sha256 of what the vectors and pairs are: the encoders and the training data sets as declared."""
        declared = {
            "encoders": {name: use.model_dump(mode="json") for name, use in self.declaration.encoders.items()},
            "datasets": {name: use.model_dump(mode="json") for name, use in self.declaration.datasets.items()},
        }
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()

    def bridge(self, recorded: RecordedForecasts | None = None) -> BridgeGraph:
        """The bridging graph of the training data, with pair counts of the first seed. Needs no torch.

        With forecasts of an earlier fit an edge keeps what held-out retrieval showed instead of what counts suggest.
        """
        edges = list(self._dataset_edges())
        if recorded is not None:
            edges = list(_by_retrieval(edges, recorded))
        return BridgeGraph(self.spaces, [*edges, *self._shared_edges()])

    def plan(self, a: str, b: str, k: int = 3, recorded: RecordedForecasts | None = None) -> BridgePlan:
        """The k best routes between two spaces (or modalities); without one, what would make one."""
        bridge = self.bridge(recorded)
        start, goal = self.resolve(a), self.resolve(b)
        plan = bridge.plan(start, goal, k=k)
        return plan if plan.paths else bridge.plan(start, goal, k=k, candidates=self.known_edges())

    def require_routes(self) -> None:
        """Raise NoPathError for the first declared target that nothing joins; ``all`` asks for what there is."""
        for a, b in () if self.declaration.bind.targets == "all" else self.targets:
            plan = self.plan(a, b)
            if not plan.paths:
                raise no_route(plan, self.path)

    def _dataset_edges(self) -> Iterator[Edge]:
        again: dict[tuple[str, str, str], set[str]] = {}
        for name, dataset in self.training(self.declaration.seeds[0]).items():
            for a, b in combinations(self.spaces_in(dataset), 2):
                if a.modality != b.modality:
                    yield self._edge(a.name, b.name, "dataset", name, len(dataset))
                else:  # an item counts once, however many data sets of its collection hold it
                    again.setdefault((a.name, b.name, dataset.collection), set()).update(dataset.ids)
        for (one, other, collection), ids in again.items():
            yield self._edge(one, other, "re-encoding", collection, len(ids))

    def _edge(self, a: str, b: str, kind: EdgeKind, name: str, pairs: int) -> Edge:
        quality = expected_quality(pairs, self.spaces[a].dim, self.spaces[b].dim)
        return Edge(a, b, kind=kind, name=name, pairs=pairs, quality=quality, evidence="pair counts")

    def _shared_edges(self) -> Iterator[Edge]:
        towers = {name: self.registry.encoder(space.encoder).spec.shared_space for name, space in self.spaces.items()}
        for a, b in combinations(self.spaces, 2):
            if towers[a] is not None and towers[a] == towers[b]:
                yield Edge(a, b, kind="shared-space", name=str(towers[a]), pairs=None,
                           quality=_SHARED_SPACE_QUALITY, evidence="assumed: encoders trained jointly")  # fmt: skip

    def known_edges(self) -> list[Edge]:
        """The catalogue's data sets as edges between this graph's spaces."""
        known, by_modality = self.registry.catalogue.modalities, dict[str, list[Space]]()
        for space in self.spaces.values():
            # not the more general ones too: a data set of texts is no data set of Japanese texts
            kinds = self.registry.kinds_of(space.modality, self.declaration.kinds)
            nearest = next((kind for kind in kinds if kind in known), space.modality)
            by_modality.setdefault(nearest, []).append(space)
        edges = []
        for a, b, edge in _catalogue_edges(self.registry):
            names_a = [space.name for space in by_modality.get(a, [])] or [a]
            names_b = [space.name for space in by_modality.get(b, [])] or [b]
            edges += [_renamed(edge, x, y) for x in names_a for y in names_b if x != y]
        return edges


def no_route(plan: BridgePlan, path: Path) -> NoPathError:
    """The error for a target without a route: why, and what would make one."""
    return NoPathError(
        f"no chain of paired rows joins {plan.start!r} and {plan.goal!r}", plan=plan,
        where=f"{path}: target {plan.start} - {plan.goal}", got=plan.reason,
        hint="; ".join(edge.describe() for edge in plan.missing) or "add a data set that joins them",
    )  # fmt: skip


def resolved_paths(options: Mapping[str, Any], specs: Mapping[str, OptionSpec], folder: Path) -> dict[str, Any]:
    """The options with relative paths made absolute, from ``folder``: where the graph YAML lies.

    Absolute, because an encoder's options are part of what names its vectors in a store: the same text in
    another current folder is another file.
    """
    return {
        name: str(folder.resolve() / value) if specs[name].type == "path" and isinstance(value, str) else value
        for name, value in options.items()
    }


def load_graph(path: str | Path, *, registry: Registry | None = None) -> Graph:
    """Read a graph YAML.

    Args:
        path: The file.
        registry: Where names are looked up; the installed plugins if None.

    Raises:
        DeclarationError: the file cannot be read or is wrong; every problem in one report.
    """
    registry = registry or installed_registry()
    return Graph(load_declaration(path, registry), registry, Path(path))


def plan_catalogue(a: str, b: str, *, registry: Registry | None = None, k: int = 3) -> BridgePlan:
    """The k best routes between two modalities over every data set the catalogue knows, installed or not."""
    registry = registry or installed_registry()
    edges = [edge for _, _, edge in _catalogue_edges(registry)]
    return BridgeGraph(registry.catalogue.modalities, edges).plan(a, b, k=k)


def _catalogue_edges(registry: Registry) -> Iterator[tuple[str, str, Edge]]:
    for name, known in registry.catalogue.datasets.items():
        if known.pairs == 0:  # all that it holds is single
            continue
        for a, b in combinations(dict.fromkeys(known.modalities or ()), 2):
            quality = expected_quality(known.pairs or 1, _TYPICAL_DIM, _TYPICAL_DIM)
            evidence = "pair counts" if known.pairs else "taking one pair, the count is not known"
            yield a, b, Edge(a, b, kind="dataset", name=name, pairs=known.pairs, quality=quality, evidence=evidence)


def _by_retrieval(edges: list[Edge], recorded: RecordedForecasts) -> Iterator[Edge]:
    """The edges with the quality that held-out retrieval showed, divided among parallel ones by their pairs.

    ``pooled_quality`` adds odds, so parts of the odds pool to the whole.
    """
    for edge in edges:
        measured = recorded.hop_quality(*edge.spaces)
        if measured is None:
            yield edge
            continue
        beside = [other.pairs or 1 for other in edges if other.spaces == edge.spaces]
        odds = measured / max(1 - measured, 1e-9) * (edge.pairs or 1) / sum(beside)
        yield replace(edge, quality=max(odds / (1 + odds), 1e-9), evidence="held-out retrieval")


def _renamed(edge: Edge, a: str, b: str) -> Edge:
    return Edge(a, b, kind=edge.kind, name=edge.name, pairs=edge.pairs, quality=edge.quality, evidence=edge.evidence)
