"""Edges and the hops they pool into; how plans read as text, JSON and drawings."""

import json
import math
import random

import pytest

from anybind.bridge_plan import BridgePlan, Edge, Hop, MissingEdge, Path, expected_quality, pooled_quality
from anybind.errors import UsageError


def _data_edge(name, quality, pairs=None, a="image", b="text"):
    return Edge(a, b, "dataset", name, pairs, quality, "pair counts")


def _pair_of_hops():
    first = Hop.pool("image", "text", [_data_edge("captions", 0.5, 1000)])
    second = Hop.pool("text", "audio", [_data_edge("clips", 0.25, 500, "audio", "text")])
    return Path(("image", "text", "audio"), (first, second), first.cost + second.cost)


def test_expected_quality_is_pairs_over_pairs_and_dims():
    assert expected_quality(1500, 1280, 384) == pytest.approx(1500 / 3164)


@pytest.mark.parametrize("counts", [(0, 8, 8), (10, 0, 8), (10, 8, -1)])
def test_expected_quality_refuses_counts_below_one(counts):
    with pytest.raises(UsageError, match="cannot expect a quality"):
        expected_quality(*counts)


def test_data_sets_pool_as_one_with_all_their_pairs():
    rng = random.Random(1)
    for _ in range(50):
        counts = [rng.randint(1, 10_000) for _ in range(rng.randint(1, 5))]
        edges = [_data_edge(f"d{i}", expected_quality(n, 512, 384), n) for i, n in enumerate(counts)]
        hop = Hop.pool("image", "text", edges)
        assert hop.quality == pytest.approx(expected_quality(sum(counts), 512, 384), rel=1e-9)
        assert hop.pairs == sum(counts)


def test_pooling_never_loses_and_a_perfect_edge_makes_a_perfect_hop():
    edges = [_data_edge("a", 0.3), _data_edge("b", 0.6)]
    assert pooled_quality(edges) > 0.6
    assert Hop.pool("image", "text", [*edges, _data_edge("c", 1.0)]).cost == 0.0


def test_pooling_ignores_the_order_of_edges():
    edges = [_data_edge(f"d{i}", q) for i, q in enumerate([0.1, 0.7, 1e-9, 0.33, 0.9999])]
    assert Hop.pool("image", "text", edges) == Hop.pool("image", "text", edges[::-1])


def test_a_hop_lists_its_edges_and_says_why():
    hop = Hop.pool("image", "text", [_data_edge("b", 0.5, 1000), _data_edge("a", 0.5, 2000)])
    assert [edge.name for edge in hop.edges] == ["a", "b"]
    assert hop.why == (
        "data set a (2,000 pairs, keeps 50 % by pair counts); "
        "data set b (1,000 pairs, keeps 50 % by pair counts); pooled, keeps 66.7 %"
    )
    assert hop.cost == pytest.approx(-math.log(2 / 3))


def test_one_edge_given_twice_is_refused():
    with pytest.raises(UsageError, match="given twice: data set 'a'") as caught:
        Hop.pool("image", "text", [_data_edge("a", 0.5), _data_edge("a", 0.6)])
    assert caught.value.where == "image – text"


@pytest.mark.parametrize("quality", [0.0, -0.1, 1.1, math.nan, math.inf])
def test_a_quality_out_of_range_is_refused(quality):
    with pytest.raises(UsageError, match="quality is out of range"):
        _data_edge("a", quality)


def test_an_edge_needs_two_spaces_a_known_kind_and_pairs():
    with pytest.raises(UsageError, match="two different spaces"):
        _data_edge("a", 0.5, a="text", b="text")
    with pytest.raises(UsageError, match="unknown kind of edge"):
        Edge("a", "b", "road", "x", None, 0.5, "")
    with pytest.raises(UsageError, match="at least one pair"):
        _data_edge("a", 0.5, 0)


def test_the_smallest_quality_still_has_a_finite_cost():
    assert Hop.pool("image", "text", [_data_edge("a", 5e-324)]).cost == pytest.approx(744.44, abs=0.01)


def test_a_plan_reads_as_text():
    plan = BridgePlan("image", "audio", (_pair_of_hops(),))
    assert plan.describe() == [
        "image → audio: 1 route",
        "1. image – text – audio: keeps about 12.5 % (cost 2.079)",
        "     image – text: data set captions (1,000 pairs, keeps 50 % by pair counts)",
        "     text – audio: data set clips (500 pairs, keeps 25 % by pair counts)",
    ]


def test_a_plan_without_a_path_reads_as_text():
    path = _pair_of_hops()
    missing = MissingEdge(path.hops[1].edges, path)
    plan = BridgePlan(
        "image", "audio", (), "'audio' is isolated.", (missing,), (("image", "text"), ("audio",))
    )
    assert plan.describe() == [
        "image → audio: no path. 'audio' is isolated.",
        "missing: audio – text: data set clips (500 pairs, keeps 25 % by pair counts); "
        "it would make image – text – audio (cost 2.079)",
    ]


def test_a_plan_is_plain_json():
    path = _pair_of_hops()
    plan = BridgePlan(
        "image", "audio", (path,), None, (MissingEdge(path.hops[0].edges, path),), (("a",), ("b",))
    )
    found = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert found["paths"][0]["spaces"] == ["image", "text", "audio"]
    assert found["paths"][0]["hops"][0]["edges"][0]["name"] == "captions"
    assert found["missing"][0]["cost"] == pytest.approx(path.cost)
    assert found["parts"] == [["a"], ["b"]]


def test_a_plan_draws_its_routes_and_marks_the_best():
    path = _pair_of_hops()
    direct = Hop.pool("image", "audio", [Edge("image", "audio", "shared-space", "ib", None, 0.01, "guess")])
    plan = BridgePlan("image", "audio", (path, Path(("image", "audio"), (direct,), direct.cost)))
    assert plan.mermaid().splitlines() == [
        "flowchart LR",
        '    n0["image"]',
        '    n1["text"]',
        '    n2["audio"]',
        '    n0 ===|"ib: 1 %"| n2',
        '    n0 ---|"captions: 50 %"| n1',
        '    n1 ---|"clips: 25 %"| n2',
        "    linkStyle 1,2 stroke:#d6336c,stroke-width:3px",
        "    style n0 stroke:#d6336c,stroke-width:3px",
        "    style n1 stroke:#d6336c,stroke-width:3px",
        "    style n2 stroke:#d6336c,stroke-width:3px",
    ]


def test_a_plan_without_a_path_draws_and_marks_what_is_missing():
    path = _pair_of_hops()
    plan = BridgePlan("image", "audio", (), "none", (MissingEdge(path.hops[1].edges, path),))
    assert "linkStyle 1 " in plan.mermaid()
    assert BridgePlan("image", "audio", (), "none").mermaid().count("[") == 2
