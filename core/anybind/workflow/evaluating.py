"""Judging a graph's binder on true pairs, beside its baselines, its oracle and chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anybind.errors import EvaluationError
from anybind.evaluation import PairResult, evaluate
from anybind.extract import read_space
from anybind.fit_context import FitContext
from anybind.workflow.fitting import fit_graph, fit_oracle
from anybind.workflow.foretold import Foretold, foretold
from anybind.workflow.leaks import graph_leakage
from anybind.workflow.same_encoders import other_encoders
from anybind.workflow.vectors import space_key

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from anybind.binder import Binder
    from anybind.evaluation import Leakage
    from anybind.progress import EpochCallback
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph


@dataclass(frozen=True)
class EntryResult:
    """One ``evaluate:`` entry of a graph, judged for one seed.

    Attributes:
        pair: The two spaces.
        seed: The seed of the data sets.
        method: The binder's method.
        fitted: What the method chose (ranks, shrinkages).
        result: The binder's numbers, with chance and a bootstrap interval.
        oracle: The same method fitted on true pairs; None if the entry names none.
        baselines: Method -> its numbers on the same test rows.
        leaked_ids: Test items that are also in the training data, by id; ``leakage.shared_ids``.
        leakage: What the test and the training data have in common.
        foretold: What the binder said before, beside what the test shows.
    """

    pair: tuple[str, str]
    seed: int
    method: str
    fitted: Mapping[str, Any]
    result: PairResult
    oracle: PairResult | None
    baselines: Mapping[str, PairResult] = field(default_factory=dict)
    leaked_ids: int = 0
    leakage: Leakage | None = None
    foretold: Foretold = field(default_factory=Foretold)

    @property
    def share_of_oracle(self) -> float | None:
        """MRR as a share of the oracle's."""
        return None if self.oracle is None or not self.oracle.mrr else self.result.mrr / self.oracle.mrr

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "seed": self.seed, **self.result.to_dict(), "method": self.method,
            "oracle": None if self.oracle is None else {"mrr": self.oracle.mrr},
            "share_of_oracle": self.share_of_oracle,
            "baselines": {name: result.mrr for name, result in self.baselines.items()},
            "leaked_ids": self.leaked_ids,
            "leakage": None if self.leakage is None else self.leakage.to_dict(),
            "warnings": [] if self.leakage is None else self.leakage.warnings(),
            **self.foretold.to_dict(),
        }  # fmt: skip


def evaluate_graph(
    graph: Graph,
    store: EmbeddingStore,
    binder: Binder,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: EpochCallback | None = None,
) -> list[EntryResult]:
    """Judge a binder on every ``evaluate:`` entry of a graph, for one seed.

    Baselines and oracle are fitted here, on the same seed; ``checkpoints`` and ``progress`` as in ``fit_graph``.

    Raises:
        EvaluationError: the graph evaluates nothing, or too few test rows hold both spaces.
    """
    entries = graph.declaration.evaluate
    if not entries:
        raise EvaluationError(
            "the graph says nothing about evaluation", where=graph.path, expected="at least one entry under evaluate:"
        )
    require_same_encoders(graph, binder)
    names = dict.fromkeys(name for entry in entries for name in entry.baselines)
    told: dict[str, Any] = {"seed": seed, "checkpoints": checkpoints, "progress": progress}
    fitted = {name: fit_graph(graph, store, method=name, forecast=False, **told) for name in names}
    context = FitContext(checkpoints=checkpoints, progress=progress)
    results = []
    for index, entry in enumerate(entries):
        ids, vectors = true_pairs(graph, store, index, seed=seed)

        def judged(
            scorer: Binder, pair: tuple[str, str] = entry.pair, rows: Any = vectors, items: Any = ids
        ) -> PairResult:
            return evaluate(scorer, rows, [pair], ids=items)[0]

        oracle = fit_oracle(graph, store, index, seed=seed, method=binder.method_name, context=context)
        found = graph_leakage(graph, store, index, ids, vectors, seed=seed, trained=binder.training.seed)
        results.append(
            EntryResult(
                entry.pair, seed, binder.method_name, binder.fitted, judged(binder),
                None if oracle is None else judged(oracle),
                {name: judged(fitted[name]) for name in entry.baselines},
                found.shared_ids, found, foretold(binder, vectors, entry.pair),
            )
        )  # fmt: skip
    return results


def true_pairs(
    graph: Graph, store: EmbeddingStore, entry: int, *, seed: int
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Ids and (n, dim) vectors of the rows of an ``evaluate:`` entry that hold both spaces."""
    use = graph.declaration.evaluate[entry]
    dataset = graph.open(use.dataset, seed, f"evaluate[{entry}]")
    read = {
        name: read_space(dataset, space_key(graph, graph.spaces[name], dataset.collection), store) for name in use.pair
    }
    (_, held_a), (_, held_b) = read.values()
    rows = held_a & held_b
    ids = [item for item, held in zip(dataset.ids, rows.tolist(), strict=True) if held]
    if len(ids) < 2:
        raise EvaluationError(
            "too few test rows hold both spaces", where=f"{graph.path}: evaluate[{entry}]",
            got="1 row" if ids else "no rows", expected="at least 2",
            hint=f"run: anybind extract {graph.path}",
        )  # fmt: skip
    return ids, {name: vectors[rows] for name, (vectors, _) in read.items()}


def require_same_encoders(graph: Graph, binder: Binder) -> None:
    """Raise EvaluationError for a binder made for other vectors: its numbers would mean nothing."""
    for name, made_by, wanted in other_encoders(graph, binder.spaces):
        raise EvaluationError(
            "the binder was fitted on vectors of another encoder", where=f"{graph.path}: space {name!r}",
            got=made_by, expected=wanted, hint="evaluate it with the graph it was fitted from, or fit it again",
        )  # fmt: skip
