"""A graph whose training data hold test items: they are named in every place that tells the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anybind.cli.results import result_lines
from anybind.registry import Registry
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, load_graph, run
from anybind.workflow.evaluating import true_pairs
from anybind.workflow.leaks import graph_leakage

Writer = Callable[..., Path]


def letters_leakage(path: Path, registry: Registry, *, seed: int = 0, trained: int = 0):
    graph, store = load_graph(path, registry=registry), EmbeddingStore(path.parent / "store")
    extract_graph(graph, store, seeds=[0, 1])
    return graph_leakage(graph, store, 0, *true_pairs(graph, store, 0, seed=seed), seed=seed, trained=trained)


@pytest.fixture(scope="module")
def leaking(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory):
    """The tiny graph after a run, with test rows 5 and 9 among the training rows: a copy, and one hardly changed."""
    folder = tmp_path_factory.mktemp("leaking")
    path = vector_graph(folder / "graph")
    files = {name: folder / "graph" / f"{name}.npy" for name in ("test/a", "test/c", "first/a", "second/c")}
    rows = {name: np.load(file) for name, file in files.items()}
    rows["second/c"][3] = rows["test/c"][5]
    rows["first/a"][7] = rows["test/a"][9] * np.float32([1.001, 0.999, 1.001, 0.999, 1.001])
    rows["first/a"][8] = rows["test/a"][5]
    for name, array in rows.items():
        np.save(files[name], array)
    return run(path, folder / "runs" / "tiny")


def test_metrics_name_the_planted_items_and_no_other(leaking) -> None:
    (result,) = json.loads((leaking.out / "metrics.json").read_text("utf-8"))["results"]
    found = result["leakage"]
    assert (found["shared_ids"], found["same_content"], found["near_duplicates"]) == (0, 1, 1)
    assert (found["both_sides"], found["checked"], result["leaked_ids"]) == (1, 30, 0)
    named = [[each[key] for key in ("test", "training", "dataset", "space", "why")] for each in found["examples"]]
    assert named == [
        ["test-05", "first-08", "first", "a", "content"], ["test-09", "first-07", "first", "a", "near-duplicate"],
    ]  # fmt: skip
    assert found["threshold"] <= found["examples"][1]["cosine"] < 1
    assert len(result["warnings"]) == 3
    assert [part["leakage"]["same_content"] for part in result["per_seed"]] == [1, 1]


def test_what_is_printed_says_so(leaking) -> None:
    (result,) = leaking.results
    careful = [line for line in result_lines([result]) if line.startswith("Careful: ")]
    assert careful == [f"Careful: {warning}" for warning in result["warnings"]]
    assert "1 test item has a near-duplicate in the training data: for example a of 'test-09'" in careful[1]
    (alone,) = result_lines_of_one_seed(leaking)
    assert alone == careful


def result_lines_of_one_seed(leaking) -> list[list[str]]:
    """What ``anybind evaluate`` prints of them, entry by entry."""
    entries = [entry.to_dict() for entry in leaking.per_seed[0]]
    return [[line for line in result_lines([entry]) if line.startswith("Careful: ")] for entry in entries]


def test_a_clean_graph_warns_of_nothing(vector_graph: Writer, tmp_path: Path) -> None:
    (result,) = run(vector_graph(tmp_path / "graph"), tmp_path / "out").results
    assert result["warnings"] == []
    assert {result["leakage"][kind] for kind in ("shared_ids", "same_content", "near_duplicates")} == {0}
    assert result["leakage"]["threshold"] is not None
    assert not any("Careful" in line for line in result_lines([result]))


def test_shared_ids_of_a_collection_are_found(letters: Registry, letters_graph: Path) -> None:
    letters_graph.write_text(letters_graph.read_text().replace("start: 60, rows: 12", "start: 55, rows: 12"))
    found = letters_leakage(letters_graph, letters)
    by_id = {item for item, leak in found.by_item.items() if leak.why == "id"}
    assert by_id == {f"item-{row:03}" for row in range(55, 60)}
    assert found.shared_ids == 5


def test_a_family_divided_between_training_and_test_is_found(letters: Registry, letters_graph: Path) -> None:
    """Rows 58 and 59 are one family; 59 is tested and 58 is not."""
    text = letters_graph.read_text().replace("start: 30, rows: 30", "start: 30, rows: 29")
    letters_graph.write_text(text.replace("start: 60, rows: 12", "start: 59, rows: 12"))
    found = letters_leakage(letters_graph, letters)
    (leak,) = found.leaks
    assert (leak.test, leak.training, leak.dataset, leak.space) == ("item-059", "item-058", "second", "c")
    assert (found.shared_ids, found.same_content, found.near_duplicates) == (0, 0, 1)


def test_ids_and_families_of_another_collection_mean_nothing(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path)
    for split, rows in (("test", 30), ("first", 60)):
        (tmp_path / split / "ids.txt").write_text("\n".join(f"row-{row:02}" for row in range(rows)))
    graph, store = load_graph(path), EmbeddingStore(tmp_path / "store")
    extract_graph(graph, store, seeds=[0])
    assert graph_leakage(graph, store, 0, *true_pairs(graph, store, 0, seed=0), seed=0, trained=0).leaks == ()


def test_the_training_rows_are_those_of_the_binders_seed(letters: Registry, letters_graph: Path) -> None:
    """For seed 1 every window moves by ten rows, so that its training rows hold ten test rows of seed 0."""
    assert letters_leakage(letters_graph, letters, trained=1).shared_ids == 10
    assert letters_leakage(letters_graph, letters, seed=1, trained=1).shared_ids == 0
