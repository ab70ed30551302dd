"""The drawing says what the graph says, keeps inside its frame, and hides no node behind another."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from anybind.graph import BridgeGraph, Edge
from anybind.report.drawing import graph_svg


def chain_of(count):
    names = [f"space{number:02}" for number in range(count)]
    return BridgeGraph(names, [Edge(a, b, "dataset", f"{a}-{b}", 9, 0.5, "test") for a, b in pairwise(names)])


def boxes(svg):
    """Space -> (left, top, right, bottom) of its node."""
    found = {}
    for node in svg.iter("g"):
        x, y, width, height = (float(node.find("rect").get(key)) for key in ("x", "y", "width", "height"))
        found[node.find("title").text] = (x, y, x + width, y + height)
    return found


def classes(svg, tag):
    return sorted(element.get("class") for element in svg.iter(tag) if element.get("class"))


def star_of(count):
    leaves = [f"leaf{number}" for number in range(count)]
    return BridgeGraph(["hub", *leaves], [Edge("hub", a, "dataset", a, 9, 0.5, "test") for a in leaves])


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("shape", ["bridge", "chain", "star"])
def test_everything_is_drawn_once_and_within_the_frame(bridge, shape, vertical):
    graph, *ends = {
        "bridge": (bridge, "image", "text_ja"),
        "chain": (chain_of(5), "space00", "space04"),
        "star": (star_of(6), "leaf0", "leaf1"),
    }[shape]
    svg = ElementTree.fromstring(graph_svg(graph, [graph.plan(*ends)], vertical=vertical))
    nodes = boxes(svg)
    assert nodes.keys() == set(graph.spaces)
    left, top, width, height = map(float, svg.get("viewBox").split())
    for x1, y1, x2, y2 in nodes.values():
        assert left <= x1 < x2 <= left + width
        assert top <= y1 < y2 <= top + height
    for one, other in combinations(nodes.values(), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_the_chosen_route_is_a_straight_line_that_stands_out(bridge):
    plans = [bridge.plan("image", "text_ja")]
    svg = ElementTree.fromstring(graph_svg(bridge, plans))
    assert classes(svg, "g") == ["node", "node", "node on", "node on", "node on"]
    assert classes(svg, "path") == ["edge again", "edge on", "edge on"]
    nodes = boxes(svg)
    route = [nodes[name] for name in ("image", "text_en", "text_ja")]
    assert len({box[1] for box in route}) == 1
    assert route == sorted(route)
    down = boxes(ElementTree.fromstring(graph_svg(bridge, plans, vertical=True)))
    assert down["image"][3] < down["text_en"][1] < down["text_en"][3] < down["text_ja"][1]


def test_edges_are_labelled_with_data_sets_and_pairs(bridge):
    svg = ElementTree.fromstring(graph_svg(bridge, [bridge.plan("image", "text_ja")]))
    texts = [element.text for element in svg.iter("text") if element.get("class")]
    assert ["captions +1", "1,000 pairs"] in [texts[i : i + 2] for i in range(len(texts))]
    assert "1,500 pairs" in texts
    words = svg.get("aria-label")
    assert "image and text_en by captions, pictures with 1,000 pairs" in words
    assert svg.get("role") == "img"


def test_names_are_escaped_and_long_ones_cut():
    evil, long = '"><script>&', "x" * 60
    graph = BridgeGraph([evil, long], [Edge(evil, long, "dataset", "<b>", 3, 0.5, "test")])
    drawn = graph_svg(graph, [])
    assert "<script" not in drawn
    assert "<b>" not in drawn
    svg = ElementTree.fromstring(drawn)
    shown = [node.find("text").text for node in svg.iter("g")]
    assert evil in shown
    assert f"{'x' * 25}…" in shown
    assert set(boxes(svg)) == {evil, long}


def test_an_edge_past_other_nodes_is_bent_around_them():
    graph = chain_of(3)
    straight = Edge("space00", "space02", "dataset", "direct", 1, 0.01, "test")
    edges = [edge for hop in graph.hops for edge in hop.edges]
    graph = BridgeGraph(graph.spaces, [*edges, straight])
    drawn = graph_svg(graph, [graph.plan("space00", "space02")])
    bent = [curve for curve in re.findall(r"M\S+ (\S+)Q\S+ (\S+) \S+ (\S+)\"", drawn) if len(set(curve)) > 1]
    assert len(bent) == 1


def test_of_a_large_graph_only_the_routes_are_drawn():
    graph = chain_of(40)
    svg = ElementTree.fromstring(graph_svg(graph, [graph.plan("space03", "space07")]))
    assert sorted(boxes(svg)) == [f"space{number:02}" for number in range(3, 8)]


def test_without_a_path_both_ends_are_drawn(bridge):
    svg = ElementTree.fromstring(graph_svg(bridge, [bridge.plan("image", "alone")]))
    assert {"image", "alone"} <= boxes(svg).keys()
    assert "edge on" not in classes(svg, "path")
