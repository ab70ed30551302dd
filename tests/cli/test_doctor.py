"""``anybind doctor G.yaml``: readable, honest about faults, and the installation is checked as before."""

import json

import numpy as np
import pytest

VECTORS = """\
version: 1
name: vectors
seeds: [0]
modalities: {a: {kind: vector}, b: {kind: vector}, c: {kind: vector}}
encoders: {a: {use: vectors, dim: 9}, b: {use: vectors, dim: 7}, c: {use: vectors, dim: 8}}
datasets:
  first: {use: arrays, path: first}
  second: {use: arrays, path: second}
bind: {targets: [[a, c]], method: ridge-chain}
"""


@pytest.fixture
def extracted(anybind, tmp_path):
    """A graph of vectors with its store; ``change`` spoils the arrays of the data sets."""

    def make(change=lambda arrays: None):
        generator = np.random.default_rng(0)
        maps = {name: generator.normal(size=(6, dim)) for name, dim in (("a", 9), ("b", 7), ("c", 8))}
        for split, letters in (("first", "ab"), ("second", "bc")):
            hidden = generator.normal(size=(150, 6))
            arrays = {name: hidden @ maps[name] + 0.3 * generator.normal(size=(150, maps[name].shape[1]))
                      for name in letters}  # fmt: skip
            if split == "first":
                change(arrays)
            (tmp_path / split).mkdir()
            for name, rows in arrays.items():
                np.save(tmp_path / split / f"{name}.npy", rows.astype(np.float32))
        graph = tmp_path / "graph.yaml"
        graph.write_text(VECTORS, encoding="utf-8")
        assert anybind("extract", graph, "--store", tmp_path / "store").code == 0
        return graph

    return make


def test_a_sound_graph_has_tables_and_nothing_to_report(anybind, extracted, tmp_path):
    result = anybind("doctor", extracted(), "--store", tmp_path / "store")
    assert result.code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "vectors: first 150 rows, second 150 rows"
    assert lines[-1] == "nothing to report"
    rows = [line.split() for line in lines]
    assert ["a", "first", "150", "0", "0", "9"] in [row[:6] for row in rows]
    assert ["a", "–", "b", "first", "150"] in [row[:5] for row in rows]
    assert ["b", "first", "/", "second"] in [row[:4] for row in rows]
    assert max(map(len, lines)) <= 110


def test_json_holds_every_number(anybind, extracted, tmp_path):
    graph = extracted()
    answer = json.loads(anybind("doctor", graph, "--store", tmp_path / "store", "--json").stdout)
    assert answer["schema_version"] == 1
    assert (answer["name"], answer["graph"], answer["seed"]) == ("vectors", str(graph), 0)
    assert answer["rows"] == answer["sampled"] == {"first": 150, "second": 150}
    assert [len(answer[part]) for part in ("spaces", "edges", "gaps", "shifts", "findings")] == [4, 2, 0, 1, 0]
    assert answer["edges"][0]["measured"]["mrr"] > 0.8


def test_dead_vectors_are_a_fault_with_exit_code_1(anybind, extracted, tmp_path):
    def spoil(arrays):
        arrays["a"][:] = 0.5

    result = anybind("doctor", extracted(spoil), "--store", tmp_path / "store")
    assert result.code == 1
    assert "!! space a, data set first: All 150 vectors are the same." in result.stdout
    assert result.stdout.splitlines()[-1] == "1 fault, 1 warning"


def test_a_warning_is_no_failure_and_comes_with_advice(anybind, extracted, tmp_path):
    def spoil(arrays):
        arrays["b"] = np.random.default_rng(1).permutation(arrays["b"])

    result = anybind("doctor", extracted(spoil), "--store", tmp_path / "store")
    assert result.code == 0
    *_, finding, advice, total = result.stdout.splitlines()
    assert finding.startswith("!  edge a – b, data set first: Neither side predicts the other")
    assert advice.startswith("   → Check that an id names the same item on both sides")
    assert total == "1 warning"


def test_alike_findings_share_their_advice(anybind, extracted, tmp_path):
    def spoil(arrays):
        arrays["a"][3], arrays["b"][5] = 0, 0

    lines = anybind("doctor", extracted(spoil), "--store", tmp_path / "store").stdout.splitlines()
    assert [line[:30] for line in lines if line.startswith("!")] == [
        "!  space a, data set first: 1 ", "!  space b, data set first: 1 "]  # fmt: skip
    assert len([line for line in lines if line.startswith("   →")]) == 1


def test_without_vectors_the_command_that_makes_them_is_named(anybind, graph, tmp_path):
    result = anybind("doctor", graph, "--store", tmp_path / "nothing")
    assert (result.code, result.stdout) == (1, "")
    assert f"anybind extract {graph}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--store", "x"], "need a graph"),
        (["--seed", "1"], "need a graph"),
        (["G.yaml", "--torch"], "the installation"),
    ],
)
def test_options_that_do_not_go_together(arguments, expected, anybind):
    result = anybind("doctor", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert expected in result.stderr


def test_a_graph_that_is_wrong_or_not_there_has_exit_code_3(anybind, tmp_path):
    assert anybind("doctor", tmp_path / "none.yaml").code == 3
