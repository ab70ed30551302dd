"""The examples made of emoji run: with the real encoders, pictures and sounds, but fewer of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FAMILY = ("chain", "emoji", "speech")
GRAPHS = [EXAMPLES / name / "graph.yaml" for name in FAMILY]
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
PAIRS = 60  # of each training part, in place of all there are

each_graph = pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.parent.name)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples share, and so one store."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def quick_run(workplace: Path) -> Callable[[Path], dict[str, Any]]:
    """Runs the quick copy of a graph, once, and gives what ``anybind run --json`` printed."""
    printed: dict[Path, dict[str, Any]] = {}

    def run(graph: Path) -> dict[str, Any]:
        if graph not in printed:
            copy = quick_copy(graph, workplace)
            options = ["--store", "store", "--out", f"runs/{graph.parent.name}", "--json"]
            printed[graph] = json.loads(anybind("run", str(copy), *options, cwd=workplace))
        return printed[graph]

    return run


def quick_copy(graph: Path, folder: Path) -> Path:
    """The graph with one seed and smaller training parts; all else as it is."""
    content = yaml.safe_load(graph.read_text("utf-8"))
    content["seeds"] = content["seeds"][:1]
    entries = content["evaluate"]
    used = [*content["datasets"].values(), *(entry["oracle"] for entry in entries if "oracle" in entry)]
    for use in used:
        assert use["use"] in {"emoji", "spoken-emoji"}, "say here how this data set is made smaller"
        use["pairs"] = PAIRS
    for entry in entries:
        if "words" in entry["dataset"]:  # which words are unseen hangs on the training parts
            entry["dataset"]["pairs"] = PAIRS
    path = folder / f"{graph.parent.name}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def anybind(*arguments: str, cwd: Path) -> str:
    return python("-m", "anybind", *arguments, cwd=cwd)


def python(*arguments: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "core"), "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_no_example_is_overlooked() -> None:
    others = {path.name for path in EXAMPLES.glob("*") if path.name not in FAMILY and path.name != "__pycache__"}
    tests = [path.read_text("utf-8") for path in ROOT.glob("tests/**/test_*.py") if path != Path(__file__)]
    assert [name for name in others - {"arrays.py"} if not any(name in test for test in tests)] == []
    graphs = {path for name in FAMILY for path in (EXAMPLES / name).glob("*.yaml")}
    assert graphs == set(GRAPHS)


def test_the_script_is_short_and_finds_what_it_should(tmp_path: Path) -> None:
    (script,) = SCRIPTS
    assert len(script.read_text("utf-8").splitlines()) < 30
    best, numbers = python("-W", "error", str(script), cwd=tmp_path).splitlines()
    assert best == "best match of image 0: sound 0"
    mrr, chance = (float(part.split()[-1]) for part in numbers.split(","))
    assert mrr > 0.9 > 0.1 > chance
    assert list(tmp_path.iterdir()) == []


@each_graph
def test_a_graph_is_valid_and_its_targets_can_be_reached(graph: Path, tmp_path: Path) -> None:
    anybind("validate", str(graph), cwd=tmp_path)
    plans = json.loads(anybind("plan", str(graph), "--json", cwd=tmp_path))["plans"]
    targets = yaml.safe_load(graph.read_text("utf-8"))["bind"]["targets"]
    assert [[plan["start"], plan["goal"]] for plan in plans] == targets
    assert all(len(plan["paths"][0]["spaces"]) > 2 for plan in plans), "nothing here is worth a bridge"


@each_graph
def test_a_graph_runs_from_pictures_and_words_to_numbers(
    graph: Path, quick_run: Callable[[Path], dict[str, Any]]
) -> None:
    found = quick_run(graph)
    declared = yaml.safe_load(graph.read_text("utf-8"))
    assert found["schema_version"] == 1
    for result, entry in zip(found["results"], declared["evaluate"], strict=True):
        assert result["pair"] == entry["pair"]
        assert result["n_queries"] == 300 or ("words" in entry["dataset"] and 100 < result["n_queries"] < 300)
        assert result["method"] == declared["bind"]["method"]
        # From so few pairs nothing can be learned about words that none of them holds.
        assert result["mrr"] > result["chance"]["mrr"] > 0 or "words" in entry["dataset"]
        assert 0 <= result["recall"]["1"] <= result["recall"]["5"] <= result["recall"]["10"] <= 1
        assert list(result["baselines"]) == entry.get("baselines", [])
        assert (result["oracle"] is None) == ("oracle" not in entry)
        assert [part["seed"] for part in result["per_seed"]] == declared["seeds"][:1]
        assert result["leaked_ids"] == 0


@each_graph
def test_a_run_leaves_a_page_numbers_and_a_binder(
    graph: Path, quick_run: Callable[[Path], dict[str, Any]], workplace: Path
) -> None:
    found = quick_run(graph)
    out = workplace / found["out"]
    saved = json.loads((out / "metrics.json").read_text("utf-8"))
    assert saved["results"] == found["results"]
    assert "OpenMoji" in (out / "report.html").read_text("utf-8"), "pictures are shown without attribution"
    assert {path.name for path in (out / "artifact").iterdir()} >= {"config.json", "model.safetensors"}


def test_the_binder_of_the_emoji_example_finds_pictures_for_japanese_words(
    quick_run: Callable[[Path], dict[str, Any]], workplace: Path
) -> None:
    graph = EXAMPLES / "emoji" / "graph.yaml"
    artifact = workplace / quick_run(graph)["out"] / "artifact"
    query = ["犬", "-g", "emoji.yaml", "--from", "text_ja", "--to", "image", "-k", "5", "--store", "store"]
    found = json.loads(anybind("search", str(artifact), *query, "--json", cwd=workplace))
    assert found["gallery_size"] == 300
    assert len({hit["id"] for hit in found["hits"]}) == 5


def test_spoken_names_can_be_played_on_the_page_and_unseen_words_are_fewer(
    quick_run: Callable[[Path], dict[str, Any]], workplace: Path
) -> None:
    found = quick_run(EXAMPLES / "speech" / "graph.yaml")
    whole, unseen = found["results"]
    assert unseen["n_queries"] < whole["n_queries"]
    page = (workplace / found["out"] / "report.html").read_text("utf-8")
    assert "eSpeak NG" in page
    assert "data:audio/wav;base64," in page


def test_nothing_is_embedded_twice(quick_run: Callable[[Path], dict[str, Any]], workplace: Path) -> None:
    graph = EXAMPLES / "emoji" / "graph.yaml"
    quick_run(graph)
    report = json.loads(anybind("extract", "emoji.yaml", "--store", "store", "--json", cwd=workplace))
    assert report["written"] == 0
    assert report["reused"] > 300
