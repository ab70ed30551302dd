"""Diagnosing a graph: what it reads, which spaces it takes for one encoder space, and what it needs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anybind.errors import DataError
from anybind.specs import EncoderSpec
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, load_graph
from anybind.workflow.diagnosing import diagnose_graph, encoder_spaces

Writer = Callable[..., Path]


def diagnosed(path: Path, seed: int = 0):
    graph, store = load_graph(path), EmbeddingStore(path.parent / "store")
    extract_graph(graph, store, seeds=[seed])
    return diagnose_graph(graph, store, seed=seed)


def test_training_data_are_looked_at_and_test_pairs_are_not(vector_graph: Writer, tmp_path: Path) -> None:
    found = diagnosed(vector_graph(tmp_path))
    assert dict(found.rows) == {"first": 60, "second": 60}
    assert [(e.a, e.b, e.dataset, e.pairs) for e in found.edges] == [("a", "b", "first", 60), ("b", "c", "second", 60)]
    assert [(s.space, s.datasets) for s in found.shifts] == [("b", ("first", "second"))]
    assert found.edges[0].measured.mrr > 0.8, "views of one hidden item"
    assert [finding for finding in found.findings if finding.level != "note"] == []


def test_shuffled_rows_are_found_out(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path)
    rows = np.load(tmp_path / "first" / "b.npy")
    np.save(tmp_path / "first" / "b.npy", np.random.default_rng(0).permutation(rows))
    warnings = [finding for finding in diagnosed(path).findings if finding.level == "warning"]
    assert [(finding.kind, finding.where) for finding in warnings] == [("unrelated-edge", "edge a – b, data set first")]


def test_groups_of_the_data_set_are_kept(letters, letters_graph: Path) -> None:
    larger = letters_graph.read_text().replace("rows: 30", "rows: 120").replace("start: 30", "start: 500")
    letters_graph.write_text(larger)
    graph, store = load_graph(letters_graph, registry=letters), EmbeddingStore(letters_graph.parent / "store")
    extract_graph(graph, store)
    assert [(edge.pairs, edge.groups) for edge in diagnose_graph(graph, store).edges] == [(120, 60), (120, 60)]


def test_what_was_not_extracted_is_told_with_the_command(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(vector_graph(tmp_path))
    with pytest.raises(DataError, match="has not been extracted") as caught:
        diagnose_graph(graph, EmbeddingStore(tmp_path / "empty"))
    assert f"anybind extract {graph.path}" in caught.value.hint


def test_spaces_of_one_encoder_are_compared_as_they_are(vector_graph: Writer, tmp_path: Path) -> None:
    """a and c come from one encoder with the same options; b is of other dims."""
    graph = load_graph(vector_graph(tmp_path))
    assert encoder_spaces(graph) == [["a", "c"]]
    path = vector_graph(tmp_path / "paired", lambda text: text.replace("dim: 6", "dim: 5"))
    for split in ("first", "second"):
        rows = np.load(path.parent / split / "b.npy")
        np.save(path.parent / split / "b.npy", rows[:, :5])
    assert [(gap.a, gap.b) for gap in diagnosed(path).gaps] == [("a", "b"), ("b", "c")]


def test_towers_trained_together_share_a_space(vector_graph: Writer, hand_made_registry, tmp_path: Path) -> None:
    towers = [
        EncoderSpec(name=name, modality="vector", dim=5, factory="anybind.builtin.vector:Vectors", weights="none",
                    revision="1", licence="CC0-1.0", shared_space=shared)
        for name, shared in (("left", "both"), ("right", "both"), ("alone", None))
    ]  # fmt: skip
    text = ["a: {use: vectors, dim: 5}", "b: {use: vectors, dim: 6}", "c: {use: vectors, dim: 5}"]

    def change(yaml: str) -> str:
        for line, tower in zip(text, towers, strict=True):
            yaml = yaml.replace(line, f"{line[0]}: {{use: {tower.name}}}")
        return yaml

    graph = load_graph(vector_graph(tmp_path, change), registry=hand_made_registry(*towers))
    assert encoder_spaces(graph) == [["a", "b"]]
