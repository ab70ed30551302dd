"""The page of a run shows its numbers, its samples, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from anybind.errors import AnybindError, UsageError
from anybind.registry import Registry
from anybind.store import EmbeddingStore
from anybind.workflow import load_graph, run
from anybind.workflow.showing import write_run_page

Writer = Callable[..., Path]


def test_the_page_credits_the_data_and_names_the_seeds_that_were_run(
    letters: Registry, letters_graph: Path, tmp_path: Path
) -> None:
    result = run(letters_graph, tmp_path / "out", seeds=[3], registry=letters)
    page = (result.out / "report.html").read_text("utf-8")
    assert page.count("Letters by A. Author, CC-BY-4.0") == 1
    assert "<dt>Seeds</dt><dd>3</dd>" in page
    assert "<dt>Method</dt><dd>ridge-chain</dd>" in page
    assert "No training data holds both <strong>a</strong> and <strong>c</strong>" in page
    assert "bound through <strong>b</strong>" in page
    assert f"{result.results[0]['mrr']:.3f}" in page
    assert page.count('<article class="query ') == 24, "12 rows, in both directions"
    assert page.count('<details class="gallery"') == 2
    assert "of 12 test queries" in page
    assert "item-090" in page, "the samples shown are those of the seed that was run"


def test_a_graph_without_test_pairs_has_a_page_without_queries(vector_graph: Writer, tmp_path: Path) -> None:
    graph = vector_graph(tmp_path / "graph", lambda text: text[: text.index("evaluate:")])
    page = (run(graph, tmp_path / "out", seeds=[0]).out / "report.html").read_text("utf-8")
    assert "The graph names no test pairs, so nothing was measured." in page
    assert "<article" not in page
    assert "The data sets state no attribution." in page


PICTURES = """\
version: 1
name: pictures
modalities: {text_ja: {kind: text}, text_en: {kind: text}}
encoders: {image: {use: toy-image}, text_en: {use: toy-text}, text_ja: {use: toy-text}}
datasets:
  first: {use: manifest, path: first.jsonl, text_columns: [text_en]}
  second: {use: manifest, path: second.jsonl}
bind: {targets: [[image, text_ja]], method: ridge-chain, options: {ridge: 1.0}}
evaluate:
  - dataset: {use: manifest, path: test.jsonl}
    pair: [image, text_ja]
"""
COLOURS = ("red", "lime", "blue", "gold", "<teal>", "plum")
JAPANESE = "赤緑青金鴨梅"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Plain pictures of six colours with their names: text in two languages, told apart by kinds of text."""
    held = {"first": ("image", "text_en"), "second": ("text_en", "text_ja"), "test": ("image", "text_en", "text_ja")}
    for split, modalities in held.items():
        rows = []
        for number, (word, sign) in enumerate(zip(COLOURS, JAPANESE, strict=True)):
            picture = f"{split}-{number}.png"
            Image.new("RGB", (8, 8 + number), word.strip("<>")).save(tmp_path / picture)
            row = {"image": picture, "text_en": f"{word} {split}", "text_ja": f"{sign}{split}"}
            rows.append({"id": f"{split}-{number}", **{name: row[name] for name in modalities}})
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    path = tmp_path / "graph.yaml"
    path.write_text(PICTURES, encoding="utf-8")
    return path


def test_queries_and_pictures_are_shown_with_words_many_read(
    pictures: Path, tmp_path: Path, hand_made_registry
) -> None:
    result = run(pictures, tmp_path / "out", registry=hand_made_registry())
    page = (result.out / "report.html").read_text("utf-8")
    assert page.count('<article class="query ') == 12
    assert '<h4 lang="ja">' in page
    assert '<span lang="ja"><span dir="auto">赤test</span></span>' in page
    assert "赤test" in page
    assert 'src="data:image/' in page
    assert "red test" in page, "the picture in words, for those who do not see it"
    assert "&lt;teal&gt; test" in page
    assert "<teal>" not in page
    assert "赤first" not in page


def test_the_map_names_its_items_and_is_left_out_where_there_is_no_joint_space(
    pictures: Path, tmp_path: Path, hand_made_registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(pictures, tmp_path / "out", registry=hand_made_registry())
    page = (result.out / "report.html").read_text("utf-8")
    assert '<g class="item"><title>gold test</title>' in page
    assert page.count('<g class="item">') == 6

    def none(*_args: object) -> None:
        raise UsageError("this method has no joint space")

    monkeypatch.setattr(type(result.binder), "embed", none)
    graph = load_graph(pictures, registry=hand_made_registry())
    again = write_run_page(tmp_path / "p.html", graph, EmbeddingStore(tmp_path / "store"), result.binder, [], [0])
    assert "The joint space" not in again.read_text("utf-8")


def test_large_previews_leave_room_for_fewer_queries(
    letters: Registry, letters_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anybind.workflow.showing._MOST_LETTERS", 1000)
    result = run(letters_graph, tmp_path / "out", seeds=[3], registry=letters)
    assert (result.out / "report.html").read_text("utf-8").count('<article class="query ') == 8


def test_a_page_that_cannot_be_written_leaves_the_older_one(
    letters: Registry, letters_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(letters_graph, tmp_path / "out", registry=letters)
    before = (result.out / "report.html").read_bytes()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anybind.report.page.os.replace", full)
    graph = load_graph(letters_graph, registry=letters)
    store = EmbeddingStore(tmp_path / "store")
    with pytest.raises(AnybindError, match="the page cannot be written"):
        write_run_page(result.out / "report.html", graph, store, result.binder, result.results, [0])
    monkeypatch.undo()
    assert (result.out / "report.html").read_bytes() == before
    assert {path.name for path in result.out.iterdir()} == {"artifact", "metrics.json", "report.html"}
