"""Recall and MRR over the size of the gallery, with what was forecast for each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anybind.report.figures.axes import (
    WIDTH,
    Scale,
    area,
    chart,
    folded,
    horizontal_axis,
    line,
    mark,
    number,
    span,
    table,
    vertical_axis,
    words,
)

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 250, 36, 46, 12, 40
# Name -> (shape of its marks, class of its line). Shapes and labels tell lines apart, not colours alone.
_LINES = {"10": ("R@10", "triangle", "second"), "mrr": ("MRR", "dot", "own"), "1": ("R@1", "square", "third")}
_APART = 13  # labels at the ends of lines are at least so far apart
_MOST_TICKS = 5

Point = Mapping[str, Any]


def recall_figure(curve: Sequence[Point]) -> str:
    """The curve as a figure with its numbers.

    Args:
        curve: As ``anybind.evaluation.recall_curve.recall_curve`` gives it; at least one point.
    """
    told = any(point.get("forecast") for point in curve)
    forecast = (
        " The band is the 90 % predictive interval of the MRR, the dashed line its centre: forecast from the training "
        "data alone."
    )
    caption = "How retrieval falls as the gallery grows: means over all galleries that can be drawn from the test."
    return (
        f'<figure class="figure"><h4>Over gallery sizes</h4>{_svg(curve)}'
        f"<figcaption>{caption}{forecast if told else ''}</figcaption>{folded('As a table', _table(curve))}</figure>"
    )


def _svg(curve: Sequence[Point]) -> str:
    sizes = [point["gallery"] for point in curve]
    x = Scale(min(sizes), max(sizes), _LEFT, WIDTH - _RIGHT, log=True)
    y = Scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    ticks = [(share / 4, f"{25 * share} %") for share in range(5)]
    frame = [
        vertical_axis(y, _LEFT, WIDTH - _RIGHT, ticks),
        horizontal_axis(x, _HEIGHT - _BOTTOM, _size_ticks(sizes, x), "items in the gallery"),
    ]
    lines = {key: known for key, known in _LINES.items() if all(_value(point, key) is not None for point in curve)}
    drawn = [_measured(curve, key, shape, css, x, y) for key, (_, shape, css) in lines.items()]
    ends = {name: y(_value(curve[-1], key) or 0.0) for key, (name, _, _) in lines.items()}
    labels = [words(WIDTH - _RIGHT + 8, at + 4, name) for name, at in spread(ends, _APART, y(0)).items()]
    return chart(_HEIGHT, _in_words(curve), [*frame, _forecast(curve, x, y), *drawn, *labels])


def _value(point: Point, key: str) -> float | None:
    found: float | None = point["mrr"] if key == "mrr" else (point.get("recall") or {}).get(key)
    return found


def _measured(curve: Sequence[Point], key: str, shape: str, css: str, x: Scale, y: Scale) -> str:
    values = [(point["gallery"], _value(point, key) or 0.0) for point in curve]
    name = _LINES[key][0]
    marks = [mark(shape, x(g), y(v), f"mark {css}", f"{name} {v:.3f} among {g:,}", 3.2) for g, v in values]
    return line([(x(gallery), y(value)) for gallery, value in values], f"line {css}") + "".join(marks)


def _forecast(curve: Sequence[Point], x: Scale, y: Scale) -> str:
    known = [(point["gallery"], point["forecast"]) for point in curve if point.get("forecast")]
    low, high = ([(x(g), y(told["mrr_interval"][i])) for g, told in known] for i in (0, 1))
    return area(high, low, "band") + line([(x(g), y(told["mrr"])) for g, told in known], "line guess")


def _size_ticks(sizes: Sequence[int], x: Scale) -> list[tuple[float, str]]:
    """The sizes as ticks: the last, and of the others those that leave room."""
    ordered = sorted(set(sizes), reverse=True)
    kept = ordered[:1]
    for size in ordered[1:]:
        if x(kept[-1]) - x(size) >= (x.end - x.start) / _MOST_TICKS - 1:
            kept.append(size)
    return [(size, f"{size:,}") for size in kept]


def spread(places: Mapping[str, float], apart: float, lowest: float) -> dict[str, float]:
    """Moves places, in their order, until they are at least ``apart`` and none lies below ``lowest``."""
    names = sorted(places, key=lambda name: places[name])
    moved: dict[str, float] = {}
    for i, name in enumerate(names):
        above = moved[names[i - 1]] + apart if i else places[name]
        room = lowest - apart * (len(names) - 1 - i)  # for those further down
        moved[name] = min(max(places[name], above), max(room, above if i else room))
    return moved


def _in_words(curve: Sequence[Point]) -> str:
    first, last = curve[0], curve[-1]
    return (
        f"Mean reciprocal rank by size of the gallery: {first['mrr']:.3f} among {first['gallery']:,} items, "
        f"{last['mrr']:.3f} among {last['gallery']:,}."
    )


def _table(curve: Sequence[Point]) -> str:
    ks = [k for k in ("1", "5", "10") if all(k in (point.get("recall") or {}) for point in curve)]
    told = any(point.get("forecast") for point in curve)
    head = ["Gallery", "MRR", *(f"R@{k}" for k in ks), *(("forecast MRR", "90 % interval") if told else ())]
    rows = [
        [f"{point['gallery']:,}", number(point["mrr"]), *(number(point["recall"][k]) for k in ks),
         *(_told(point.get("forecast") or {}) if told else ())]
        for point in curve
    ]  # fmt: skip
    return table(head, rows, "Means over galleries of each size")


def _told(forecast: Mapping[str, Any]) -> tuple[str, str]:
    return number(forecast.get("mrr")), span(forecast.get("mrr_interval"))
