"""The whole diagnosis of arrays: what it covers, that it is the same every time, and what it refuses."""

import json
import time

import numpy as np
import pytest

from anybind.array_input import array_source
from anybind.diagnosis import diagnose, diagnose_sources
from anybind.errors import ShapeError, UnknownNameError, UsageError


def test_every_space_edge_and_pivot_is_looked_at(views):
    one, two = views(80), views(90, seed=1)
    found = diagnose({"x": {**one, "c": one["a"]}, "y": {"b": two["b"], "c": two["a"]}}, shared=[("a", "c")])
    assert [(s.space, s.dataset) for s in found.spaces] == [
        ("a", "x"), ("b", "x"), ("c", "x"), ("b", "y"), ("c", "y")]  # fmt: skip
    assert [(e.a, e.b, e.dataset) for e in found.edges] == [
        ("a", "b", "x"), ("a", "c", "x"), ("b", "c", "x"), ("b", "c", "y")]  # fmt: skip
    assert [(g.a, g.b, g.dataset) for g in found.gaps] == [("a", "c", "x")]
    assert [(s.space, s.datasets) for s in found.shifts] == [("b", ("x", "y")), ("c", ("x", "y"))]
    assert dict(found.rows) == dict(found.sampled) == {"x": 80, "y": 90}


def test_it_is_plain_json_and_the_same_every_time_and_leaves_arrays_alone(views):
    data = {"x": views(120)}
    before = {name: rows.copy() for name, rows in data["x"].items()}
    first = json.dumps(diagnose(data).to_dict(), allow_nan=False)
    assert json.dumps(diagnose(data).to_dict(), allow_nan=False) == first
    assert all((data["x"][name] == rows).all() for name, rows in before.items())


def test_more_rows_than_asked_for_are_sampled(views):
    found = diagnose({"x": views(2000)}, rows=100)
    assert (found.rows["x"], found.sampled["x"]) == (2000, 100)
    assert found.edges[0].pairs == 100
    assert found.spaces[0].rows == 2000


def test_the_cost_is_bounded(views):
    started = time.process_time()
    diagnose({"x": views(60_000)}, rows=1000)
    assert time.process_time() - started < 8


def test_progress_is_told(views):
    told = []
    diagnose_sources([array_source("x", views(60))], progress=told.append)
    assert told == ["reading data set x", "space a in x", "space b in x", "edge a – b in x"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rows": 5}, UsageError, "rows is a whole number"),
        ({"rows": True}, UsageError, "rows is a whole number"),
        ({"shared": [("a", "sound")]}, UnknownNameError, "no data set holds"),
        ({"shared": ["ab"]}, UsageError, "groups of spaces"),
        ({"shared": [("a", "b")]}, ShapeError, "same dims"),
    ],
)
def test_bad_arguments_are_named(views, arguments, error, message):
    with pytest.raises(error, match=message):
        diagnose({"x": views(60)}, **arguments)


def test_one_space_has_one_width(views):
    with pytest.raises(ShapeError, match="other dims"):
        diagnose({"x": views(60), "y": {"a": np.ones((60, 3))}})


def test_an_empty_or_absent_space_is_reported_not_a_crash(views):
    nothing = diagnose({"x": views(60)}, present={"x": {"b": np.zeros(60, bool)}})
    assert [finding.kind for finding in nothing.findings] == ["no-vectors", "few-pairs"]
    empty = diagnose({"x": {"a": np.ones((0, 3))}})
    assert [finding.kind for finding in empty.findings] == ["no-vectors"]
