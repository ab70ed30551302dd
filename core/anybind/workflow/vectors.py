"""A graph's vectors: which spaces to extract, into which folders, and how to stream them to a fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anybind.artifact import DatasetInfo, SpaceInfo
from anybind.errors import DataError, UnknownNameError
from anybind.extract import ExtractReport, ExtractTask, OnError, extract, read_space
from anybind.fit_data import Batch, RowSource
from anybind.options import fill_defaults
from anybind.store import EmbeddingStore, SpaceKey
from anybind.workflow.graph import Graph

if TYPE_CHECKING:
    from anybind.declaration import DatasetUse
    from anybind.distributed import Runtime
    from anybind.progress import ProgressCallback
    from anybind.protocols import Dataset
    from anybind.specs import EncoderSpec, Space


_ROWS_AT_ONCE = 8192


def default_store(out: Path | str) -> Path:
    """Where vectors lie for a run that writes to ``out``: beside it, shared by all runs there."""
    return Path(out).parent / "store"


def space_key(graph: Graph, space: Space, collection: str) -> SpaceKey:
    """What the vectors of a space over a collection are."""
    spec = graph.registry.encoder(space.encoder).spec
    revision = graph.declaration.encoders[space.name].revision
    return encoder_key(spec, graph.encoder_options(space.name), revision, space.modality, collection)


def encoder_key(
    spec: EncoderSpec, options: Mapping[str, Any], revision: str | None, modality: str, collection: str
) -> SpaceKey:
    """What the vectors are that an encoder makes with some options of a modality of a collection.

    Args:
        spec: The encoder's spec.
        options: Its options; those not given take their defaults.
        revision: That of the weights; the spec's if None.
        modality: The modality's name.
        collection: The items.
    """
    filled = fill_defaults(options, spec.options)
    kept = tuple((name, value) for name, value in filled.items() if spec.options[name].affects_output)
    return SpaceKey(collection, modality, spec.name, revision or spec.revision, spec.dim_for(options), kept)


def extract_graph(
    graph: Graph,
    store: EmbeddingStore,
    *,
    seeds: Sequence[int] | None = None,
    spaces: Collection[str] | None = None,
    on_error: OnError = "fail",
    workers: int = 2,
    progress: ProgressCallback | None = None,
    runtime: Runtime | None = None,
) -> ExtractReport:
    """Embed everything a graph's data sets hold, for training and evaluation, that the store lacks.

    Args:
        graph: The graph.
        store: Where the vectors go.
        seeds: The seeds to open data sets for; the graph's if None. Seeds share vectors.
        spaces: Names of the spaces to embed; all if None.
        on_error, workers, progress, runtime: As ``anybind.extract.extract``.

    Raises:
        DataError, PluginError, StoreError: as ``anybind.extract.extract``.
    """
    tasks = [
        _task(graph, graph.open(use, seed, label), space, label)
        for use, seed, label, space in wanted_spaces(graph, seeds, spaces)
    ]
    return extract(tasks, store, on_error=on_error, workers=workers, progress=progress, runtime=runtime)


def row_source(
    graph: Graph,
    store: EmbeddingStore,
    name: str,
    dataset: Dataset,
    spaces: Sequence[Space] | None = None,
    *,
    runtime: Runtime | None = None,
) -> RowSource:
    """A data set's stored vectors as a stream of batches; with several ranks, this rank's part of the rows."""
    used = list(spaces or graph.spaces_in(dataset))
    rank, world = (runtime.rank, runtime.world) if runtime is not None else (0, 1)
    rows = range(rank * len(dataset) // world, (rank + 1) * len(dataset) // world)
    batches = partial(_batches, graph, store, dataset, used, rows)
    return RowSource(name, {space.name: space.dim for space in used}, batches)


def require_extracted(
    graph: Graph, store: EmbeddingStore, datasets: Mapping[str, Dataset], spaces: Sequence[Space] | None = None
) -> None:
    """Raise DataError, with the command to run, when a space of a data set has no vector in the store at all."""
    for name, dataset in datasets.items():
        for space in spaces or graph.spaces_in(dataset):
            folder = store.folder(space_key(graph, space, dataset.collection))
            if len(folder.missing(list(dataset.ids))) == len(dataset):
                raise DataError(
                    "a space has not been extracted", where=f"data set {name!r}, space {space.name!r}",
                    got=f"none of {len(dataset)} vectors in {store.root}",
                    hint=f"run: anybind extract {graph.path}, or name another store with --store",
                )  # fmt: skip


def gallery(
    graph: Graph, store: EmbeddingStore, space: str, *, dataset: str | None = None, seed: int = 0
) -> tuple[list[str], torch.Tensor]:
    """Ids and stored (n, dim) vectors of a space's rows in a data set.

    Args:
        graph: The graph.
        store: Where the vectors lie.
        space: The space.
        dataset: Name of a training data set; the first evaluation data set if None.
        seed: The seed the data set is opened for.

    Raises:
        UnknownNameError: no such data set or space.
        DataError: nothing of it has been extracted.
    """
    opened, label = _gallery_dataset(graph, dataset, seed)
    known = graph.spaces[graph.resolve(space)]
    vectors, present = read_space(opened, space_key(graph, known, opened.collection), store)
    ids = [item for item, held in zip(opened.ids, present.tolist(), strict=True) if held]
    if not ids:
        raise DataError(
            "nothing to search in", where=f"data set {label!r}, space {known.name!r}", got="no stored vectors",
            hint=f"run: anybind extract {graph.path}",
        )  # fmt: skip
    return ids, vectors[present]


def space_info(graph: Graph, space: Space) -> SpaceInfo:
    """What an artifact records of a space."""
    entry = graph.registry.encoder(space.encoder)
    use = graph.declaration.encoders[space.name]
    weights = use.options.get("weights") or entry.spec.weights
    return SpaceInfo(
        name=space.name, modality=space.modality, kind=graph.declaration.kinds.get(space.modality), dim=space.dim,
        input_dim=space.dim, encoder=space.encoder, weights=weights,
        revision=use.revision or entry.spec.revision,
        options=graph.encoder_options(space.name), distribution=f"{entry.distribution} {entry.version}",
        licence=entry.spec.licence if weights == entry.spec.weights else None,  # which the spec states of its own
    )  # fmt: skip


def dataset_info(graph: Graph, use: DatasetUse) -> DatasetInfo:
    """What an artifact records of a data set: as declared, so that no path of this machine gets into it."""
    entry = graph.registry.dataset(use.use)
    return DatasetInfo(
        rows={}, use=use.use, options=dict(use.options), distribution=f"{entry.distribution} {entry.version}",
        licence=entry.spec.licence, attribution=getattr(graph.opened(use), "attribution", None),
    )  # fmt: skip


def _gallery_dataset(graph: Graph, dataset: str | None, seed: int) -> tuple[Dataset, str]:
    uses: dict[str, DatasetUse] = dict(graph.declaration.datasets)
    if dataset is None:
        if not graph.declaration.evaluate:
            raise UnknownNameError("the graph evaluates nothing; name the data set to search in", where=graph.path,
                                   expected=f"one of {', '.join(uses)}")  # fmt: skip
        return graph.open(graph.declaration.evaluate[0].dataset, seed, "evaluate[0]"), "evaluate[0]"
    if dataset not in uses:
        raise UnknownNameError("the graph has no such data set", where=graph.path, got=dataset,
                               expected=f"one of {', '.join(uses)}")  # fmt: skip
    return graph.open(uses[dataset], seed, dataset), dataset


def wanted_spaces(
    graph: Graph, seeds: Sequence[int] | None = None, spaces: Collection[str] | None = None
) -> Iterator[tuple[DatasetUse, int, str, Space]]:
    """(data set, seed, label, space) for all that a graph needs embedded.

    Args:
        graph: The graph.
        seeds: The seeds to open data sets for; the graph's if None.
        spaces: Names of the spaces to look at; all if None.
    """
    for seed in graph.declaration.seeds if seeds is None else seeds:
        for use, label, wanted in _uses(graph, seed):
            yield from ((use, seed, label, space) for space in wanted if spaces is None or space.name in spaces)


def _uses(graph: Graph, seed: int) -> Iterator[tuple[DatasetUse, str, list[Space]]]:
    """Every data set with the spaces that are needed of it: all for training, the pair for evaluation."""
    for name, use in graph.declaration.datasets.items():
        yield use, name, graph.spaces_in(graph.open(use, seed, name))
    for i, entry in enumerate(graph.declaration.evaluate):
        pair = [graph.spaces[name] for name in entry.pair]
        yield entry.dataset, f"evaluate[{i}]", pair
        if entry.oracle is not None:
            yield entry.oracle, f"evaluate[{i}].oracle", pair


def _task(graph: Graph, dataset: Dataset, space: Space, label: str) -> ExtractTask:
    build: Callable[[], Any] = partial(
        graph.registry.build_encoder, space.encoder, **graph.encoder_options(space.name)
    )
    modality = graph.registry.build_modality(space.modality, graph.declaration.kinds)
    return ExtractTask(dataset, space.modality, modality, build, space_key(graph, space, dataset.collection), label)


def _batches(
    graph: Graph, store: EmbeddingStore, dataset: Dataset, spaces: Sequence[Space], part: range
) -> Iterator[Batch]:
    keys = {space.name: space_key(graph, space, dataset.collection) for space in spaces}
    for start in range(part.start, part.stop, _ROWS_AT_ONCE):
        rows = _Slice(dataset, range(start, min(start + _ROWS_AT_ONCE, part.stop)))
        read = {name: read_space(rows, key, store) for name, key in keys.items()}
        vectors = {name: part for name, (part, _) in read.items()}
        present = {name: part for name, (_, part) in read.items()}
        yield Batch(tuple(rows.ids), vectors, present, rows.groups)


class _Slice:
    """Some rows of a data set, as a data set."""

    def __init__(self, dataset: Dataset, rows: range) -> None:
        self.collection, self.modalities = dataset.collection, dataset.modalities
        self.ids: Sequence[str] = [dataset.ids[i] for i in rows]
        groups: Sequence[str] | None = getattr(dataset, "groups", None)
        self.groups = None if groups is None else tuple(groups[i] for i in rows)
        self._dataset, self._rows = dataset, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        return self._dataset[self._rows[index]]
