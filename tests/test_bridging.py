"""From what rows have been seen together to routes between spaces."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from anybind.array_input import array_source
from anybind.bridging import all_targets, dataset_edge, graph_of, routes_for
from anybind.errors import NoPathError, UnknownNameError, UsageError
from anybind.fit_data import collect
from anybind.moments import Moments


def seen(dims: dict[str, int], datasets: dict[str, tuple[int, str]], **absent: list[int]) -> Moments:
    """Moments of data sets given as name -> (rows, spaces); ``absent`` names rows without a space."""
    random = np.random.default_rng(0)
    sources = []
    for name, (n, spaces) in datasets.items():
        masks = {space: ~np.isin(np.arange(n), rows) for space, rows in absent.items() if space in spaces}
        arrays = {space: random.normal(size=(n, dims[space])) for space in spaces}
        sources.append(array_source(name, arrays, present=masks))
    return collect(sources).moments


CHAIN = {"d1": (50, "ab"), "d2": (60, "bc"), "d3": (70, "cd")}
DIMS = dict.fromkeys("abcdxy", 4)


def test_a_data_set_is_an_edge_whose_cost_falls_with_its_pairs() -> None:
    few = dataset_edge("few", "a", "b", 8, {"a": 4, "b": 4})
    many = dataset_edge("many", "a", "b", 800, {"a": 4, "b": 4})
    assert (few.name, few.kind, few.pairs, few.spaces) == ("few", "dataset", 8, ("a", "b"))
    assert math.isclose(few.quality, 8 / (8 + 4 + 4))  # n / (n + d_a + d_b), design section 5
    assert many.quality > few.quality


def test_the_graph_counts_rows_that_have_both_spaces() -> None:
    moments = seen(DIMS, {"d1": (50, "ab"), "more": (20, "ab"), "d2": (60, "bc")}, a=[0, 1, 2])
    edges = {edge.name: edge.pairs for hop in graph_of(moments).hops for edge in hop.edges}
    assert edges == {"d1": 47, "more": 17, "d2": 60}
    assert len(graph_of(moments).hops) == 2


def test_routes_go_through_the_pivots_best_first() -> None:
    chain = seen(DIMS, CHAIN)
    assert routes_for(chain, [("a", "d"), ("d", "b")]) == {
        ("a", "d"): (("a", "b", "c", "d"),),
        ("d", "b"): (("d", "c", "b"),),
    }
    loop = seen(DIMS, {**CHAIN, "big": (4000, "ax"), "large": (4000, "xd")})
    routes = routes_for(loop, [("a", "d")])["a", "d"]
    assert routes == (("a", "x", "d"), ("a", "b", "c", "d"))
    assert routes_for(loop, [("a", "d")], k=1)["a", "d"] == routes[:1]


def test_rows_that_never_meet_are_no_edge() -> None:
    moments = seen(DIMS, {"d1": (40, "ab"), "d2": (40, "bc")}, a=list(range(20)), b=list(range(20, 40)))
    with pytest.raises(NoPathError):
        routes_for(moments, [("a", "b")])
    assert all_targets(moments) == (("b", "c"),)


def test_without_a_path_both_parts_are_told() -> None:
    moments = seen(DIMS, {"d1": (50, "ab"), "d2": (50, "cd")})
    with pytest.raises(NoPathError, match="no chain of paired rows joins 'a' and 'd'") as caught:
        routes_for(moments, [("a", "b"), ("a", "d")])
    error = caught.value
    assert error.exit_code == 3
    assert error.plan.parts == (("a", "b"), ("c", "d"))
    assert "'a' is connected only to 'b'" in str(error.got)
    assert "'d' is connected only to 'c'" in str(error.got)
    assert "data set" in str(error.hint)


def test_all_targets_are_the_pairs_that_some_chain_joins() -> None:
    assert all_targets(seen(DIMS, CHAIN)) == (
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"),
    )  # fmt: skip
    apart = seen(DIMS, {"d1": (9, "ab"), "d2": (9, "cd"), "d3": (9, "x")})
    assert all_targets(apart) == (("a", "b"), ("c", "d"))
    assert all_targets(Moments({"a": 2})) == ()


def test_an_unknown_space_is_named_with_the_closest_one() -> None:
    moments = Moments({"image": 2, "text": 2})
    rows = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    moments.update("d", {"image": rows, "text": rows}, torch.zeros(9, dtype=torch.long))
    with pytest.raises(UnknownNameError) as caught:
        routes_for(moments, [("imgae", "text")])
    assert "'image'" in str(caught.value.hint)


@pytest.mark.parametrize("targets", [("a", "b"), [("a",)], [("a", "b", "c")], ["ab"], [3], [None]])
def test_a_target_is_a_pair(targets: Any) -> None:
    with pytest.raises(UsageError, match="pair"):
        routes_for(seen(DIMS, CHAIN), targets)


def test_a_target_joins_two_spaces() -> None:
    with pytest.raises(UsageError, match="two different"):
        routes_for(seen(DIMS, CHAIN), [("a", "a")])
