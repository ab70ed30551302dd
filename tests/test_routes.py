"""Routes against an oracle: every simple path listed by networkx, sorted by weight and nodes."""

import random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.routes import best_routes


def _random_network(rng, nodes, edges, heaviest):
    neighbours = [{} for _ in range(nodes)]
    for _ in range(edges):
        a, b = rng.sample(range(nodes), 2)
        neighbours[a][b] = neighbours[b][a] = rng.randint(1, heaviest)
    return neighbours


def _every_route(neighbours, start, goal):
    graph = nx.Graph()
    graph.add_nodes_from(range(len(neighbours)))
    graph.add_weighted_edges_from((a, b, w) for a, row in enumerate(neighbours) for b, w in row.items())
    paths = nx.all_simple_paths(graph, start, goal)
    return sorted((nx.path_weight(graph, path, "weight"), tuple(path)) for path in paths)


@pytest.mark.parametrize("heaviest", [1, 3, 1000])
@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_equals_the_sorted_list_of_all_simple_paths(heaviest, k):
    rng = random.Random(f"{heaviest}-{k}")
    for _ in range(60):
        nodes = rng.randint(2, 8)
        neighbours = _random_network(rng, nodes, rng.randint(0, 2 * nodes), heaviest)
        start, goal = rng.sample(range(nodes), 2)
        assert best_routes(neighbours, start, goal, k) == _every_route(neighbours, start, goal)[:k]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 6)), st.integers(1, 4)), st.integers(1, 40)
)
def test_equals_brute_force_on_small_weights_with_many_ties(edges, k):
    neighbours = [{} for _ in range(7)]
    for (a, b), weight in edges.items():
        if a != b:
            neighbours[a][b] = neighbours[b][a] = weight
    assert best_routes(neighbours, 0, 6, k) == _every_route(neighbours, 0, 6)[:k]


def test_a_long_chain_is_one_route():
    neighbours = [{j: 1 for j in (i - 1, i + 1) if 0 <= j < 2000} for i in range(2000)]
    assert best_routes(neighbours, 0, 1999, 3) == [(1999, tuple(range(2000)))]


def test_weights_beyond_64_bits_stay_exact():
    huge = 10**40
    neighbours = [{1: huge, 2: 1}, {0: huge, 2: huge}, {0: 1, 1: huge}]
    assert best_routes(neighbours, 0, 1, 2) == [(huge, (0, 1)), (huge + 1, (0, 2, 1))]
