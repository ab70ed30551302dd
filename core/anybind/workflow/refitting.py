"""``refit``: a published binder made again from its own graph, and compared with what was published."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anybind.artifact import GRAPH, METRICS
from anybind.declaration import parse_declaration
from anybind.errors import PluginError, UsageError
from anybind.evaluation import evaluate
from anybind.workflow.evaluating import true_pairs
from anybind.workflow.fitting import fit_graph
from anybind.workflow.graph import Graph
from anybind.workflow.same_encoders import other_encoders
from anybind.workflow.vectors import dataset_info, extract_graph

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.extract import OnError
    from anybind.progress import EpochCallback, ProgressCallback
    from anybind.registry import Registry
    from anybind.store import EmbeddingStore

# How far numbers may lie apart, tensors and scores in units of their size: what another machine's rounding does.
_SAME = 1e-4
_ROWS_COMPARED = 1000


@dataclass(frozen=True)
class RefitEntry:
    """One ``evaluate:`` entry.

    Attributes:
        pair: The two spaces.
        published: The numbers in metrics.json for the binder's seed; those of the published binder, measured now,
            where that has none.
        again: Those of the binder that was fitted again.
        scores_differ: The largest difference of a score of test rows between the two binders, in standard
            deviations of the scores.
    """

    pair: tuple[str, str]
    published: Mapping[str, float]
    again: Mapping[str, float]
    scores_differ: float

    @property
    def same(self) -> bool:
        """Whether the numbers are the same."""
        return all(math.isclose(self.published[name], self.again[name], rel_tol=_SAME, abs_tol=_SAME)
                   for name in self.published)  # fmt: skip


@dataclass(frozen=True)
class RefitResult:
    """What a refit found.

    Attributes:
        binder: The binder that was fitted again.
        entries: The graph's ``evaluate:`` entries.
        tensors: How many tensors the two have.
        differing: Tensor -> how far it lies from the published one, in units of the largest number of that; infinite
            for one that only one of the two has, or of another shape.
        choices: What the fit chose otherwise: name -> (published, again).
        notes: What else is not as it was: data sets with other rows, plugins of another version.
    """

    binder: Binder
    entries: tuple[RefitEntry, ...]
    tensors: int
    differing: Mapping[str, float]
    choices: Mapping[str, tuple[Any, Any]]
    notes: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether the numbers are those that were published, and the tensors, or at least all scores, the same.

        Tensors may differ where the scores do not: directions have no sign that would be given by the data.
        """
        scores = bool(self.entries) and all(entry.scores_differ <= _SAME for entry in self.entries)
        return all(entry.same for entry in self.entries) and (scores or not self.differing)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "reproduced": self.reproduced, "method": self.binder.method_name, "seed": self.binder.training.seed,
            "entries": [asdict(entry) | {"same": entry.same} for entry in self.entries],
            "tensors": self.tensors, "differing": dict(self.differing),
            "choices": {name: list(pair) for name, pair in self.choices.items()}, "notes": list(self.notes),
        }  # fmt: skip


def published_graph(published: Binder, registry: Registry, data_root: Path | str = ".") -> Graph:
    """The graph a binder was fitted from, checked against what is installed.

    Args:
        published: The binder.
        registry: Where names are looked up.
        data_root: Where relative paths in the graph begin.

    Raises:
        UsageError: the binder has no graph, or data were added to it later.
        DeclarationError: something the graph names is not installed.
        PluginError: an encoder is not of the revision it was.
    """
    if GRAPH not in published.texts:
        raise UsageError("this binder was not fitted from a graph, so it cannot be made again", got=f"no {GRAPH}",
                         expected="a binder of 'anybind run' or 'anybind fit'")  # fmt: skip
    added = [name for name, dataset in published.training.datasets.items() if dataset.added]
    if added:
        raise UsageError("data were added to this binder after it was fitted, so its graph does not make it",
                         got=", ".join(added))  # fmt: skip
    declaration = parse_declaration(published.texts[GRAPH], GRAPH, registry)
    graph = Graph(declaration, registry, Path(data_root) / GRAPH)
    for space, made_by, wanted in other_encoders(graph, published.spaces, ignore_paths=True):
        raise PluginError(
            "an encoder is not the one this binder was fitted with", where=f"space {space!r}", got=wanted,
            expected=made_by, hint=f"install {published.spaces[space].distribution}",
        )  # fmt: skip
    return graph


