"""Extraction: data sets × encoders → store.

Tasks that lead to the same vectors (splits and seeds of one collection) are merged, so that nothing is
embedded twice, and an encoder is built only when something is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

from anybind.distributed import Runtime
from anybind.encoder_kit.datasets import one_line
from anybind.errors import AnybindError, DataError, PluginError, UsageError
from anybind.progress import Progress, ProgressCallback, reporting
from anybind.protocols import Dataset, Encoder, Modality
from anybind.store import EmbeddingStore, FillReport, SpaceKey, check_vectors, unique_ids

OnError = Literal["fail", "skip"]


@dataclass(frozen=True)
class ExtractTask:
    """One modality of one data set, to be seen by one encoder.

    Attributes:
        dataset: Its ids are unique strings.
        modality_name: The key of the sample source in the data set's rows.
        modality: Loads and checks the sources.
        encoder_factory: Builds the encoder; called at most once, and only when something is missing.
        key: What the vectors are.
        label: The data set's name in messages.
    """

    dataset: Dataset
    modality_name: str
    modality: Modality
    encoder_factory: Callable[[], Encoder]
    key: SpaceKey
    label: str


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out: it could not be read, or its data set found it faulty when it was opened.

    ``modality`` is empty when the whole row was left out; ``reason`` is one line.
    """

    dataset: str
    id: str
    modality: str
    reason: str


@dataclass(frozen=True)
class SpaceReport:
    """What was done for one space, in rows.

    Attributes:
        space: The space for people.
        datasets: Labels of the tasks merged here.
        folder: Where the vectors lie, relative to the store.
        rows: Rows that hold the modality, each item once.
        absent: Items without the modality.
        fill: Rows written, reused, shared with other runs, and the damaged shards that were repaired.
        seconds: Wall time.
    """

    space: str
    datasets: tuple[str, ...]
    folder: str
    rows: int
    absent: int
    fill: FillReport
    seconds: float


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction did."""

    spaces: tuple[SpaceReport, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def written(self) -> int:
        """Rows embedded and written, over all spaces."""
        return sum(space.fill.written for space in self.spaces)

    @property
    def reused(self) -> int:
        """Rows that were there before, over all spaces."""
        return sum(space.fill.reused for space in self.spaces)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {"written": self.written, "reused": self.reused, **asdict(self)}


def extract(
    tasks: Sequence[ExtractTask],
    store: EmbeddingStore,
    *,
    shard_size: int = 512,
    batch_size: int = 32,
    workers: int = 2,
    on_error: OnError = "fail",
    progress: ProgressCallback | None = None,
    runtime: Runtime | None = None,
) -> ExtractReport:
    """Embed what is missing in the store.

    A run that is killed or interrupted keeps its finished shards; the next one goes on from there.
    Rows without the modality are passed over. With several ranks, every rank calls this with the same tasks.

    Args:
        tasks: What to embed. Tasks with the same key are merged.
        store: Where the vectors go.
        shard_size: Rows in a shard, for spaces that are new.
        batch_size: Samples handed to the encoder at a time.
        workers: Threads that load samples ahead of the encoder.
        on_error: ``fail`` stops at the first sample that cannot be read; ``skip`` leaves it out and lists
            it in the report, to be tried again by the next run.
        progress: Called after every batch; without it a bar is drawn on stderr when that is a terminal.
        runtime: The ranks that work together; without it this process works alone.

    Raises:
        DataError: an empty data set, ids that are not unique strings, a sample that cannot be read, or
            vectors of a wrong shape or type, NaN or Inf. ``where`` names data set, modality and id.
        PluginError: an encoder raised an error of its own.
        StoreError: the store cannot be read or written.
    """
    _check_arguments(batch_size, workers, on_error)
    runtime = runtime or Runtime()
    encoders = _Encoders()
    reports: list[SpaceReport] = []
    skipped = _left_out_when_opened(tasks)
    with reporting(progress, runtime) as report_progress, _threads(workers) as pool:
        for group in _grouped(tasks):
            work = _Work(group, encoders, pool, batch_size, on_error, report_progress)
            reports.append(work.run(store, shard_size, runtime))
            skipped.extend(skip for part in runtime.all_gather_object(work.skipped) for skip in part)
    return ExtractReport(tuple(reports), tuple(skipped))


def read_space(
    dataset: Dataset, key: SpaceKey, store: EmbeddingStore, *, modality_name: str | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors of a data set's rows.

    A row counts as present when the row itself holds the modality and the store its vector: a side that
    this split hides stays hidden, also when another split of the collection has embedded it.

    Args:
        dataset: Gives the rows and their ids.
        key: The space.
        store: Where the vectors lie.
        modality_name: The key in the data set's rows; the modality of ``key`` if None.

    Returns:
        Vectors (len(dataset), dim) float32, zeros where absent; and present (len(dataset),) bool.

    Raises:
        DamagedShardError: a shard needed here does not match its sum.
    """
    folder, ids = store.folder(key), list(dataset.ids)
    missing = set(folder.missing(ids))
    if missing:  # a row whose shard is broken is not a row that was left out
        folder.raise_if_damaged()
    name = modality_name or key.modality
    rows = [row for row, identifier in enumerate(ids) if identifier not in missing and name in dataset[row]]
    vectors = torch.zeros((len(ids), key.dim), dtype=torch.float32)
    present = torch.zeros(len(ids), dtype=torch.bool)
    if rows:
        vectors[rows] = folder.read([ids[row] for row in rows])
        present[rows] = True
    return vectors, present


