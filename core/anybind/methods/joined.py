"""What the data join: the parts that chains of paired rows hold together, and the ranks they can speak of."""

from __future__ import annotations

from anybind.errors import NoPathError
from anybind.methods.hops import shortest_routes
from anybind.moments import Group, Moments

Parts = tuple[tuple[str, ...], ...]


def connected_parts(moments: Moments) -> Parts:
    """The spaces in parts that chains of paired rows join; a space that no row pairs with another is in none."""
    edges = moments.edges()
    return tuple(sorted({tuple(sorted(shortest_routes(edges, space))) for _, space, _ in edges}))


def joined_groups(moments: Moments, without_fold: int | None = None) -> list[Group]:
    """The groups of all folds but one (or of all), less the spaces that no row pairs with another."""
    joined = {space for part in connected_parts(moments) for space in part}
    return [g for g in moments.groups(without_fold=without_fold) if joined.issuperset(g.spaces)]


def largest_rank(moments: Moments) -> int:
    """The largest rank the data can speak of: the smaller of the widest edge's dims and its rows.

    Raises:
        NoPathError: no row holds two spaces.
    """
    edges = moments.edges()
    if not edges:
        raise NoPathError("no data set holds two spaces in one row", where=f"data sets {', '.join(moments.datasets)}")
    return max(min(moments.dims[a], moments.dims[b], moments.pairs(a, b)) for _, a, b in edges)
