"""``anybind evaluate --all-pairs``: the matrix as a table and as JSON."""

import json

import pytest

from anybind.binder import Binder
from anybind.cli.results import matrix_lines
from anybind.errors import NoPathError
from anybind.forecasting.forecast import Forecast


def told(self: Binder, a: str, b: str, *, gallery: int, queries: int | None = None) -> Forecast:
    if {a, b} == {"text_fr", "text_ja"}:
        raise NoPathError("there is no forecast for this pair of spaces")
    return Forecast((a, b), gallery, 0.5, {1: 0.4}, (0.3, 0.7), (0.0, 1.0), 0.0049, (a, b), False, "told")


@pytest.fixture
def extracted(graph, anybind, tmp_path, monkeypatch):
    monkeypatch.setattr(Binder, "forecast", told, raising=False)
    anybind("extract", graph, "--store", tmp_path / "s")
    return graph, tmp_path / "s"


def test_the_matrix_is_one_object_with_the_agreed_fields(extracted, anybind):
    graph, store = extracted
    answer = json.loads(anybind("evaluate", graph, "--store", store, "--all-pairs", "--gallery", 700, "--json").stdout)
    assert (answer["name"], answer["seed"]) == ("tiny", 0)
    rows = {tuple(row["pair"]): row for row in answer["matrix"]}
    assert len(rows) == 3
    measured = rows["text_en", "text_ja"]
    assert measured.keys() >= {"pair", "path", "pivots", "n_queries", "mrr", "interval", "recall", "chance",
                               "share_of_oracle", "forecast"}  # fmt: skip
    assert (measured["path"], measured["pivots"]) == (["text_en", "text_fr", "text_ja"], 1)
    assert (measured["n_queries"], measured["forecast"]["gallery"]) == (120, 120)
    assert measured["interval"][0] < measured["mrr"] < measured["interval"][1]
    assert rows["text_en", "text_fr"]["mrr"] is None
    assert rows["text_en", "text_fr"]["forecast"]["gallery"] == 700
    plain = json.loads(anybind("evaluate", graph, "--store", store, "--json").stdout)["results"][0]
    assert measured["mrr"] == pytest.approx(plain["mrr"])
    assert measured["share_of_oracle"] == pytest.approx(plain["share_of_oracle"])


def test_the_matrix_in_words(extracted, anybind):
    graph, store = extracted
    result = anybind("evaluate", graph, "--store", store, "--all-pairs")
    assert (result.code, result.stderr) == (0, "")
    header, rule, *lines, remark = result.stdout.splitlines()
    assert header.split()[:5] == ["by", "way", "of", "gallery", "MRR"]
    assert set(rule) == {"-", " "}
    by_pair = {line.split("  ")[0]: line for line in lines}
    assert "direct" in by_pair["text_en ↔ text_fr"]
    assert by_pair["text_en ↔ text_fr"].split()[-5:] == ["0.005", "0.500", "0.300", "–", "0.700"]
    assert " text_fr " in by_pair["text_en ↔ text_ja"]
    assert remark.startswith("Neither measured nor forecast: text_fr ↔ text_ja.")


def test_a_gallery_without_the_matrix_is_a_usage_error(graph, anybind):
    assert anybind("evaluate", graph, "--gallery", 100).code == 2
    assert anybind("evaluate", graph, "--all-pairs", "--gallery", 1).code == 2


def test_the_remarks_tell_what_was_left_out_and_what_nothing_joins():
    empty = dict.fromkeys(["n_queries", "mrr", "interval", "recall", "chance", "share_of_oracle", "forecast"])
    apart = {**empty, "pair": ["a", "b"], "path": [], "pivots": None, "left_out": 0, "dataset": None}
    numbers = {"n_queries": 9, "mrr": 0.5, "interval": [0.4, 0.6], "recall": {"10": 1.0}, "chance": 0.3}
    seen = {**apart, **numbers, "path": ["a", "b"], "left_out": 3, "dataset": "evaluate[0]"}
    *_, first, second, remark = matrix_lines([seen, apart])
    assert first.split() == ["a", "↔", "b", "direct", "9", "0.500", "0.400", "–", "0.600", "1.000", "0.300"]
    assert "nothing joins them" in second
    assert remark.startswith("3 rows of evaluate[0] were left out")
