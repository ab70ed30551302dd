"""A run's page made again: the same page from the same data, a smaller one without, and no strange file drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anybind.errors import AnybindError, ArtifactError
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, load_graph, rebuild_page, run

Writer = Callable[..., Path]
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def finished(vector_graph: Writer, tmp_path: Path) -> Path:
    """A finished run of one seed, with its graph and store beside it."""
    return run(vector_graph(tmp_path / "graph"), tmp_path / "out", seeds=[0]).out


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    change(metrics)
    path.write_text(json.dumps(metrics), encoding="utf-8")
    return folder


def test_the_page_comes_out_as_the_run_wrote_it(finished: Path, tmp_path: Path) -> None:
    before = (finished / "report.html").read_text("utf-8")
    assert rebuild_page(finished, tmp_path / "again.html").read_text("utf-8") == before
    (finished / "report.html").unlink()
    assert rebuild_page(finished) == finished / "report.html"
    assert (finished / "report.html").read_text("utf-8") == before


def test_what_metrics_tell_beyond_the_run_is_drawn(finished: Path) -> None:
    def more(metrics: dict[str, Any]) -> None:
        metrics["matrix"] = [{"pair": ["a", "b"], "path": ["a", "b"], "pivots": 0, "mrr": 0.25}]
        metrics["results"][0]["warnings"] = [EVIL]

    page = rebuild_page(changed(finished, more)).read_text("utf-8")
    assert "0.250<small>direct</small>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


def test_numbers_alone_need_neither_data_nor_vectors(finished: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "out"
    shutil.copytree(finished, elsewhere)
    shutil.rmtree(tmp_path / "graph")
    shutil.rmtree(tmp_path / "store")
    page = rebuild_page(elsewhere, samples=False).read_text("utf-8")
    assert "bound through <strong>b</strong>" in page
    assert "60 pairs" in page
    assert "oracle" in page
    assert "What was found" not in page
    assert "The joint space" not in page


def test_data_that_are_gone_are_told_with_the_way_out(finished: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "graph")
    with pytest.raises(AnybindError, match="--no-samples"):
        rebuild_page(finished)


def test_a_graph_that_was_moved_is_found_where_one_says(finished: Path, tmp_path: Path) -> None:
    before = (finished / "report.html").read_text("utf-8")
    (tmp_path / "graph").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "graph.yaml"
    with pytest.raises(AnybindError, match="anybind extract"):  # vectors of files are known by where these lie
        rebuild_page(finished, graph=moved)
    extract_graph(load_graph(moved), EmbeddingStore(tmp_path / "new store"), seeds=[0])
    page = rebuild_page(finished, graph=moved, store=tmp_path / "new store")
    here, there = (str(tmp_path / name / "graph.yaml") for name in ("graph", "moved"))
    assert page.read_text("utf-8") == before.replace(here, there)


def test_vectors_of_another_encoder_are_not_shown(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "anybind.workflow.evaluating.other_encoders", lambda *_: [("a", "vectors, dim 5", "vectors, dim 6")]
    )
    with pytest.raises(AnybindError, match="vectors of another encoder"):
        rebuild_page(finished)


@pytest.mark.parametrize(
    "change",
    [
        lambda metrics: metrics.pop("results"),
        lambda metrics: metrics.pop("seeds"),
        lambda metrics: metrics["results"][0].update(mrr=EVIL),
        lambda metrics: metrics["results"][0].update(pair="ac"[:1]),
        lambda metrics: metrics["results"].append(3),
        lambda metrics: metrics.update(matrix=[{"pair": ["a", "c"], "mrr": EVIL}]),
        lambda metrics: metrics.update(seeds=[]),
        lambda metrics: metrics["results"][0].update(forecast={"mrr": 1}),
        lambda metrics: metrics["results"][0].update(recall_curve=[{"gallery": 0, "mrr": 1, "recall": {}}]),
    ],
)  # fmt: skip
def test_a_strange_metrics_file_is_refused(finished: Path, change: Callable[[dict[str, Any]], None]) -> None:
    before = (finished / "report.html").read_bytes()
    with pytest.raises(ArtifactError, match="not what a run writes"):
        rebuild_page(changed(finished, change))
    assert (finished / "report.html").read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "null", "no JSON", "[" * 100_000])
def test_what_is_no_metrics_file_at_all_is_refused(finished: Path, text: str) -> None:
    (finished / "metrics.json").write_text(text)
    with pytest.raises(ArtifactError, match="not what a run writes"):
        rebuild_page(finished)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no metrics\.json of a run"):
        rebuild_page(tmp_path)