def _left_out_when_opened(tasks: Sequence[ExtractTask]) -> list[Skipped]:
    """What the data sets themselves left out, each thing once."""
    return list(dict.fromkeys(
        Skipped(task.label, *left_out) for task in tasks for left_out in getattr(task.dataset, "skipped", ())
    ))  # fmt: skip


def _check_arguments(batch_size: int, workers: int, on_error: str) -> None:
    if batch_size < 1 or workers < 1:
        got = f"batch_size={batch_size}, workers={workers}"
        raise UsageError("batch_size and workers must be positive", got=got, expected="1 or more")
    if on_error not in ("fail", "skip"):
        raise UsageError("unknown way to treat unreadable samples", got=on_error, expected="fail or skip")


def _grouped(tasks: Sequence[ExtractTask]) -> list[list[ExtractTask]]:
    """Tasks of one space together, and spaces of one encoder one after the other."""
    groups: dict[object, dict[SpaceKey, list[ExtractTask]]] = {}
    for task in tasks:
        groups.setdefault(_identity(task.key), {}).setdefault(task.key, []).append(task)
    return [group for spaces in groups.values() for group in spaces.values()]


def _identity(key: SpaceKey) -> tuple[object, ...]:
    """What makes two encoders the same encoder."""
    return key.encoder, key.revision, key.dim, key.options


class _Encoders:
    """Builds encoders when they are needed and keeps the last one."""

    def __init__(self) -> None:
        self._identity: object = None
        self._encoder: Encoder | None = None

    def of(self, task: ExtractTask) -> Encoder:
        if self._encoder is None or self._identity != _identity(task.key):
            self._encoder = None  # let go of the old weights before the new ones come
            self._encoder = task.encoder_factory()
            self._identity = _identity(task.key)
        return self._encoder


