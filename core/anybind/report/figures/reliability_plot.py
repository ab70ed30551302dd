"""Whether probabilities of "the same item" mean what they say: predicted against observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anybind.report.figures.axes import (
    WIDTH,
    Scale,
    chart,
    folded,
    horizontal_axis,
    line,
    mark,
    number,
    table,
    vertical_axis,
    words,
)

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 250, 44, 16, 12, 40
_LARGEST, _SMALLEST = 9.0, 3.0  # radius of a bin's dot


def reliability_figure(reliability: Mapping[str, Any]) -> str:
    """The diagram as a figure with its numbers.

    Args:
        reliability: ``bins`` (each ``low``, ``high``, ``predicted``, ``observed``, ``count``), ``ece``, ``prior``;
            probabilities.
    """
    bins = [each for each in reliability["bins"] if each["count"]]
    caption = (
        "Of all pairs that were given a probability of being the same item, how many are. On the thin line the two "
        f"agree; larger dots stand for more pairs. Expected calibration error {reliability['ece']:.4f}, at a prior of "
        f"{reliability['prior']:.4g}."
    )
    return (
        f'<figure class="figure"><h4>Are probabilities to be believed?</h4>{_svg(bins, reliability["ece"])}'
        f"<figcaption>{caption}</figcaption>{folded('As a table', _table(bins))}</figure>"
    )


def _svg(bins: Sequence[Mapping[str, Any]], ece: float) -> str:
    x, y = Scale(0, 1, _LEFT, WIDTH - _RIGHT), Scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    ticks = [(share / 4, f"{25 * share} %") for share in range(5)]
    most = max((each["count"] for each in bins), default=1)
    points = [(x(each["predicted"]), y(each["observed"])) for each in bins]
    dots = [
        mark("dot", *point, "mark own", _told(each), max(_SMALLEST, _LARGEST * (each["count"] / most) ** 0.25))
        for point, each in zip(points, bins, strict=True)
    ]
    parts = [
        vertical_axis(y, _LEFT, WIDTH - _RIGHT, ticks),
        horizontal_axis(x, _HEIGHT - _BOTTOM, ticks, "probability that was predicted"),
        words(_LEFT + 6, _TOP + 14, "share that is the same item"),
        line([(x(0), y(0)), (x(1), y(1))], "axis"), line(points, "line own"), *dots,
    ]  # fmt: skip
    label = f"Reliability diagram of {len(bins)} bins: predicted probability against observed share; error {ece:.4f}."
    return chart(_HEIGHT, label, parts)


def _told(each: Mapping[str, Any]) -> str:
    return f"predicted {each['predicted']:.3f}, observed {each['observed']:.3f}, {each['count']:,} pairs"


def _table(bins: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (span_of(each), number(each["predicted"]), number(each["observed"]), f"{each['count']:,}") for each in bins
    ]
    return table(("Probability", "mean predicted", "observed", "pairs"), rows, "The bins of the diagram")


def span_of(each: Mapping[str, Any]) -> str:
    """A bin's ends."""
    return f"{each['low']:.3g} to {each['high']:.3g}"
