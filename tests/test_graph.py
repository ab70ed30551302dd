"""The bridging graph against networkx and brute force: paths, ties, pooling, reasons, missing edges."""

import itertools
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.errors import UnknownNameError, UsageError
from anybind.graph import BridgeGraph, Edge, pooled_quality

BENCH = Path(__file__).parents[1] / "bench" / "graph.py"


def _edge(a, b, name=None, quality=0.5, kind="dataset"):
    return Edge(a, b, kind, name or f"{a}+{b}", 100, quality, "pair counts")


def _random_edges(rng, spaces, count, qualities=None):
    pairs = [rng.sample(spaces, 2) for _ in range(count)]
    draw = (lambda: rng.choice(qualities)) if qualities else (lambda: rng.uniform(0.01, 1))
    return [_edge(a, b, f"d{i}", draw()) for i, (a, b) in enumerate(pairs)]


def _oracle_graph(spaces, edges):
    """The same graph for networkx: parallel edges pooled, costs rounded as documented."""
    parallel = {}
    for edge in edges:
        parallel.setdefault(edge.spaces, []).append(edge)
    graph = nx.Graph()
    graph.add_nodes_from(spaces)
    for (a, b), parts in parallel.items():
        graph.add_edge(a, b, cost=round(-math.log(pooled_quality(parts)), 12))
    return graph


def _oracle_paths(graph, start, goal, k):
    if not nx.has_path(graph, start, goal):
        return []
    return list(itertools.islice(nx.shortest_simple_paths(graph, start, goal, weight="cost"), k))


