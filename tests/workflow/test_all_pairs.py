"""The matrix of a graph's binder: on the right rows, none of which it was fitted on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anybind.errors import NoPathError
from anybind.registry import Registry
from anybind.store import EmbeddingStore
from anybind.workflow import evaluate_graph, extract_graph, fit_graph, graph_matrix, load_graph
from anybind.workflow.all_pairs import untrained_pairs

Writer = Callable[..., Path]
ALL_THREE = "  - dataset: {use: letters, start: 60, rows: 12}\n    pair: [a, c]\n"


def ready(path: Path, registry: Registry | None = None):
    """A graph, its filled store and its binder, which makes no forecasts."""
    graph, store = load_graph(path, registry=registry), EmbeddingStore(path.parent / "store")
    extract_graph(graph, store)
    binder = fit_graph(graph, store)
    binder.forecast = no_forecast
    return graph, store, binder


def no_forecast(a: str, b: str, *, gallery: int, queries: int | None = None) -> None:
    raise NoPathError("there is no forecast for this pair of spaces")


def by_name(rows):
    return {"".join(row.pair): row for row in rows}


@pytest.fixture(scope="module")
def judged(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory):
    """The tiny graph with its store, its binder and what evaluation says of it. Read only."""
    graph, store, binder = ready(vector_graph(tmp_path_factory.mktemp("all-pairs")))
    return graph, store, binder, evaluate_graph(graph, store, binder)


def test_a_declared_pair_has_the_numbers_of_evaluate_and_its_oracle(judged) -> None:
    graph, store, binder, (entry,) = judged
    rows = by_name(graph_matrix(graph, store, binder))
    assert rows["ac"].result == entry.result
    assert rows["ac"].share_of_oracle == pytest.approx(entry.share_of_oracle)
    assert (rows["ac"].path, rows["ac"].dataset, rows["ac"].left_out) == (("a", "b", "c"), "evaluate[0]", 0)
    assert [row.result for name, row in rows.items() if name != "ac"] == [None, None]


def test_what_was_judged_before_spares_the_oracle(judged, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, store, binder, entries = judged
    monkeypatch.setattr("anybind.workflow.all_pairs.fit_oracle", pytest.fail)
    rows = by_name(graph_matrix(graph, store, binder, judged=entries))
    assert rows["ac"].share_of_oracle == entries[0].share_of_oracle


def test_all_spaces_of_a_test_set_are_used_as_far_as_they_are_stored(letters: Registry, letters_graph: Path) -> None:
    text = letters_graph.read_text().split("evaluate:")[0]
    letters_graph.write_text(f"{text}evaluate:\n{ALL_THREE}")
    graph, store, binder = ready(letters_graph, letters)
    assert list(untrained_pairs(graph, store, binder, 0)) == [("a", "c")], "of b no vector was asked for"
    letters_graph.write_text(f"{text}evaluate:\n{ALL_THREE}{ALL_THREE.replace('[a, c]', '[b, c]')}")
    found = untrained_pairs(*ready(letters_graph, letters), 0)
    assert {pair: rows.dataset for pair, rows in found.items()} == {
        ("a", "b"): "evaluate[0]", ("a", "c"): "evaluate[0]", ("b", "c"): "evaluate[1]"
    }  # fmt: skip
    assert all(len(rows) == 12 for rows in found.values())


def test_rows_that_were_trained_on_or_whose_group_was_are_left_out(letters: Registry, letters_graph: Path) -> None:
    letters_graph.write_text(letters_graph.read_text().replace("start: 60, rows: 12", "start: 55, rows: 12"))
    row = by_name(graph_matrix(*ready(letters_graph, letters)))["ac"]
    assert row.result.ids == tuple(f"item-{number:03}" for number in range(60, 67))
    assert row.left_out == 5
    letters_graph.write_text(letters_graph.read_text().replace("start: 30, rows: 30", "start: 30, rows: 29"))
    row = by_name(graph_matrix(*ready(letters_graph, letters)))["ac"]
    assert row.result.ids[0] == "item-060", "item-059 was not trained on, but item-058 of its family was"
    letters_graph.write_text(letters_graph.read_text().replace("start: 55, rows: 12", "start: 10, rows: 12"))
    assert by_name(graph_matrix(*ready(letters_graph, letters)))["ac"].result is None


def test_the_rows_left_out_are_those_of_the_seed_the_binder_was_fitted_for(letters, letters_graph: Path) -> None:
    """For seed 1 every window moves by ten rows, into ten of the test rows of seed 0."""
    graph, store, _ = ready(letters_graph, letters)
    extract_graph(graph, store, seeds=[1])
    binder = fit_graph(graph, store, seed=1)
    assert untrained_pairs(graph, store, binder, 0)["a", "c"].ids == ["item-070", "item-071"]
    assert len(untrained_pairs(graph, store, binder, 1)["a", "c"]) == 12


def test_an_oracles_true_pairs_are_never_tested_on(letters: Registry, letters_graph: Path) -> None:
    oracle = "    oracle: {use: letters, modalities: [a, c], start: 66, rows: 40}\n"
    letters_graph.write_text(letters_graph.read_text() + oracle)
    row = by_name(graph_matrix(*ready(letters_graph, letters)))["ac"]
    assert row.result.ids == tuple(f"item-{number:03}" for number in range(60, 66))
    assert row.share_of_oracle > 0


def test_data_sets_that_came_after_the_fit_are_tested_on(letters: Registry, letters_graph: Path) -> None:
    _, _, binder = ready(letters_graph, letters)
    extra = "  later: {use: letters, modalities: [a, b], start: 20, rows: 60}\nbind:"
    letters_graph.write_text(letters_graph.read_text().replace("bind:", extra))
    graph, store, refitted = ready(letters_graph, letters)
    rows = untrained_pairs(graph, store, binder, 0)["a", "b"]
    assert rows.dataset == "later"
    assert rows.ids == [f"item-{number:03}" for number in range(60, 80)]
    assert ("a", "b") not in untrained_pairs(graph, store, refitted, 0)


def test_of_a_binder_with_other_data_nobody_can_tell_what_it_has_seen(letters: Registry, letters_graph: Path) -> None:
    _, _, binder = ready(letters_graph, letters)
    renamed = letters_graph.read_text().replace("  first:", "  other:")
    letters_graph.write_text(renamed)
    graph, store, _ = ready(letters_graph, letters)
    assert list(untrained_pairs(graph, store, binder, 0)) == [("a", "c")]


def test_a_graph_that_evaluates_nothing_has_a_matrix_without_measurements(vector_graph: Writer, tmp_path: Path) -> None:
    graph, store, binder = ready(vector_graph(tmp_path, lambda text: text[: text.index("evaluate:")]))
    rows = graph_matrix(graph, store, binder)
    assert [("".join(row.pair), row.pivots, row.result) for row in rows] == [
        ("ab", 0, None), ("bc", 0, None), ("ac", 1, None)
    ]  # fmt: skip


def test_rows_that_lack_a_side_are_not_paired(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("path: test", "missing_from_nan: true, path: test"))
    rows = np.load(tmp_path / "test" / "c.npy")
    rows[3:] = np.nan
    np.save(tmp_path / "test" / "c.npy", rows)
    found = untrained_pairs(*ready(path), 0)["a", "c"]
    assert found.ids == ["test-00", "test-01", "test-02"]
    assert np.array_equal(found.vectors["c"], rows[:3])
