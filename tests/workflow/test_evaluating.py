"""Judging on true pairs: the right rows, the same for everybody, and a word about leaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from anybind.errors import EvaluationError
from anybind.registry import Registry
from anybind.store import EmbeddingStore
from anybind.workflow import evaluate_graph, extract_graph, fit_graph, load_graph
from anybind.workflow.evaluating import true_pairs

Writer = Callable[..., Path]


def ready(path: Path, registry=None):
    """A graph, its filled store and its binder."""
    graph, store = load_graph(path, registry=registry), EmbeddingStore(path.parent / "store")
    extract_graph(graph, store, seeds=[0, 1])
    return graph, store, fit_graph(graph, store)


@pytest.fixture(scope="module")
def judged(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory):
    """The tiny graph with its store, its binder and what evaluation says of it. Read only."""
    graph, store, binder = ready(vector_graph(tmp_path_factory.mktemp("judged")))
    return graph, store, binder, evaluate_graph(graph, store, binder)


def brute_force_mrr(scores: np.ndarray) -> float:
    """Mean reciprocal rank of the diagonal, mean of both directions, by sorting."""
    shares = [1 / (1 + int(np.flatnonzero(np.argsort(-table[i]) == i)[0]))
              for table in (scores, scores.T) for i in range(len(table))]  # fmt: skip
    return float(np.mean(shares))


def test_the_numbers_are_those_of_the_test_rows(judged) -> None:
    graph, _, binder, (entry,) = judged
    rows = {letter: np.load(graph.path.parent / "test" / f"{letter}.npy") for letter in "ac"}
    scores = binder.score("a", rows["a"], "c", rows["c"]).numpy()
    assert entry.result.mrr == pytest.approx(brute_force_mrr(scores), abs=1e-9)
    assert (entry.pair, entry.method, entry.seed, entry.result.n_queries) == (("a", "c"), "ridge-chain", 0, 30)
    assert 0 < entry.result.chance.mrr < entry.result.mrr <= 1
    assert entry.result.ids == tuple(f"test-{row:02}" for row in range(30))


def test_oracle_and_baselines_stand_beside_it(judged) -> None:
    graph, store, _, (entry,) = judged
    mox = fit_graph(graph, store, method="mox-closed-form")
    assert list(entry.baselines) == ["mox-closed-form"]
    assert evaluate_graph(graph, store, mox)[0].result.mrr == pytest.approx(entry.baselines["mox-closed-form"].mrr)
    assert entry.share_of_oracle == pytest.approx(entry.result.mrr / entry.oracle.mrr)


def test_the_oracle_is_of_the_method_that_is_judged(judged) -> None:
    graph, store, _, (entry,) = judged
    blunt = fit_graph(graph, store, options={"ridge": 1e6})
    assert evaluate_graph(graph, store, blunt)[0].oracle.mrr == entry.oracle.mrr, "options do not reach the oracle"
    (by_mox,) = evaluate_graph(graph, store, fit_graph(graph, store, method="mox-closed-form"))
    assert by_mox.method == "mox-closed-form"
    assert by_mox.oracle.mrr != entry.oracle.mrr


def test_an_entry_is_plain_json(judged) -> None:
    *_, (entry,) = judged
    plain = json.loads(json.dumps(entry.to_dict(), allow_nan=False))
    assert plain["seed"] == 0
    assert plain["pair"] == ["a", "c"]
    assert plain["method"] == "ridge-chain"
    assert plain["oracle"] == {"mrr": entry.oracle.mrr}
    assert plain["baselines"] == {"mox-closed-form": entry.baselines["mox-closed-form"].mrr}
    assert plain["leaked_ids"] == 0
    assert plain["recall"].keys() == {"1", "5", "10"}


def test_without_oracle_and_baselines_there_are_none(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text[: text.index("    oracle:")])
    (entry,) = evaluate_graph(*ready(path))
    assert (entry.oracle, entry.share_of_oracle, entry.baselines) == (None, None, {})
    assert entry.to_dict()["oracle"] is None


def test_a_graph_that_evaluates_nothing_cannot_be_judged(vector_graph: Writer, tmp_path: Path) -> None:
    graph, store, binder = ready(vector_graph(tmp_path, lambda text: text[: text.index("evaluate:")]))
    with pytest.raises(EvaluationError, match="says nothing about evaluation") as caught:
        evaluate_graph(graph, store, binder)
    assert caught.value.where == graph.path


def test_rows_that_lack_a_side_are_left_out_and_one_row_is_too_few(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("path: test", "missing_from_nan: true, path: test"))
    rows = np.load(tmp_path / "test" / "c.npy")
    rows[3:] = np.nan
    np.save(tmp_path / "test" / "c.npy", rows)
    graph, store, _ = ready(path)
    ids, vectors = true_pairs(graph, store, 0, seed=0)
    assert ids == ["test-00", "test-01", "test-02"]
    assert torch.equal(vectors["c"], torch.from_numpy(rows[:3]))
    rows[1:] = np.nan
    np.save(tmp_path / "test" / "c.npy", rows)
    graph, store, binder = ready(path)
    with pytest.raises(EvaluationError, match="too few test rows hold both spaces") as caught:
        evaluate_graph(graph, store, binder)
    assert caught.value.where == f"{path}: evaluate[0]"
    assert caught.value.got == "1 row"


def test_test_rows_that_were_never_extracted_are_told_with_the_command(judged, tmp_path: Path) -> None:
    graph, *_ = judged
    with pytest.raises(EvaluationError) as caught:
        true_pairs(graph, EmbeddingStore(tmp_path / "empty"), 0, seed=0)
    assert caught.value.got == "no rows"
    assert caught.value.hint == f"run: anybind extract {graph.path}"


def test_test_items_that_were_trained_on_are_counted(letters: Registry, letters_graph: Path) -> None:
    clean = evaluate_graph(*ready(letters_graph, letters))[0]
    assert clean.leaked_ids == 0
    letters_graph.write_text(letters_graph.read_text().replace("start: 60, rows: 12", "start: 55, rows: 12"))
    leaky = evaluate_graph(*ready(letters_graph, letters))[0]
    assert leaky.leaked_ids == 5
    assert leaky.to_dict()["leaked_ids"] == 5


def test_leaks_are_those_of_the_rows_the_binder_saw(letters: Registry, letters_graph: Path) -> None:
    """For seed 1 every window moves by ten rows; the binder of seed 1 has seen ten test rows of seed 0."""
    graph, store, _ = ready(letters_graph, letters)
    of_seed_1 = fit_graph(graph, store, seed=1)
    assert evaluate_graph(graph, store, of_seed_1, seed=0)[0].leaked_ids == 10
    assert evaluate_graph(graph, store, of_seed_1, seed=1)[0].leaked_ids == 0


def test_a_binder_of_another_encoder_is_refused(judged) -> None:
    graph, store, binder, *_ = judged
    other = copy.copy(binder)
    name, info = next((name, info) for name, info in binder.spaces.items() if info.encoder)
    other.spaces = {**binder.spaces, name: info.model_copy(update={"revision": "of-another-time"})}
    with pytest.raises(EvaluationError, match="another encoder") as caught:
        evaluate_graph(graph, store, other)
    assert "of-another-time" in str(caught.value.got)
