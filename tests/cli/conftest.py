"""A small graph that the whole command line can run on: three languages, two data sets, toy encoders."""

import json
import random
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner

from anybind.cli.app import cli

GRAPH = """\
version: 1
name: tiny
seeds: [0, 1]
modalities: {text_en: {kind: text}, text_fr: {kind: text}, text_ja: {kind: text}}
encoders:
  text_en: {use: toy-text}
  text_fr: {use: toy-text}
  text_ja: {use: toy-text}
datasets:
  first: {use: manifest, path: PLACE/first.jsonl}
  second: {use: manifest, path: PLACE/second.jsonl}
bind:
  targets: [[text_en, text_ja]]
  method: ridge-chain
evaluate:
  - dataset: {use: manifest, path: PLACE/test.jsonl}
    pair: [text_en, text_ja]
    oracle: {use: manifest, path: PLACE/oracle.jsonl}
    baselines: [mox-closed-form]
"""
SYLLABLES = ["ka", "mo", "ri", "tu", "se", "no", "ha", "yi", "do", "pe"]
# Other letters for the same syllables: a language that ridge regression can learn.
FRENCH = dict(zip(SYLLABLES, "bla chi gou van ler tie ques plu oin fra".split(), strict=True))
JAPANESE = dict(zip(SYLLABLES, "犬猫魚鳥花山川月星雪", strict=True))
LANGUAGES = {"first": ("en", "fr"), "second": ("fr", "ja"), "test": ("en", "ja"), "oracle": ("en", "ja")}
Finished = namedtuple("Finished", "code stdout stderr")


@pytest.fixture
def anybind():
    """Run the command line in this process."""

    def invoke(*arguments, stdin=None):
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)
        return Finished(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture(scope="session")
def write_graph():
    """Write the tiny graph and its data into a folder; ``change`` edits the YAML."""

    def write(folder: Path, change=lambda text: text) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for seed, (name, languages) in enumerate(LANGUAGES.items()):
            rows = [translated(words(random.Random(f"{seed}-{row}")), languages) for row in range(120)]
            lines = [json.dumps({"id": f"{name}-{row:03}", **texts}) for row, texts in enumerate(rows)]
            (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        graph = folder / "graph.yaml"
        graph.write_text(change(GRAPH.replace("PLACE", str(folder))), encoding="utf-8")
        return graph

    return write


def words(generator):
    return [generator.choice(SYLLABLES) for _ in range(8)]


def translated(syllables, languages):
    speak = {"en": lambda s: s, "fr": FRENCH.get, "ja": JAPANESE.get}
    return {f"text_{language}": " ".join(map(speak[language], syllables)) for language in languages}


@pytest.fixture
def graph(write_graph, tmp_path):
    """The tiny graph in a folder of this test."""
    return write_graph(tmp_path)


@pytest.fixture(scope="session")
def finished_run(write_graph, tmp_path_factory):
    """The tiny graph after ``anybind run --json``: graph, folder of results, what was printed. Read only."""
    folder = tmp_path_factory.mktemp("run")
    graph = write_graph(folder / "graph")
    result = CliRunner().invoke(cli, ["run", str(graph), "--out", str(folder / "out"), "--json"])
    assert result.exit_code == 0, result.stderr
    return graph, folder / "out", result.stdout
