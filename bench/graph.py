"""Planning speed: BridgeGraph.plan against networkx.shortest_simple_paths, in the same run.

    python bench/graph.py [--spaces 1000] [--edges 10000] [--pairs 30] [--repeats 3] [--json]

Both sides find the k best simple paths between the same random pairs on the same graph, built before
the clock starts (times to build are shown apart). Every answer is compared: same routes, same costs.
Exits 1 when the answers differ or a ratio is below 4.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import networkx as nx

from anybind.graph import BridgeGraph, Edge, expected_quality

LEAST_RATIO = 4.0
KS = (1, 3, 5)  # k = 1 is shown for completeness: there networkx needs one bidirectional search only


def random_edges(spaces: list[str], count: int, rng: random.Random) -> list[Edge]:
    """Data sets between random spaces, with 100 to 1,000,000 pairs and dims of real encoders."""
    dims = {space: rng.choice([384, 512, 768, 1024, 1280]) for space in spaces}
    edges = []
    for number in range(count):
        a, b = rng.sample(spaces, 2)
        pairs = int(10 ** rng.uniform(2, 6))
        quality = expected_quality(pairs, dims[a], dims[b])
        edges.append(Edge(a, b, "dataset", f"data{number}", pairs, quality, "pair counts"))
    return edges


def networkx_graph(graph: BridgeGraph) -> nx.Graph:
    """The same pooled graph for networkx."""
    oracle = nx.Graph()
    oracle.add_nodes_from(graph.spaces)
    oracle.add_weighted_edges_from(((hop.a, hop.b, hop.cost) for hop in graph.hops), weight="cost")
    return oracle


def timed(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least of ``repeats`` wall times in seconds, and the result."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - begin)
    return min(times), result


def compare(
    graph: BridgeGraph, oracle: nx.Graph, pairs: list[list[str]], k: int, repeats: int
) -> dict[str, Any]:
    """Time both on all pairs and compare their answers."""

    def ours() -> list[list[list[str]]]:
        return [[list(path.spaces) for path in graph.plan(a, b, k).paths] for a, b in pairs]

    def theirs() -> list[list[list[str]]]:
        return [list(itertools.islice(nx.shortest_simple_paths(oracle, a, b, "cost"), k)) for a, b in pairs]

    our_time, our_paths = timed(ours, repeats)
    their_time, their_paths = timed(theirs, repeats)
    return {
        "k": k,
        "anybind_ms": 1e3 * our_time / len(pairs),
        "networkx_ms": 1e3 * their_time / len(pairs),
        "ratio": their_time / our_time,
        "same_routes": our_paths == their_paths,
    }


def main() -> int:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"spaces": 1000, "edges": 10_000, "pairs": 30, "repeats": 3, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    spaces = [f"space{number:04d}" for number in range(args.spaces)]
    edges = random_edges(spaces, args.edges, rng)
    build_time, graph = timed(lambda: BridgeGraph(spaces, edges), 1)
    oracle = networkx_graph(graph)
    joined = max(nx.connected_components(oracle), key=len)
    pairs = [rng.sample(sorted(joined), 2) for _ in range(args.pairs)]
    rows = [compare(graph, oracle, pairs, k, args.repeats) for k in KS]
    report = {"schema_version": 1, **vars(args), "build_ms": 1e3 * build_time, "rows": rows}
    if args.json:
        print(json.dumps(report))
    else:
        print(f"{args.spaces} spaces, {args.edges} data sets; built and pooled in {1e3 * build_time:.0f} ms")
        for row in rows:
            print("k={k}: anybind {anybind_ms:.2f} ms, networkx {networkx_ms:.2f} ms, ".format(**row), end="")
            print(f"{row['ratio']:.1f}x, same routes: {row['same_routes']}")
    right = all(row["same_routes"] and (row["k"] == 1 or row["ratio"] >= LEAST_RATIO) for row in rows)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