@pytest.mark.parametrize("seed", range(8))
def test_paths_equal_networkx_on_random_graphs(seed):
    rng = random.Random(seed)
    for _ in range(40):
        spaces = [f"s{i}" for i in range(rng.randint(2, 14))]
        edges = _random_edges(rng, spaces, rng.randint(0, 3 * len(spaces)))
        start, goal, k = *rng.sample(spaces, 2), rng.randint(1, 6)
        oracle = _oracle_graph(spaces, edges)
        expected = _oracle_paths(oracle, start, goal, k)
        paths = BridgeGraph(spaces, edges).plan(start, goal, k).paths
        assert [list(path.spaces) for path in paths] == expected
        costs = [nx.path_weight(oracle, path, "cost") for path in expected]
        assert [path.cost for path in paths] == pytest.approx(costs, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_costs_equal_networkx_when_costs_tie(seed):
    rng = random.Random(100 + seed)
    for _ in range(40):
        spaces = [f"s{i}" for i in range(rng.randint(3, 9))]
        edges = _random_edges(rng, spaces, 3 * len(spaces), qualities=[1.0, 0.5, 0.25])
        oracle = _oracle_graph(spaces, edges)
        start, goal = rng.sample(spaces, 2)
        paths = BridgeGraph(spaces, edges).plan(start, goal, 5).paths
        expected = _oracle_paths(oracle, start, goal, 5)
        costs = [nx.path_weight(oracle, path, "cost") for path in expected]
        assert [path.cost for path in paths] == pytest.approx(costs, abs=1e-9)
        assert len({path.spaces for path in paths}) == len(paths)


def test_ties_go_by_length_then_names():
    """Four routes of one cost: one hop of q = 1/4 equals two of q = 1/2; zero-cost hops only add length."""
    edges = [
        _edge("a", "z", quality=0.25),
        _edge("a", "n", quality=0.5), _edge("n", "z", quality=0.5),
        _edge("a", "m", quality=0.5), _edge("m", "z", quality=0.5),
        _edge("m", "k", quality=1.0), _edge("k", "z", quality=0.5),
    ]  # fmt: skip
    paths = BridgeGraph("akmnz", edges).plan("a", "z", 9).paths
    assert [path.spaces for path in paths] == [tuple("az"), tuple("amz"), tuple("anz"), tuple("amkz")]
    assert len({path.cost for path in paths}) == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_plans_do_not_depend_on_the_order_of_spaces_and_edges(data):
    spaces = [f"s{i}" for i in range(6)]
    pairs = data.draw(
        st.lists(st.lists(st.sampled_from(spaces), min_size=2, max_size=2, unique=True), max_size=15)
    )
    qualities = data.draw(
        st.lists(st.sampled_from([0.1, 0.3, 0.5, 1.0]), min_size=len(pairs), max_size=len(pairs))
    )
    edges = [_edge(a, b, f"d{i}", q) for i, ((a, b), q) in enumerate(zip(pairs, qualities, strict=True))]
    cut = data.draw(st.integers(0, len(edges)))  # the rest are candidates
    inside, outside = edges[:cut], edges[cut:]
    shuffle = data.draw(st.randoms(use_true_random=False)).sample
    plan = BridgeGraph(spaces, inside).plan("s0", "s1", 5, outside)
    again = BridgeGraph(shuffle(spaces, len(spaces)), shuffle(inside, len(inside))).plan(
        "s0", "s1", 5, shuffle(outside, len(outside))
    )
    assert again == plan


def test_parallel_data_sets_are_one_route_and_are_listed():
    edges = [
        _edge("a", "b", "first"),
        _edge("b", "a", "second"),
        _edge("a", "b", "tower", 0.5, "shared-space"),
    ]
    plan = BridgeGraph("ab", edges).plan("a", "b", 5)
    assert len(plan.paths) == 1
    (hop,) = plan.paths[0].hops
    assert [edge.name for edge in hop.edges] == ["first", "second", "tower"]
    assert hop.quality == pytest.approx(0.75)  # odds 1 + 1 + 1


def test_parallel_data_sets_together_can_beat_a_better_single_one():
    edges = [
        _edge("a", "c", "x", 0.45),
        *(_edge("a", "b", f"y{i}", 0.4) for i in range(9)),
        _edge("b", "c", "z", 1.0),
    ]
    assert BridgeGraph("abc", edges).plan("a", "c").paths[0].spaces == ("a", "b", "c")


def test_hops_are_given_in_the_direction_of_travel():
    plan = BridgeGraph("abc", [_edge("a", "b"), _edge("b", "c")]).plan("c", "a")
    assert [(hop.a, hop.b) for hop in plan.paths[0].hops] == [("c", "b"), ("b", "a")]


def test_components_and_the_whole_graph_drawn():
    graph = BridgeGraph(["d", "c", "b", "a", "e"], [_edge("d", "b"), _edge("c", "e")])
    assert graph.connected_components() == (("a",), ("b", "d"), ("c", "e"))
    text = graph.mermaid(graph.plan("b", "d").paths)
    assert text.count("[") == 5
    assert "linkStyle 0 " in text


def test_names_in_drawings_are_escaped():
    graph = BridgeGraph(['a"]', "b"], [_edge('a"]', "b", "x<y>|z")])
    text = graph.plan("b", 'a"]').mermaid() + graph.mermaid()
    assert 'n1["a#34;#93;"]' in text
    assert '|"x#60;y#62;#124;z: 50 %"|' in text


def test_no_path_says_where_each_side_stands():
    graph = BridgeGraph(
        ["image", "text", "audio", "touch", "ecg"], [_edge("image", "text"), _edge("audio", "touch")]
    )
    plan = graph.plan("image", "audio")
    assert plan.paths == ()
    assert plan.missing == ()
    assert plan.parts == (("image", "text"), ("audio", "touch"))
    assert plan.reason == (
        "'image' is connected only to 'text'. 'audio' is connected only to 'touch'. There are no "
        "candidate edges to add; any edge between 'image', 'text' and 'audio', 'touch' would do."
    )
    assert "'ecg' is isolated: nothing joins it" in graph.plan("ecg", "image").reason


def test_candidates_that_do_not_join_are_said_to():
    plan = BridgeGraph("abc", [_edge("a", "b")]).plan(
        "a", "c", candidates=[_edge("b", "x"), _edge("a", "b", "more")]
    )
    assert plan.missing == ()
    assert "None of 2 candidate edges, nor up to 3 together, joins them" in plan.reason


def test_the_cheapest_missing_edge_counts_the_whole_path():
    """The better candidate hangs on a worse hop, so the other one is the cheaper to have."""
    inside = [_edge("a", "b", quality=0.1), _edge("c", "d", quality=0.9)]
    outside = [_edge("b", "d", "far", 0.9), _edge("a", "c", "near", 0.5), _edge("a", "d", "poor", 0.01)]
    plan = BridgeGraph("abcd", inside).plan("a", "d", candidates=outside)
    assert [edge.name for missing in plan.missing for edge in missing.edges] == ["near", "far", "poor"]
    assert plan.missing[0].path.spaces == ("a", "c", "d")
    assert plan.missing[0].cost == pytest.approx(-math.log(0.45))
    assert plan.reason.endswith("'d' is connected only to 'c'.")


def test_missing_edges_may_pass_through_spaces_the_graph_lacks():
    outside = [_edge("b", "new", "one"), _edge("new", "c", "two"), _edge("new", "newer")]
    plan = BridgeGraph("abc", [_edge("a", "b")]).plan("a", "c", candidates=outside)
    assert [[edge.name for edge in missing.edges] for missing in plan.missing] == [["one", "two"]]
    assert plan.missing[0].path.spaces == ("a", "b", "new", "c")


def test_more_than_three_missing_edges_are_no_answer():
    names = ["a", "w", "x", "y", "z"]
    outside = [_edge(a, b) for a, b in itertools.pairwise(names)]
    assert BridgeGraph("az", []).plan("a", "z", candidates=outside).missing == ()
    assert (
        len(BridgeGraph("az", []).plan("a", "z", candidates=[*outside, _edge("a", "x")]).missing[0].edges)
        == 3
    )


def _cheapest_by_force(spaces, inside, outside, start, goal):
    """(number added, cost) of the best set of at most three candidates, each tried."""
    for count in (1, 2, 3):
        costs = []
        for added in itertools.combinations(outside, count):
            everything = sorted({*spaces, *(space for edge in added for space in edge.spaces)})
            oracle = _oracle_graph(everything, [*inside, *added])
            if nx.has_path(oracle, start, goal):
                costs.append(nx.shortest_path_length(oracle, start, goal, "cost"))
        if costs:
            return count, min(costs)
    return None


@pytest.mark.parametrize("seed", range(6))
def test_the_missing_edges_equal_brute_force(seed):
    rng = random.Random(seed)
    seen = set()
    for _ in range(25):
        spaces = [f"s{i}" for i in range(7)]
        inside = _random_edges(rng, spaces, rng.randint(0, 4))
        wild = _random_edges(rng, [*spaces, "t0", "t1"], 5)
        outside = list({edge.spaces: edge for edge in wild}.values())
        graph = BridgeGraph(spaces, inside)
        plan = graph.plan("s0", "s1", candidates=outside)
        if plan.paths:
            continue
        expected = _cheapest_by_force(spaces, inside, outside, "s0", "s1")
        found = (len(plan.missing[0].edges), plan.missing[0].cost) if plan.missing else None
        assert (found is None) == (expected is None)
        if found:
            assert found[0] == expected[0]
            assert found[1] == pytest.approx(expected[1], abs=1e-9)
        seen.add(found and found[0])
    assert {None, 1} <= seen


def test_unknown_spaces_come_with_a_suggestion():
    graph = BridgeGraph(["image", "text_ja"], [])
    with pytest.raises(UnknownNameError, match="no space named 'text_jp'") as caught:
        graph.plan("image", "text_jp")
    assert caught.value.hint == "did you mean 'text_ja'?"
    assert caught.value.expected == "one of 'image', 'text_ja'"
    with pytest.raises(UnknownNameError) as caught:
        BridgeGraph(["image"], [_edge("image", "text", "captions")])
    assert caught.value.where == "edge captions"


@pytest.mark.parametrize(("start", "goal", "k"), [("a", "a", 3), ("a", "b", 0), ("a", "b", 2.5)])
def test_senseless_questions_are_usage_errors(start, goal, k):
    with pytest.raises(UsageError):
        BridgeGraph("ab", [_edge("a", "b")]).plan(start, goal, k)


def test_one_data_set_given_twice_on_a_hop_is_refused():
    with pytest.raises(UsageError, match="given twice"):
        BridgeGraph("ab", [_edge("a", "b"), Edge("b", "a", "dataset", "a+b", 7, 0.1, "other")])


def test_planning_a_large_graph_finds_the_routes_of_networkx():
    """The benchmark compares the answers, too; its ratio of times is looked at there, not here."""
    command = [sys.executable, str(BENCH), "--pairs", "8", "--repeats", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = json.loads(done.stdout)["rows"]
    assert [row["k"] for row in rows] == [1, 3, 5]
    assert all(row["same_routes"] for row in rows), done.stdout


def test_planning_imports_neither_torch_nor_networkx():
    code = "import sys, anybind.graph; sys.exit(bool({'torch', 'networkx', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