def refit(
    published: Binder,
    graph: Graph,
    store: EmbeddingStore,
    *,
    on_error: OnError = "fail",
    echo: Callable[[str], None] | None = None,
    progress: ProgressCallback | None = None,
    epoch_progress: EpochCallback | None = None,
) -> RefitResult:
    """Make a binder again: embed what the store lacks, fit with the same seed, method and options, and compare.

    Args:
        published: The binder.
        graph: Its graph; see ``published_graph``.
        store: Where the vectors lie.
        on_error, echo, progress, epoch_progress: As for ``run``.

    Raises:
        AnybindError: as ``run``.
    """
    seed, say = published.training.seed, echo or (lambda _: None)
    say(f"extracting into {store.root}")
    extract_graph(graph, store, seeds=(seed,), on_error=on_error, progress=progress)
    say(f"fitting {published.method_name}, seed {seed}")
    again = fit_graph(graph, store, seed=seed, method=published.method_name, progress=epoch_progress,
                      keep_moments=published.moments is not None)  # fmt: skip
    entries = tuple(_entry(published, again, graph, store, i) for i in range(len(graph.declaration.evaluate)))
    old, new = published.tensors(), again.tensors()
    distances = {name: _distance(old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())}
    differing = {name: distance for name, distance in distances.items() if distance > _SAME}
    chosen = _flat(published.fitted), _flat(again.fitted)
    choices = {name: (chosen[0].get(name), chosen[1].get(name)) for name in sorted(chosen[0].keys() | chosen[1].keys())}
    return RefitResult(
        again, entries, len(distances), differing, {n: pair for n, pair in choices.items() if not _alike(*pair)},
        tuple(_notes(published, again, graph)),
    )  # fmt: skip


def _entry(published: Binder, again: Binder, graph: Graph, store: EmbeddingStore, index: int) -> RefitEntry:
    pair, seed = graph.declaration.evaluate[index].pair, published.training.seed
    ids, rows = true_pairs(graph, store, index, seed=seed)
    measured = [
        _numbers(evaluate(binder, rows, [pair], ids=ids, n_boot=0)[0].to_dict()) for binder in (published, again)
    ]
    some = {space: vectors[:_ROWS_COMPARED] for space, vectors in rows.items()}
    a, b = pair
    one, other = (binder.score(a, some[a], b, some[b]).to(torch.float64) for binder in (published, again))
    differ = float((one - other).abs().max() / one.std().clamp(min=1e-300))
    return RefitEntry(pair, _recorded(published, index, pair) or measured[0], measured[1], differ)


def _recorded(published: Binder, index: int, pair: tuple[str, str]) -> dict[str, float] | None:
    """The numbers that metrics.json has of the binder itself; None without them."""
    with suppress(ValueError, KeyError, IndexError, TypeError, AttributeError):  # it may be anybody's file
        result = json.loads(published.texts[METRICS])["results"][index]
        if tuple(result["pair"]) == pair:
            return next(_numbers(r) for r in result["per_seed"] if r["seed"] == published.training.seed)
    return None


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    recall = {f"recall@{k}": float(value) for k, value in result["recall"].items()}
    return {"mrr": float(result["mrr"]), **recall, "median_rank": float(result["median_rank"])}


def _distance(old: torch.Tensor | None, new: torch.Tensor | None) -> float:
    if old is None or new is None or old.shape != new.shape:
        return math.inf
    if not old.numel():
        return 0.0
    size = old.abs().max().clamp(min=1e-30)
    return float((old.to(torch.float64) - new.to(torch.float64)).abs().max() / size)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested plain values by dotted name."""
    if isinstance(value, Mapping):
        return {k: v for key, part in value.items() for k, v in _flat(part, f"{name}.{key}".lstrip(".")).items()}
    if isinstance(value, list | tuple):
        return {k: v for i, part in enumerate(value) for k, v in _flat(part, f"{name}[{i}]").items()}
    return {name: value}


def _alike(old: Any, new: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    return math.isclose(old, new, rel_tol=_SAME, abs_tol=1e-9) if numbers else bool(old == new)


def _notes(published: Binder, again: Binder, graph: Graph) -> Iterator[str]:
    for name, dataset in published.training.datasets.items():
        found = again.training.datasets.get(name)
        if found is not None and found.rows != dataset.rows:
            yield f"data set {name} has {dict(found.rows)} rows, had {dict(dataset.rows)}"
        use = graph.declaration.datasets.get(name)
        now = dataset_info(graph, use).distribution if use is not None else None
        if now != dataset.distribution:
            yield f"data set {name} comes from {now}, came from {dataset.distribution}"
    for name, space in published.spaces.items():
        new = again.spaces.get(name)
        if new is not None and new.distribution != space.distribution:
            yield f"the encoder of {name} comes from {new.distribution}, came from {space.distribution}"
