"""What was forecast before any true pair was looked at, against what true pairs then showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from anybind.report.figures.axes import (
    WIDTH,
    Scale,
    chart,
    folded,
    horizontal_axis,
    line,
    mark,
    nice_ticks,
    number,
    span,
    table,
    words,
)

_LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 12, 16, 58, 6, 40
_LETTERS = 40

Result = Mapping[str, Any]


def forecast_figure(results: Sequence[Result]) -> str:
    """Every result that has a forecast, one row each; an empty text when none has.

    Args:
        results: With ``pair``, ``mrr``, ``interval``, ``chance`` and ``forecast`` (``Forecast.to_dict``, or None).
    """
    known = [result for result in results if result.get("forecast")]
    if not known:
        return ""
    inside = sum(_inside(result) for result in known)
    said = f"{inside} of {len(known)} measured values lie within the predictive interval. " if len(known) > 1 else ""
    caption = (
        f"{said}The thick bar is the 90 % predictive interval of the MRR under a stated model, the diamond its "
        "centre; the thin line is the range that the training data allow when nothing is assumed. The dot is what "
        "was measured, with its 95 % interval; the triangle is chance. No pair of the two spaces went into a forecast "
        "of a bridged pair."
    )
    rest = "".join(f"<li>{_assumed(result)}</li>" for result in known)
    return (
        f'<figure class="figure wide-figure">{_svg(known)}<figcaption>{caption}</figcaption>'
        f"{folded('As a table', _table(known))}{folded('What each forecast assumes', f'<ul>{rest}</ul>')}</figure>"
    )


def _inside(result: Result) -> bool:
    low, high = result["forecast"]["mrr_interval"]
    return bool(low <= result["mrr"] <= high)


def _svg(results: Sequence[Result]) -> str:
    ticks = nice_ticks(max(_largest(result) for result in results))
    x = Scale(0, ticks[-1], _LEFT, WIDTH - _RIGHT)
    bottom = _TOP + _ROW * len(results)
    grid = [line([(x(tick), _TOP), (x(tick), bottom)], "grid") for tick in ticks]
    rows = [_row(result, x, _TOP + _ROW * i) for i, result in enumerate(results)]
    axis = horizontal_axis(x, bottom, [(tick, f"{tick:g}") for tick in ticks], "mean reciprocal rank")
    label = "Forecast and measured mean reciprocal rank. " + " ".join(map(_in_words, results))
    return chart(bottom + _BOTTOM, label, [*grid, *rows, axis])


def _largest(result: Result) -> float:
    ends = (result.get("interval") or {}).get("mrr") or [0.0]
    return float(max(result["mrr"], *ends, *result["forecast"]["mrr_interval"], 1e-3))


def _row(result: Result, x: Scale, top: float) -> str:
    told, y = result["forecast"], top + 38
    name = " ↔ ".join(map(str, result["pair"]))
    shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    (least, most), (low, high) = told["identification"], told["mrr_interval"]
    parts = [
        words(_LEFT, top + 18, shown, css="strong"),
        line([(x(least), y), (x(most), y)], "range"), _ends(least, most, x, y),
        line([(x(low), y), (x(high), y)], "thick"), mark("diamond", x(told["mrr"]), y, "mark guess", _centre(told)),
        mark("triangle", x(told["chance"]), y, "mark chance", f"chance {told['chance']:.3f}"),
    ]  # fmt: skip
    ends = (result.get("interval") or {}).get("mrr")
    if ends:
        parts.append(line([(x(ends[0]), y + 10), (x(ends[1]), y + 10)], "line own"))
    parts.append(mark("dot", x(result["mrr"]), y + 10, "mark own", f"measured {result['mrr']:.3f}"))
    return f"<g>{''.join(parts)}</g>"


def _ends(least: float, most: float, x: Scale, y: float) -> str:
    """A stroke at each end of the range, or an arrow where it goes on beyond the axis."""
    stroke = "".join(line([(x(end), y - 4), (x(end), y + 4)], "range") for end in (least, most) if x.holds(end))
    beyond = "" if x.holds(most) else line([(x.end - 5, y - 4), (x.end, y), (x.end - 5, y + 4)], "range")
    return stroke + beyond


def _centre(told: Mapping[str, Any]) -> str:
    return f"forecast {told['mrr']:.3f}, {span(told['mrr_interval'])}"


def _in_words(result: Result) -> str:
    a, b = result["pair"]
    where = "within" if _inside(result) else "outside"
    return f"{a} and {b}: {_centre(result['forecast'])}; measured {result['mrr']:.3f}, {where} the interval."


def _assumed(result: Result) -> str:
    told = result["forecast"]
    pair, path = " ↔ ".join(map(str, result["pair"])), " – ".join(map(str, told["path"]))
    return f"<strong>{escape(pair)}</strong>, by {escape(path)}: {escape(str(told['assumptions']))}."


def _table(results: Sequence[Result]) -> str:
    rows = [
        (" ↔ ".join(map(str, result["pair"])), f"{told['gallery']:,}", number(told["mrr"]), span(told["mrr_interval"]),
         span(told["identification"]), number(result["mrr"]), "inside" if _inside(result) else "outside")
        for result in results if (told := result["forecast"])
    ]  # fmt: skip
    head = ("Pair", "gallery", "forecast MRR", "90 % interval", "range without assumptions", "measured", "interval")
    return table(head, rows, "Forecast and measured MRR")
