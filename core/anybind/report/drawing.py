"""The bridging graph as an inline SVG: spaces, what joins them, and the chosen route standing out.

A page without scripts cannot run Mermaid. Small graphs are drawn whole; of large ones the planned routes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, count

from anybind.bridge_plan import BridgePlan, EdgeKind, Hop, Pair
from anybind.graph import BridgeGraph

_MOST_SPACES = 16  # a larger graph is not drawn whole
_LETTER, _SMALL_LETTER = 8.6, 6.9  # width of a letter at 15 and 12 pixels
_NODE_HEIGHT = 44
_MARGIN = 12
_LABEL_LETTERS = 26
_KIND_CLASSES: dict[EdgeKind, str] = {"dataset": "", "shared-space": " shared", "re-encoding": " again"}

Point = tuple[float, float]


@dataclass(frozen=True)
class _Frame:
    """How far apart things stand. Layers go along the page (or down it), lanes across."""

    vertical: bool
    layer_pitch: float
    lane_pitch: float
    lanes: int

    def place(self, layer: float, lane: float) -> Point:
        along, across = layer * self.layer_pitch, lane * self.lane_pitch
        return (across, along) if self.vertical else (along, across)


def graph_svg(bridge: BridgeGraph, plans: Sequence[BridgePlan], *, vertical: bool = False) -> str:
    """The graph as an SVG element without styles of its own.

    Args:
        bridge: The whole graph.
        plans: The best route of each stands out; the first one lies on a straight line.
        vertical: The route goes down instead of along, for narrow screens.

    Returns:
        ``<svg>`` with classes ``node``, ``edge``, ``on``, ``shared``, ``again``, ``name`` and ``count``.
    """
    hops = _drawn_hops(bridge, plans)
    spaces = sorted({*_drawn_spaces(bridge, plans), *chain.from_iterable(hops)})
    marked = {hop.spaces for plan in plans for hop in plan.paths[0].hops} if _all_found(plans) else set()
    marked_spaces = set(chain.from_iterable(marked))
    line = plans[0].paths[0].spaces if plans and plans[0].paths else ()
    positions = _positions(spaces, hops, line)
    frame = _frame(spaces, hops.values(), vertical, lanes=len({lane for _, lane in positions.values()}))
    points = {space: frame.place(*position) for space, position in positions.items()}
    widths = {space: _node_width(space) for space in spaces}
    edges = [_edge(hop, positions, frame, hop.spaces in marked) for hop in hops.values()]
    nodes = [_node(space, points[space], widths[space], space in marked_spaces) for space in spaces]
    box = _box(points, widths, edges)
    parts = [edge.line for edge in edges] + nodes + [edge.label for edge in edges]
    label = escape(in_words(hops.values()), quote=True)
    size = " ".join(f"{number:.0f}" for number in box)
    return (
        f'<svg viewBox="{size}" width="{box[2]:.0f}" height="{box[3]:.0f}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def in_words(hops: Iterable[Hop]) -> str:
    """The graph in one sentence, for those who do not see it."""
    names = ((hop, ", ".join(edge.name for edge in hop.edges)) for hop in hops)
    parts = [f"{hop.a} and {hop.b} by {edges}{_pairs(hop, ' with ')}" for hop, edges in names]
    return f"Bridging graph. Joined: {'; '.join(parts) or 'nothing'}."


def _all_found(plans: Sequence[BridgePlan]) -> bool:
    return all(plan.paths for plan in plans)


def _drawn_spaces(bridge: BridgeGraph, plans: Sequence[BridgePlan]) -> set[str]:
    if len(bridge.spaces) <= _MOST_SPACES:
        return set(bridge.spaces)
    return {space for plan in plans for path in plan.paths for space in path.spaces} | {
        end for plan in plans for end in (plan.start, plan.goal)
    }


def _drawn_hops(bridge: BridgeGraph, plans: Sequence[BridgePlan]) -> dict[Pair, Hop]:
    spaces = _drawn_spaces(bridge, plans)
    return {hop.spaces: hop for hop in bridge.hops if hop.a in spaces and hop.b in spaces}


def _positions(
    spaces: Sequence[str], hops: dict[Pair, Hop], line: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """(layer, lane) of every space: the line in lane 0, the others beside the neighbours they have there."""
    placed = {space: (layer, 0) for layer, space in enumerate(line)}
    taken = set(placed.values())
    waiting = [space for space in spaces if space not in placed]
    while waiting:
        layers = {space: _neighbour_layers(space, hops, placed) for space in waiting}
        space = next((space for space in waiting if layers[space]), waiting[0])
        known = layers[space] or [len(placed) % max(len(line), 3)]
        layer = round(sum(known) / len(known))
        lane = next(lane for lane in count(1 if line else 0) if (layer, lane) not in taken)
        placed[space] = layer, lane
        taken.add(placed[space])
        waiting.remove(space)
    return placed


def _neighbour_layers(space: str, hops: dict[Pair, Hop], placed: dict[str, tuple[int, int]]) -> list[int]:
    others = (b if a == space else a for a, b in hops if space in (a, b))
    return [placed[other][0] for other in others if other in placed]


def _frame(spaces: Sequence[str], hops: Iterable[Hop], vertical: bool, lanes: int) -> _Frame:
    node = max(map(_node_width, spaces), default=0)
    label = max((_text_width(text, _SMALL_LETTER) for hop in hops for text in _label(hop)), default=0)
    if vertical:
        return _Frame(True, _NODE_HEIGHT + 68, node + label + 24, lanes)
    return _Frame(False, node + label + 36, _NODE_HEIGHT + 72, lanes)


@dataclass(frozen=True)
class _Edge:
    """An edge as SVG, and the corners of its label."""

    line: str
    label: str
    corners: tuple[Point, Point]


def _edge(hop: Hop, positions: dict[str, tuple[int, int]], frame: _Frame, on: bool) -> _Edge:
    start, end = positions[hop.a], positions[hop.b]
    (x1, y1), (x2, y2) = frame.place(*start), frame.place(*end)
    # An edge that would run through the nodes between its ends is bent around them.
    bent = start[1] == end[1] and abs(start[0] - end[0]) > 1
    bend = (0.9 if start[1] else -0.9) if bent else 0.0
    dx, dy = frame.place(0, bend)
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    control = (middle[0] + dx, middle[1] + dy)
    anchor = (middle[0] + dx / 2, middle[1] + dy / 2)
    classes = f"edge{_KIND_CLASSES[hop.edges[0].kind]}{' on' if on else ''}"
    curve = f"M{x1:.0f} {y1:.0f}Q{control[0]:.0f} {control[1]:.0f} {x2:.0f} {y2:.0f}"
    title = f"<title>{escape(hop.why)}</title>"
    beside = frame.vertical and start[1] == end[1]
    outward = beside and start[1] == 0 and frame.lanes > 1  # away from the other lanes
    label, corners = _label_svg(hop, anchor, "end" if outward else "start" if beside else "middle")
    return _Edge(f'<path class="{classes}" d="{curve}">{title}</path>', label, corners)


def _label_svg(hop: Hop, anchor: Point, align: str) -> tuple[str, tuple[Point, Point]]:
    """Name and pair count: above and below ``anchor``, or to one side of an edge that goes down."""
    name, pairs = _label(hop)
    width = max(_text_width(name, _SMALL_LETTER), _text_width(pairs, _SMALL_LETTER))
    x = anchor[0] + {"start": 12, "middle": 0, "end": -12}[align]
    y = anchor[1]
    up, down = (-9, 19) if align == "middle" else (-4, 13)
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[align]
    drawn = "".join(
        f'<text class="{kind}" x="{x:.0f}" y="{y + shift:.0f}" text-anchor="{align}">{escape(text)}</text>'
        for kind, text, shift in (("name", name, up), ("count", pairs, down))
    )
    return drawn, ((left, y - 22), (left + width, y + 24))


def _label(hop: Hop) -> tuple[str, str]:
    names = [edge.name for edge in hop.edges]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return _cut(names[0], _LABEL_LETTERS - len(more)) + more, _pairs(hop)


def _pairs(hop: Hop, before: str = "") -> str:
    return "" if hop.pairs is None else f"{before}{hop.pairs:,} pairs"


def _node(space: str, centre: Point, width: float, on: bool) -> str:
    x, y = centre
    name = escape(_cut(space, _LABEL_LETTERS))
    return (
        f'<g class="node{" on" if on else ""}"><title>{escape(space)}</title>'
        f'<rect x="{x - width / 2:.0f}" y="{y - _NODE_HEIGHT / 2:.0f}" width="{width:.0f}" '
        f'height="{_NODE_HEIGHT}" rx="10"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{name}</text></g>'
    )


def _node_width(space: str) -> float:
    return max(84.0, _text_width(_cut(space, _LABEL_LETTERS), _LETTER) + 28)


def _text_width(text: str, letter: float) -> float:
    return sum(letter * (1.6 if ord(char) > 0x2E80 else 1) for char in text)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _box(
    points: dict[str, Point], widths: dict[str, float], edges: Sequence[_Edge]
) -> tuple[float, float, float, float]:
    """Left, top, width and height of everything drawn."""
    corners = [corner for edge in edges for corner in edge.corners]
    for space, (x, y) in points.items():
        half = widths[space] / 2
        corners += [(x - half, y - _NODE_HEIGHT / 2), (x + half, y + _NODE_HEIGHT / 2)]
    xs, ys = [x for x, _ in corners] or [0.0], [y for _, y in corners] or [0.0]
    left, top = min(xs) - _MARGIN, min(ys) - _MARGIN
    return left, top, max(xs) + _MARGIN - left, max(ys) + _MARGIN - top
