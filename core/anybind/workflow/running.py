"""``run``: extract, fit, evaluate and write everything a run leaves behind."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from anybind.artifact import METRICS
from anybind.errors import AnybindError, UsageError
from anybind.evaluation import bootstrap_intervals, paired_difference
from anybind.store import EmbeddingStore
from anybind.store.files import write_whole
from anybind.workflow.all_pairs import graph_matrix
from anybind.workflow.evaluating import EntryResult, evaluate_graph
from anybind.workflow.fitting import fit_graph
from anybind.workflow.forecasting import record_forecasts
from anybind.workflow.foretold import mean_foretold
from anybind.workflow.graph import Graph, load_graph
from anybind.workflow.showing import write_run_page
from anybind.workflow.vectors import default_store, extract_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybind.binder import Binder
    from anybind.evaluation.matrix import MatrixRow
    from anybind.extract import OnError, Skipped
    from anybind.progress import EpochCallback, ProgressCallback
    from anybind.registry import Registry

SCHEMA_VERSION = 1


@dataclass
class RunResult:
    """What a run found and where it put it.

    Attributes:
        graph: The graph that was run.
        out: Folder with artifact/, metrics.json, report.html, and training/ where something was trained.
        seeds: The seeds that were run.
        binder: The binder of the first seed.
        per_seed: For every seed, the results of the graph's ``evaluate:`` entries.
        seconds: Wall time per stage.
        skipped: Samples that were left out while embedding.
        matrix: Every pair of the first seed's binder, judged where there are true pairs and forecast elsewhere.
    """

    graph: Graph
    out: Path
    seeds: tuple[int, ...]
    binder: Binder
    per_seed: list[list[EntryResult]]
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    matrix: tuple[MatrixRow, ...] = ()

    @property
    def results(self) -> list[dict[str, Any]]:
        """One summary per ``evaluate:`` entry: means over seeds, fractions of 1, JSON values."""
        return [summary(list(entries)) for entries in zip(*self.per_seed, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """What ``anybind run --json`` prints."""
        return {
            "schema_version": SCHEMA_VERSION, "name": self.graph.name, "graph": str(self.graph.path),
            "out": str(self.out), "seeds": list(self.seeds), "results": self.results, "seconds": self.seconds,
            "matrix": [row.to_dict() for row in self.matrix],
            "skipped": [asdict(sample) for sample in self.skipped],
        }  # fmt: skip


def run(
    graph: Graph | str | Path,
    out: Path | str | None = None,
    *,
    store: Path | str | None = None,
    seeds: Sequence[int] | None = None,
    method: str | None = None,
    on_error: OnError = "fail",
    registry: Registry | None = None,
    echo: Callable[[str], None] | None = None,
    progress: ProgressCallback | None = None,
    epoch_progress: EpochCallback | None = None,
) -> RunResult:
    """Run a graph from raw data to a saved, judged binder.

    Extraction and training resume where an earlier run stopped; vectors in the store are used again.

    Args:
        graph: A graph or the path of its YAML.
        out: Where the results go; ``runs/<name>`` if None.
        store: Where the vectors lie; ``store`` beside ``out`` if None.
        seeds: The seeds to run; the graph's if None.
        method: Another binder method than the declared one.
        on_error: ``fail`` stops at the first sample that cannot be read, ``skip`` leaves it out.
        registry: Where names are looked up; the installed plugins if None.
        echo: Called with a line for people as each stage begins.
        progress: Called while embedding; without it a bar is drawn on stderr when that is a terminal.
        epoch_progress: Called after every epoch of a trained method; without it a bar is drawn likewise.

    Raises:
        AnybindError: the graph, the data, the store or the disk is at fault; the message says which.
    """
    opened = graph if isinstance(graph, Graph) else load_graph(graph, registry=registry)
    target = Path(out) if out is not None else Path("runs") / opened.name
    vectors = EmbeddingStore(Path(store) if store is not None else default_store(target))
    chosen = tuple(seeds) if seeds is not None else opened.declaration.seeds
    if not chosen:
        raise UsageError("a run needs at least one seed", got="none", expected="for example --seeds 0,1,2")
    opened.require_routes()
    with _writing(target):  # before the work begins
        target.mkdir(parents=True, exist_ok=True)
    say = echo or (lambda _: None)
    clock = _Clock()
    say(f"extracting into {vectors.root}")
    with clock.stage("extract"):
        report = extract_graph(opened, vectors, seeds=chosen, on_error=on_error, progress=progress)
    left_out = f", {len(report.skipped)} were left out" if report.skipped else ""
    say(f"embedded {report.written} items, {report.reused} were there already{left_out}")
    binders, per_seed = [], []
    training: dict[str, Any] = {"checkpoints": target / "training", "progress": epoch_progress}
    for seed in chosen:
        say(f"seed {seed}: fitting {method or opened.declaration.bind.method}")
        with clock.stage("fit"):
            binders.append(fit_graph(opened, vectors, seed=seed, method=method, **training))
        if opened.declaration.evaluate:
            say(f"seed {seed}: evaluating beside baselines and oracle")
            with clock.stage("evaluate"):
                per_seed.append(evaluate_graph(opened, vectors, binders[-1], seed=seed, **training))
    if method is None:
        record_forecasts(opened, vectors, binders[0])
    with clock.stage("matrix"):
        judged = per_seed[0] if per_seed else ()
        matrix = graph_matrix(opened, vectors, binders[0], seed=chosen[0], judged=judged, **training)
    result = RunResult(opened, target, chosen, binders[0], per_seed, clock.seconds, report.skipped, matrix)
    _write(result, vectors)
    return result


def summary(entries: Sequence[EntryResult]) -> dict[str, Any]:
    """One entry over several seeds: means, and the paired difference to the better baseline."""
    first = entries[0]
    mrr = [entry.result.mrr for entry in entries]
    baselines = {name: [entry.baselines[name].mrr for entry in entries] for name in first.baselines}
    oracle = [entry.oracle.mrr for entry in entries if entry.oracle is not None]
    interval = bootstrap_intervals(_by_item(entries)[:, None], n_boot=1000, seed=0, confidence=0.95)[0]
    return {
        "pair": list(first.pair),
        "method": first.method,
        "n_queries": first.result.n_queries,
        "mrr": fmean(mrr),
        "interval": {"mrr": list(interval)},
        "recall": {str(k): fmean(entry.result.recall[k] for entry in entries) for k in first.result.recall},
        "median_rank": fmean(entry.result.median_rank for entry in entries),
        "chance": first.result.chance.to_dict(),
        "oracle": {"mrr": fmean(oracle)} if oracle else None,
        "share_of_oracle": fmean(mrr) / fmean(oracle) if oracle and fmean(oracle) else None,
        "baselines": {name: fmean(values) for name, values in baselines.items()},
        "difference_to_best_baseline": _difference(mrr, baselines),
        "leaked_ids": max(entry.leaked_ids for entry in entries),
        **_leakage(entries),
        **mean_foretold([entry.foretold for entry in entries]).to_dict(),
        "per_seed": [entry.to_dict() | {"fitted": _chosen(entry)} for entry in entries],
    }


def _by_item(entries: Sequence[EntryResult]) -> torch.Tensor:
    """(items,) mean reciprocal rank of every test item: one that two seeds test is not two items."""
    found: dict[str, list[float]] = {}
    for entry in entries:
        for item, value in zip(entry.result.ids or (), entry.result.reciprocal_ranks.tolist(), strict=True):
            found.setdefault(item, []).append(value)
    return torch.tensor([fmean(values) for values in found.values()], dtype=torch.float64)


def _difference(mrr: list[float], baselines: dict[str, list[float]]) -> dict[str, Any] | None:
    if not baselines or len(mrr) < 2:
        return None
    best = max(baselines, key=lambda name: fmean(baselines[name]))
    return {"baseline": best, **paired_difference(mrr, baselines[best]).to_dict()}


def _leakage(entries: Sequence[EntryResult]) -> dict[str, Any]:
    """The leakage of the seed that has most of it, whole, so that its counts and examples belong together."""
    found = [entry.leakage for entry in entries if entry.leakage is not None]
    if not found:
        return {"leakage": None, "warnings": []}
    worst = max(found, key=lambda each: (each.shared_ids, each.same_content, each.near_duplicates))
    return {"leakage": worst.to_dict(), "warnings": worst.warnings()}


def _chosen(entry: EntryResult) -> dict[str, Any]:
    return {name: value for name, value in entry.fitted.items() if isinstance(value, int | float | str)}


def _write(result: RunResult, store: EmbeddingStore) -> None:
    content = json.dumps(result.to_dict(), indent=2, ensure_ascii=False) + "\n"
    result.binder.texts[METRICS] = content
    result.binder.save_pretrained(result.out / "artifact")
    with _writing(result.out / METRICS):
        write_whole(result.out, {METRICS: content.encode()}, uuid.uuid4().hex)
    page = result.out / "report.html"
    write_run_page(page, result.graph, store, result.binder, result.results, result.seeds,
                   [row.to_dict() for row in result.matrix])  # fmt: skip


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an AnybindError that names the path."""
    try:
        yield
    except OSError as error:
        raise AnybindError(
            "the results cannot be written", where=path, got=error.strerror or error,
            hint="free some space or choose another folder; what was there before is kept",
        ) from error  # fmt: skip


class _Clock:
    """Wall seconds per stage, added up over seeds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begun, 2)