@dataclass
class _Work:
    """The extraction of one space."""

    tasks: list[ExtractTask]
    encoders: _Encoders
    pool: ThreadPoolExecutor
    batch_size: int
    on_error: OnError
    report_progress: ProgressCallback
    skipped: list[Skipped] = field(default_factory=list)
    _unreadable: set[str] = field(default_factory=set)
    _found: dict[str, tuple[ExtractTask, int]] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _total: int = 0
    _in_shards: int = 0
    _in_batches: int = 0

    @property
    def key(self) -> SpaceKey:
        return self.tasks[0].key

    def run(self, store: EmbeddingStore, shard_size: int, runtime: Runtime) -> SpaceReport:
        for task in self.tasks:
            _check_ids(task)
        folder = store.folder(self.key)
        items = list(dict.fromkeys(identifier for task in self.tasks for identifier in task.dataset.ids))
        missing = set(folder.missing(items))
        self._locate(missing)
        wanted = [
            identifier for identifier in items if identifier not in missing or identifier in self._found
        ]
        if not wanted:
            raise DataError(
                f"no row holds the modality {self.tasks[0].modality_name!r}", where=self._labels(),
                got=f"{len(items)} rows", hint="check the data set's modalities and options",
            )  # fmt: skip
        self._total = len(self._found)
        fill = folder.fill(
            wanted, self._embed, shard_size=shard_size, runtime=runtime,
            progress=self._shard_finished, unreadable=self._unreadable,
        )  # fmt: skip
        if fill.written + fill.reused + fill.shared == 0:
            got = f"{len(wanted)} samples, all unreadable"
            raise DataError("no sample can be read", where=self._labels(), got=got, hint=self._first_reason())
        return SpaceReport(
            self.key.label, tuple(task.label for task in self.tasks), self.key.folder_name.as_posix(),
            len(wanted), len(items) - len(wanted), fill, time.monotonic() - self._started,
        )  # fmt: skip

    def _labels(self) -> str:
        return "data set " + ", ".join(dict.fromkeys(task.label for task in self.tasks))

    def _first_reason(self) -> str | None:
        return f"the first one: {self.skipped[0].reason}" if self.skipped else None

    def _locate(self, ids: Collection[str]) -> None:
        """Find a row that holds the modality for each of ``ids``; some have none."""
        wanted = set(ids) - self._found.keys()
        for task in self.tasks:
            for row, identifier in enumerate(task.dataset.ids):
                if identifier in wanted and task.modality_name in task.dataset[row]:
                    self._found[identifier] = task, row
                    wanted.discard(identifier)

    def _embed(self, ids: Sequence[str]) -> torch.Tensor:
        """(readable ids, dim) float32. Batches are cut within the shard: they do not depend on the rank."""
        if not all(identifier in self._found for identifier in ids):  # rows of a shard that was damaged
            self._locate(ids)
        batches = [ids[start : start + self.batch_size] for start in range(0, len(ids), self.batch_size)]
        parts = []
        ahead = self._submit(batches[0])
        for following in [*batches[1:], []]:
            batch, ahead = ahead, self._submit(following)
            parts.append(self._encode(self._loaded(batch)))
            self._in_batches += len(batch)
            self._tell()
        return torch.cat(parts)

    def _submit(self, ids: Sequence[str]) -> list[tuple[str, Future[Any] | None]]:
        """Begin to load samples. Rows are read here, because data sets need not bear threads."""
        return [(identifier, self._begun(*self._found.get(identifier, (self.tasks[0], -1)))) for identifier in ids]

    def _begun(self, task: ExtractTask, row: int) -> Future[Any] | None:
        """The loading of a row's sample; None when the row lacks it."""
        try:
            source = task.dataset[row].get(task.modality_name) if row >= 0 else None
        except Exception as error:  # plugins may raise anything
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed
        return None if source is None else self.pool.submit(_load, task.modality, source)

    def _loaded(self, batch: Sequence[tuple[str, Future[Any] | None]]) -> dict[str, Any]:
        samples = {}
        for identifier, future in batch:
            if future is None:  # the row has lost the modality since its vector was stored
                self._unreadable.add(identifier)
                continue
            try:
                samples[identifier] = future.result()
            except Exception as error:  # plugins may raise anything
                self._fail_or_skip(identifier, error)
        return samples

    def _fail_or_skip(self, identifier: str, error: Exception) -> None:
        task, _ = self._found[identifier]
        if self.on_error == "fail":
            raise DataError(
                "a sample cannot be read",
                where=f"data set {task.label}, modality {task.modality_name}, id {identifier!r}",
                got=one_line(error),
                expected=getattr(error, "expected", None),
                hint=getattr(error, "hint", None) or "repair it, or leave such samples out: on_error=skip",
            ) from error
        self._unreadable.add(identifier)
        self.skipped.append(Skipped(task.label, identifier, task.modality_name, one_line(error)))

    def _encode(self, samples: dict[str, Any]) -> torch.Tensor:
        if not samples:
            return torch.empty((0, self.key.dim), dtype=torch.float32)
        ids = list(samples)
        encoder = self.encoders.of(self._found[ids[0]][0])
        try:
            vectors = encoder.encode(list(samples.values()))
        except AnybindError:
            raise
        except Exception as error:  # plugins may raise anything
            raise PluginError(
                f"encoder '{self.key.encoder}' failed",
                where=f"{self.key.label}, ids {ids[0]!r} to {ids[-1]!r}",
                got=f"{type(error).__name__}: {error}",
                hint="report it to the plugin that provides the encoder",
            ) from error
        check_vectors(vectors, ids, dim=self.key.dim, encoder=self.key.encoder, space=self.key.label)
        return vectors

    def _shard_finished(self, rows: int) -> None:
        self._in_shards += rows
        self._in_batches = 0
        self._tell()

    def _tell(self) -> None:
        done = min(self._in_shards + self._in_batches, self._total)
        self.report_progress(Progress(self.key.label, done, self._total, time.monotonic() - self._started))


def _check_ids(task: ExtractTask) -> None:
    """Refuse a data set that has no rows, or whose ids do not name its rows one to one."""
    ids, rows = task.dataset.ids, len(task.dataset)
    where = f"data set {task.label}"
    if rows == 0:
        raise DataError("a data set is empty", where=where, expected="at least one row")
    if len(ids) != rows:
        raise DataError("a data set has not one id a row", where=where, got=f"{len(ids)} ids, {rows} rows")
    unique_ids(ids, where=where)


def _load(modality: Modality, source: Any) -> Any:
    sample = modality.load(source)
    modality.check(sample)
    return sample


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="anybind-load")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
