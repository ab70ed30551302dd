"""Every pair of spaces as a table whose cells are coloured by how well the two bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from anybind.report.figures.axes import folded, number, span, table

Entry = Mapping[str, Any]


def heat_map(matrix: Sequence[Entry]) -> str:
    """The matrix as a figure with its numbers; an empty text when there is no entry.

    Args:
        matrix: One entry a pair: ``pair``, ``path``, ``pivots``, and each where it is known ``mrr``, ``interval``,
            ``n_queries``, ``recall``, ``chance``, ``share_of_oracle``, ``forecast``.
    """
    if not matrix:
        return ""
    most = max((value for entry in matrix if (value := _value(entry)) is not None), default=0.0)
    caption = (
        "Means of both directions. The stronger the colour, the higher; "
        f"the strongest stands for {most:.3f}. Numbers with ≈ and a dashed frame are forecast, as no true pairs "
        "were there to measure them."
    )
    return (
        '<figure class="figure heat"><div class="scrolls" role="region" aria-label="All pairs of spaces" tabindex="0">'
        f'<table class="matrix"><caption>Mean reciprocal rank</caption>{_body(matrix, most)}</table></div>'
        f"<figcaption>{caption}</figcaption>{folded('All pairs in full', _full(matrix))}</figure>"
    )


def _value(entry: Entry) -> float | None:
    """What was measured, else what was forecast."""
    forecast = entry.get("forecast") or {}
    found: float | None = entry["mrr"] if entry.get("mrr") is not None else forecast.get("mrr")
    return found


def _body(matrix: Sequence[Entry], most: float) -> str:
    spaces = list(dict.fromkeys(str(space) for entry in matrix for space in entry["pair"]))
    entries = {frozenset(map(str, entry["pair"])): entry for entry in matrix}
    columns, rows = spaces[:-1], spaces[1:]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    lines = [
        f'<tr><th scope="row">{escape(row)}</th>'
        + "".join(_cell(entries.get(frozenset((row, column))), most) for column in columns[: index + 1])
        + "<td></td>" * (len(columns) - index - 1)
        + "</tr>"
        for index, row in enumerate(rows)
    ]
    return f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"


def _cell(entry: Entry | None, most: float) -> str:
    if entry is None:
        return "<td></td>"
    value = _value(entry)
    if value is None:
        return f'<td class="cell none">–<small>{_how(entry)}</small></td>'
    guess = entry.get("mrr") is None
    heat = value / most if most > 0 else 0.0
    sign, kind = ("≈\u00a0", "cell guess") if guess else ("", "cell")
    return (
        f'<td class="{kind}" style="--heat:{heat:.3f}">{sign}{value:.3f}<small>{_how(entry)}'
        f"{', forecast' if guess else ''}</small></td>"
    )


def _how(entry: Entry) -> str:
    pivots = entry.get("pivots")
    if pivots is None:
        return "no route"
    return "direct" if pivots == 0 else "1 pivot" if pivots == 1 else f"{pivots:d} pivots"


def _full(matrix: Sequence[Entry]) -> str:
    head = ("Pair", "by", "measured MRR", "95 % interval", "queries", "chance", "of the oracle", "forecast MRR",
            "90 % interval")  # fmt: skip
    return table(head, map(_row, matrix), "Every pair of spaces")


def _row(entry: Entry) -> list[str]:
    forecast = entry.get("forecast") or {}
    queries, share = entry.get("n_queries"), entry.get("share_of_oracle")
    return [
        " ↔ ".join(map(str, entry["pair"])), " – ".join(map(str, entry.get("path") or ())) or "no route",
        number(entry.get("mrr")), span(entry.get("interval")), "" if queries is None else f"{queries:,}",
        number(entry.get("chance")), "" if share is None else f"{100 * share:.0f} %",
        number(forecast.get("mrr")), span(forecast.get("mrr_interval")),
    ]  # fmt: skip
