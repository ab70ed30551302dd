"""The test items of two spaces in their joint space, seen from its two widest directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from anybind.report.figures.axes import WIDTH, Scale, chart, mark

MOST_ITEMS = 300  # two points each

Point = tuple[float, float]


@dataclass(frozen=True)
class MapShown:
    """Items of two spaces as points of a plane; point i of both is the same item.

    Attributes:
        spaces: The two spaces.
        a, b: Their points.
        words: Every item in words.
        kept: The share of all variance that the plane keeps, from 0 to 1.
    """

    spaces: tuple[str, str]
    a: Sequence[Point]
    b: Sequence[Point]
    words: Sequence[str]
    kept: float


def embedding_map(shown: MapShown) -> str:
    """The map as a figure: dots and squares, a line from each dot to its square."""
    one, other = map(escape, shown.spaces)
    caption = (
        f"{len(shown.a):,} test items twice in the joint space: as {one} {_key('dot', 'own')} and as {other} "
        f"{_key('square', 'second')}. A line joins what is the same item, so short lines are good. Point at an item "
        f"for its name. Flattened to the two widest directions, which keep {100 * shown.kept:.0f} % of the variance: "
        "what is near here need not be near."
    )
    return (
        f'<figure class="figure map"><h3>{one} ↔ {other}</h3>{_svg(shown)}<figcaption>{caption}</figcaption></figure>'
    )


def _svg(shown: MapShown) -> str:
    every = [*shown.a, *shown.b]
    xs, ys = [x for x, _ in every], [y for _, y in every]
    # one unit for both directions, so that distances compare
    reach = max(max(xs) - min(xs), max(ys) - min(ys), 1e-12) / 2
    cx, cy = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    x = Scale(cx - reach, cx + reach, 8, WIDTH - 8)
    height = max((max(ys) - min(ys)) / (2 * reach) * (WIDTH - 16) + 16, 60)
    half = reach * (height - 16) / (WIDTH - 16)
    y = Scale(cy - half, cy + half, height - 8, 8)
    items = [
        _item((x(p[0]), y(p[1])), (x(q[0]), y(q[1])), name)
        for p, q, name in zip(shown.a, shown.b, shown.words, strict=True)
    ]
    label = f"Map of {len(shown.a)} test items of {shown.spaces[0]} and {shown.spaces[1]} in the joint space."
    return chart(height, label, items)


def _item(p: Point, q: Point, name: str) -> str:
    joined = f'<path class="join" d="M{p[0]:.1f} {p[1]:.1f}L{q[0]:.1f} {q[1]:.1f}"/>'
    marks = mark("dot", *p, "own", size=2.2) + mark("square", *q, "second", size=2.2)
    return f'<g class="item"><title>{escape(name)}</title>{joined}{marks}</g>'


def _key(shape: str, css: str) -> str:
    return f'<svg class="key map" viewBox="0 0 12 12" aria-hidden="true">{mark(shape, 6, 6, css, size=4)}</svg>'
