"""A graph's new data sets added to a saved binder, from Python and by ``anybind fit --extend``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import anybind
from anybind.cli.app import cli
from anybind.errors import DataError, UsageError
from anybind.store import EmbeddingStore
from anybind.workflow import evaluate_graph, extend_graph, extract_graph, fit_graph, load_graph

Writer = Callable[..., Path]

SECOND = "  second: {use: arrays, path: second}\n"


def narrowed(text: str) -> str:
    """The tiny graph before anybody had c."""
    start, end = text.index("evaluate:"), len(text)
    text = text[:start] + text[end:]
    return (text.replace(SECOND, "").replace("[[a, c]]", "[[a, b]]").replace("  c: {use: vectors, dim: 5}\n", "")
            .replace(", c: {kind: vector}", ""))  # fmt: skip


@pytest.fixture
def place(vector_graph: Writer, tmp_path: Path) -> Path:
    """before.yaml without c, graph.yaml with it, one store, and the binder of the first."""
    path = vector_graph(tmp_path)
    (tmp_path / "before.yaml").write_text(narrowed(path.read_text()))
    extract_graph(load_graph(path), EmbeddingStore(tmp_path / "store"), seeds=[0])
    before = fit_graph(load_graph(tmp_path / "before.yaml"), EmbeddingStore(tmp_path / "store"), keep_moments=True)
    before.save_pretrained(tmp_path / "binder")
    return tmp_path


def extended(place: Path, graph: str = "graph.yaml") -> anybind.Binder:
    binder = anybind.Binder.from_pretrained(place / "binder")
    return extend_graph(load_graph(place / graph), EmbeddingStore(place / "store"), binder)


def test_a_new_modality_is_bound_as_if_all_had_been_fitted(place: Path) -> None:
    graph, store = load_graph(place / "graph.yaml"), EmbeddingStore(place / "store")
    grown = extended(place)
    (entry,) = evaluate_graph(graph, store, grown)
    (whole,) = evaluate_graph(graph, store, fit_graph(graph, store))
    assert entry.result.mrr == pytest.approx(whole.result.mrr, abs=0.02)
    assert entry.result.mrr > 4 * entry.result.chance.mrr


def test_encoder_and_data_set_are_recorded(place: Path) -> None:
    grown = extended(place)
    assert (grown.spaces["c"].encoder, grown.spaces["c"].dim) == ("vectors", 5)
    second = grown.training.datasets["second"]
    assert (second.use, second.options, second.added) == ("arrays", {"path": "second"}, True)
    assert not grown.training.datasets["first"].added
    assert grown.texts["graph.yaml"] == (place / "before.yaml").read_text()


def edit(place: Path, old: str, new: str) -> None:
    path = place / "graph.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_does_not_fit_the_binder_is_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="seen all data sets"):
        extended(place, "before.yaml")
    edit(place, "first: {use: arrays, path: first}", "first: {use: arrays, path: oracle, modalities: [a, c]}")
    with pytest.raises(UsageError, match="another data set of this name"):
        extended(place)
    edit(place, "b: {use: vectors, dim: 6}", "b: {use: vectors, dim: 5}")
    with pytest.raises(UsageError, match="another encoder"):
        extended(place)


def test_vectors_that_are_not_there_are_named(place: Path) -> None:
    binder = anybind.Binder.from_pretrained(place / "binder")
    with pytest.raises(DataError, match="second"):
        extend_graph(load_graph(place / "graph.yaml"), EmbeddingStore(place / "empty"), binder)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["fit", *map(str, arguments)])


def test_the_command_keeps_moments_and_extends(place: Path) -> None:
    store = ("--store", place / "store")
    first = invoke(place / "before.yaml", "--out", place / "one", "--keep-moments", *store)
    assert first.exit_code == 0, first.stderr
    second = invoke(place / "graph.yaml", "--extend", place / "one", "--out", place / "two", "--json", *store)
    assert second.exit_code == 0, second.stderr
    assert json.loads(second.stdout)["spaces"] == {"a": 5, "b": 6, "c": 5}
    grown = anybind.Binder.from_pretrained(place / "two")
    assert grown.moments is not None
    assert set(grown.training.datasets) == {"first", "second"}


def test_the_command_refuses_what_does_not_go_together(place: Path) -> None:
    store = ("--store", place / "store")
    assert invoke(place / "before.yaml", "--out", place / "one", *store).exit_code == 0
    without = invoke(place / "graph.yaml", "--extend", place / "one", "--out", place / "two", *store)
    assert without.exit_code == 2
    assert "--keep-moments" in without.stderr
    both = invoke(place / "graph.yaml", "--extend", place / "one", "--seed", 1, "--out", place / "two", *store)
    assert both.exit_code == 2
    assert "keeps its seed" in both.stderr
    assert not (place / "two").exists()
