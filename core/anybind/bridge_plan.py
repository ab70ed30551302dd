"""What a plan is made of: edges, the hops they pool into, paths, and the plan itself.

Plain frozen values that describe themselves in words, as JSON and as a drawing; ``anybind.graph`` finds them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

from anybind.errors import UsageError
from anybind.mermaid import Link, LinkStyle, flowchart

EdgeKind = Literal["dataset", "shared-space", "re-encoding"]
Pair = tuple[str, str]

# Costs are counted in whole ticks of 1e-12 nats: sums are exact and a tie is a tie.
TICKS_PER_NAT = 10**12
_KIND_WORDS: dict[EdgeKind, str] = {
    "dataset": "data set",
    "shared-space": "shared space",
    "re-encoding": "re-encoding",
}
_KIND_STYLES: dict[EdgeKind, LinkStyle] = {
    "dataset": "solid",
    "shared-space": "thick",
    "re-encoding": "dotted",
}
# Parallel edges named to people; to_dict lists all.
_NAMED_EDGES = 4


def expected_quality(pairs: int, dim_a: int, dim_b: int) -> float:
    """The share of information ``pairs`` pairs of vectors are expected to keep: n / (n + d_a + d_b).

    Args:
        pairs: Number of paired rows, >= 1.
        dim_a: Length of the vectors of one space, >= 1.
        dim_b: Length of the vectors of the other, >= 1.

    Raises:
        UsageError: a number is below 1.
    """
    if min(pairs, dim_a, dim_b) < 1:
        got = f"{pairs} pairs, dims {dim_a} and {dim_b}"
        raise UsageError("cannot expect a quality from these counts", got=got, expected="all at least 1")
    return pairs / (pairs + dim_a + dim_b)


@dataclass(frozen=True)
class Edge:
    """One thing that joins two spaces. Edges have no direction.

    Attributes:
        a: One space.
        b: The other space.
        kind: ``dataset`` (holds both), ``shared-space`` (encoders trained jointly) or ``re-encoding``
            (one modality, two encoders, the same raw items).
        name: The data set, shared space or collection.
        pairs: Number of paired rows, where known.
        quality: q in (0, 1]: the share of information the edge is expected to keep.
        evidence: Where ``quality`` comes from, e.g. ``pair counts`` or ``held-out retrieval``.

    Raises:
        UsageError: the two spaces are one, the kind is unknown, or a number is out of range.
    """

    a: str
    b: str
    kind: EdgeKind
    name: str
    pairs: int | None
    quality: float
    evidence: str

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise UsageError("an edge needs two different spaces", where=self.name, got=self.a)
        if self.kind not in get_args(EdgeKind):
            expected = " or ".join(get_args(EdgeKind))
            raise UsageError("unknown kind of edge", where=self.name, got=self.kind, expected=expected)
        if not 0 < self.quality <= 1:  # also false for NaN
            raise UsageError(
                "an edge's quality is out of range", where=self.name, got=self.quality, expected="0 < q <= 1"
            )
        if self.pairs is not None and self.pairs < 1:
            raise UsageError("an edge needs at least one pair", where=self.name, got=self.pairs)

    @property
    def spaces(self) -> Pair:
        """Both spaces, in order of their names."""
        return ordered_pair(self.a, self.b)

    def describe(self) -> str:
        """The edge in one line, for people."""
        pairs = "" if self.pairs is None else f"{self.pairs:,} pairs, "
        kind = _KIND_WORDS[self.kind]
        return f"{kind} {self.name} ({pairs}keeps {_percent(self.quality)} by {self.evidence})"

    def to_dict(self) -> dict[str, Any]:
        """The edge as plain JSON values."""
        return asdict(self)


def pooled_quality(edges: Sequence[Edge]) -> float:
    """The quality of parallel edges used together: their odds q / (1 - q) add.

    For pair counts q / (1 - q) is n / (d_a + d_b), so data sets pool exactly as one data set with all
    their pairs; measured qualities pool by the same rule, which is more cautious than taking their
    losses as independent.
    """
    if len(edges) == 1:
        return edges[0].quality
    if any(edge.quality == 1 for edge in edges):
        return 1.0
    odds = math.fsum(edge.quality / (1 - edge.quality) for edge in edges)
    return odds / (1 + odds)


@dataclass(frozen=True)
class Hop:
    """One step of a path, with everything that makes it: parallel edges are pooled and listed.

    ``cost`` is the pooled loss in nats, >= 0; ``why`` says in words where it comes from.
    """

    a: str
    b: str
    edges: tuple[Edge, ...]
    cost: float
    why: str

    @classmethod
    def pool(cls, a: str, b: str, edges: Iterable[Edge]) -> Hop:
        """The hop that parallel ``edges`` between ``a`` and ``b`` make together.

        Raises:
            UsageError: one edge is given twice; it would count twice.
        """
        parts = tuple(sorted(edges, key=lambda edge: (edge.kind, edge.name)))
        for edge, other in pairwise(parts):
            if (edge.kind, edge.name) == (other.kind, other.name):
                what = f"one edge is given twice: {_KIND_WORDS[edge.kind]} {edge.name!r}"
                raise UsageError(what, where=f"{a} – {b}", hint="give it once, with all its pairs")
        quality = pooled_quality(parts)
        best = sorted(parts, key=lambda edge: -edge.quality)[:_NAMED_EDGES]  # stable: ties stay by name
        why = "; ".join(edge.describe() for edge in best)
        if len(parts) > len(best):
            why += f"; and {len(parts) - len(best)} more"
        if len(parts) > 1:
            why += f"; pooled, keeps {_percent(quality)}"
        return cls(a, b, parts, round(-math.log(quality) * TICKS_PER_NAT) / TICKS_PER_NAT, why)

    @property
    def spaces(self) -> Pair:
        """Both spaces, in order of their names."""
        return ordered_pair(self.a, self.b)

    @property
    def ticks(self) -> int:
        """The cost in whole ticks of 1e-12 nats."""
        return round(self.cost * TICKS_PER_NAT)

    @property
    def quality(self) -> float:
        """The share of information the hop is expected to keep, in (0, 1]."""
        return math.exp(-self.cost)

    @property
    def pairs(self) -> int | None:
        """Paired rows of all edges together; None when no edge states them."""
        known = [edge.pairs for edge in self.edges if edge.pairs is not None]
        return sum(known) if known else None

    def to_dict(self) -> dict[str, Any]:
        """The hop as plain JSON values."""
        numbers = {"cost": self.cost, "quality": self.quality, "pairs": self.pairs, "why": self.why}
        return {"a": self.a, "b": self.b, **numbers, "edges": [edge.to_dict() for edge in self.edges]}


@dataclass(frozen=True)
class Path:
    """A simple sequence of spaces and the hops between them; ``cost`` in nats is the sum of theirs."""

    spaces: tuple[str, ...]
    hops: tuple[Hop, ...]
    cost: float

    def describe(self) -> list[str]:
        """The path as lines for people: the spaces, then one line a hop."""
        keeps = f"keeps about {_percent(math.exp(-self.cost))} (cost {self.cost:.3f})"
        hops = [f"  {hop.a} – {hop.b}: {hop.why}" for hop in self.hops]
        return [f"{' – '.join(self.spaces)}: {keeps}", *hops]

    def to_dict(self) -> dict[str, Any]:
        """The path as plain JSON values."""
        return {"spaces": list(self.spaces), "cost": self.cost, "hops": [hop.to_dict() for hop in self.hops]}


@dataclass(frozen=True)
class MissingEdge:
    """Candidate edges that would make a path: usually one, at most three, and the path they would make."""

    edges: tuple[Edge, ...]
    path: Path

    @property
    def cost(self) -> float:
        """Cost in nats of the whole path they would make."""
        return self.path.cost

    def describe(self) -> str:
        """The missing edges in one line, for people."""
        parts = " and ".join(f"{edge.a} – {edge.b}: {edge.describe()}" for edge in self.edges)
        return f"missing: {parts}; it would make {' – '.join(self.path.spaces)} (cost {self.cost:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """The missing edges as plain JSON values."""
        edges = [edge.to_dict() for edge in self.edges]
        return {"edges": edges, "path": self.path.to_dict(), "cost": self.cost}


@dataclass(frozen=True)
class BridgePlan:
    """How to get from one space to another, or why it cannot be done.

    Attributes:
        start: The space asked from.
        goal: The space asked to.
        paths: The best pivot routes, best first; empty when there is none.
        reason: Why there is none, in plain words; None when there is a path.
        missing: Ways to make a path from the candidates given, cheapest first.
        parts: Without a path, the spaces connected to ``start`` and those connected to ``goal``: any edge
            from one part to the other would do.
    """

    start: str
    goal: str
    paths: tuple[Path, ...]
    reason: str | None = None
    missing: tuple[MissingEdge, ...] = ()
    parts: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def describe(self) -> list[str]:
        """The plan as lines for people."""
        if self.reason is not None:
            head = f"{self.start} → {self.goal}: no path. {self.reason}"
            return [head, *(missing.describe() for missing in self.missing)]
        count = len(self.paths)
        lines = [f"{self.start} → {self.goal}: {count} route{'' if count == 1 else 's'}"]
        for number, path in enumerate(self.paths, 1):
            head, *hops = path.describe()
            lines += [f"{number}. {head}", *(f"   {line}" for line in hops)]
        return lines

    def mermaid(self) -> str:
        """A flowchart of the routes, the best one highlighted; without a path, the missing edges are."""
        paths = self.paths or tuple(missing.path for missing in self.missing)
        hops = {hop.spaces: hop for path in reversed(paths) for hop in path.hops}
        added = {edge.spaces for missing in self.missing for edge in missing.edges}
        marked = {hop.spaces for hop in self.paths[0].hops} if self.paths else added
        spaces = [self.start, *(space for path in paths for space in path.spaces), self.goal]
        return draw(spaces, hops.values(), marked)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return {
            "start": self.start,
            "goal": self.goal,
            "paths": [path.to_dict() for path in self.paths],
            "reason": self.reason,
            "missing": [missing.to_dict() for missing in self.missing],
            "parts": None if self.parts is None else [list(part) for part in self.parts],
        }


def ordered_pair(a: str, b: str) -> Pair:
    """Both names, the smaller one first: one key for both directions."""
    return (a, b) if a < b else (b, a)


def draw(spaces: Iterable[str], hops: Iterable[Hop], marked: set[Pair]) -> str:
    """Spaces and hops as a Mermaid flowchart, the ``marked`` pairs of spaces highlighted."""
    links = []
    for hop in hops:
        best = sorted(hop.edges, key=lambda edge: -edge.quality)[:_NAMED_EDGES]
        more = f" and {len(hop.edges) - len(best)} more" if len(hop.edges) > len(best) else ""
        label = f"{', '.join(edge.name for edge in best)}{more}: {_percent(hop.quality)}"
        links.append(Link(hop.a, hop.b, label, _KIND_STYLES[hop.edges[0].kind], hop.spaces in marked))
    return flowchart(spaces, links)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
