"""What the figures share: scales, ticks, and the frame of a chart as SVG without styles of its own.

Charts are 360 units wide, which is about a phone's width: their letters keep their size there and grow on a desk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 360
_STEPS = (1, 2, 2.5, 5, 10)
_LONG = 5  # letters of a tick's label that would stick out at the end of an axis


@dataclass(frozen=True)
class Scale:
    """From values to units of the drawing; values outside are drawn at the nearer end.

    Attributes:
        low, high: The values at the two ends; above 0 where ``log``.
        start, end: Where these lie.
        log: Equal ratios, not differences, are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, max(value, self.low)))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + min(share, 1.0) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high


def nice_ticks(high: float, most: int = 5) -> list[float]:
    """0 and round steps up to the first that reaches ``high`` > 0, at most ``most`` steps."""
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(step * power for step in _STEPS if step * power * most >= high * (1 - 1e-9))
    return [round(step * i, 12) for i in range(math.ceil(high / step - 1e-9) + 1)]


def chart(height: float, label: str, parts: Iterable[str], css: str = "") -> str:
    """A chart as an SVG element; ``label`` says in words what it shows."""
    return (
        f'<svg class="chart {css}" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


def words(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    """A line of text, escaped."""
    style = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def line(points: Sequence[tuple[float, float]], css: str) -> str:
    """A line through points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{css}" d="M{path}"/>' if points else ""


def area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], css: str) -> str:
    """What lies between two lines of as many points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in [*upper, *reversed(lower)])
    return f'<path class="{css}" d="M{path}Z"/>' if upper else ""


def mark(shape: str, x: float, y: float, css: str, title: str = "", size: float = 4.0) -> str:
    """A ``dot``, ``square``, ``diamond`` or ``triangle`` of a radius, with a title for the pointer."""
    told = f"<title>{escape(title)}</title>" if title else ""
    if shape == "dot":
        return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}">{told}</circle>'
    corners = _CORNERS[shape]
    path = "L".join(f"{x + size * dx:.1f} {y + size * dy:.1f}" for dx, dy in corners)
    return f'<path class="{css}" d="M{path}Z">{told}</path>'


_CORNERS = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
}


def horizontal_axis(scale: Scale, y: float, ticks: Sequence[tuple[float, str]], name: str) -> str:
    """Ticks with their labels below ``y``, and the axis' name below these."""
    parts = [line([(scale.start, y), (scale.end, y)], "axis")]
    for value, text in ticks:
        x = scale(value)
        long_and_last = len(text) > _LONG and value == scale.high
        label = words(x, y + 16, text, "end" if long_and_last else "middle")
        parts += [line([(x, y), (x, y + 4)], "axis"), label]
    return "".join([*parts, words((scale.start + scale.end) / 2, y + 33, name, "middle")])


def vertical_axis(scale: Scale, x: float, right: float, ticks: Sequence[tuple[float, str]]) -> str:
    """Labels left of ``x``, each with a faint line to ``right``."""
    return "".join(
        line([(x, scale(value)), (right, scale(value))], "grid") + words(x - 6, scale(value) + 4, text, "end")
        for value, text in ticks
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """The numbers of a figure as a table, for those who would rather read. Cells are escaped; the first is a head."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scrolls" role="region" aria-label="{escape(caption, quote=True)}" tabindex="0">'
        f'<table class="plain"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, content: str) -> str:
    """What opens on demand, without a script."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; an empty text for none."""
    return "" if value is None else f"{value:.{digits}f}"


def span(ends: Sequence[float] | None) -> str:
    """An interval for people; an empty text for none."""
    return "" if ends is None else f"{number(ends[0])} to {number(ends[1])}"
