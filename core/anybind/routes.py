"""The k best simple routes between two nodes of an undirected graph with whole-number weights.

Yen's algorithm (Yen 1971, Management Science 17(11), 712-716) with Lawler's rule against duplicate
candidates. Every search is A* with distances to the goal as bound, from one Dijkstra run that stops as
soon as the start is reached; a search gives up once it cannot beat the candidates at hand.

Weights are positive integers, so sums are exact, a tie is a tie, and the answer does not depend on the
order in which edges were given.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from itertools import pairwise

Neighbours = Sequence[Mapping[int, int]]
Route = tuple[int, tuple[int, ...]]


def best_routes(neighbours: Neighbours, start: int, goal: int, k: int) -> list[Route]:
    """The k lightest simple routes, best first; fewer when there are fewer.

    Args:
        neighbours: For each node, its neighbours and the weights (> 0) of the edges to them; symmetric.
        start: First node of every route.
        goal: Last node of every route; not ``start``.
        k: How many routes to return, >= 1.

    Returns:
        (weight, nodes) pairs, by weight, then by the sequence of nodes.
    """
    bound = _distances_to(neighbours, goal, start)
    first = None if bound is None else _search(neighbours, bound, 0, (start,), goal, set(), math.inf)
    if bound is None or first is None:
        return []
    found: list[Route] = []
    candidates: list[tuple[int, tuple[int, ...], int]] = [(*first, 0)]
    taken: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)  # root -> next nodes already used
    while candidates and len(found) < k:
        weight, route, branch = candidates.pop(0)
        found.append((weight, route))
        for i in range(len(route) - 1):
            taken[route[: i + 1]].add(route[i + 1])
        _add_deviations(neighbours, bound, route, branch, taken, candidates, k - len(found))
    return found


def _add_deviations(
    neighbours: Neighbours,
    bound: list[int],
    route: tuple[int, ...],
    branch: int,
    taken: Mapping[tuple[int, ...], set[int]],
    candidates: list[tuple[int, tuple[int, ...], int]],
    wanted: int,
) -> None:
    """Add the best route that leaves ``route`` at each node from ``branch`` on; keep the best ``wanted``."""
    if wanted == 0:
        return
    steps = [neighbours[a][b] for a, b in pairwise(route)]
    root_weight = sum(steps[:branch])
    for i in range(branch, len(steps)):
        limit = candidates[-1][0] if len(candidates) >= wanted else math.inf
        root = route[: i + 1]
        deviation = _search(neighbours, bound, root_weight, root, route[-1], taken[root], limit)
        if deviation is not None:
            insort(candidates, (*deviation, i))
            del candidates[wanted:]
        root_weight += steps[i]


def _distances_to(neighbours: Neighbours, goal: int, start: int) -> list[int] | None:
    """A lower bound of each node's distance to ``goal``; None when ``start`` cannot reach it.

    Nodes farther away than ``start`` all get its distance: still a lower bound, and still consistent
    (along an edge it falls by no more than the edge's weight).
    """
    distances: dict[int, int] = {}
    nearest = {goal: 0}
    heap = [(0, goal)]
    while heap:
        distance, node = heappop(heap)
        if node in distances:
            continue
        distances[node] = distance
        if node == start:
            return [distances.get(other, distance) for other in range(len(neighbours))]
        for other, weight in neighbours[node].items():
            farther = distance + weight
            if farther < nearest.get(other, math.inf):
                nearest[other] = farther
                heappush(heap, (farther, other))
    return None


def _search(
    neighbours: Neighbours,
    bound: list[int],
    root_weight: int,
    root: tuple[int, ...],
    goal: int,
    taken: set[int],
    limit: float,
) -> Route | None:
    """The best simple route that begins with ``root`` and goes on to none of ``taken``.

    Labels are whole routes: among equal weights the smaller sequence of nodes leaves the heap first,
    which makes the answer the smallest of all the lightest routes.

    Returns:
        (weight, nodes), or None when there is none that weighs at most ``limit``.
    """
    spur = root[-1]
    closed = set(root[:-1])
    heap = [(root_weight + bound[spur], root)]
    while heap:
        estimate, route = heappop(heap)
        node = route[-1]
        if node == goal:
            return estimate, route
        if node in closed:
            continue
        closed.add(node)
        weight = estimate - bound[node]
        barred = closed | taken if node == spur else closed
        for other, step in neighbours[node].items():
            if other not in barred and weight + step + bound[other] <= limit:
                heappush(heap, (weight + step + bound[other], (*route, other)))
    return None
