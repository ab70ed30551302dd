"""Results as tables with bars and figures, in HTML without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from anybind.report.cautions import leak_sentence
from anybind.report.figures.axes import folded, number, table
from anybind.report.figures.recall_plot import recall_figure
from anybind.report.figures.reliability_plot import reliability_figure

_CUTOFFS = {"1": "first", "5": "in the first five", "10": "in the first ten"}


def results_html(results: Sequence[Mapping[str, Any]]) -> str:
    """One block for each result.

    Args:
        results: As ``RunResult.results``: ``pair``, ``method``, ``n_queries``, ``mrr``, ``recall``; and where
            there are any ``interval``, ``baselines``, ``oracle``, ``share_of_oracle``, ``chance``,
            ``per_seed``, ``leakage`` (or ``leaked_ids``), ``recall_curve``, ``reliability``. Fractions of 1.
    """
    if not results:
        return "<p>The graph names no test pairs, so nothing was measured.</p>"
    return "".join(map(_result, results))


def _result(result: Mapping[str, Any]) -> str:
    a, b = (escape(str(space)) for space in result["pair"])
    parts = [f"<h3>{a} ↔ {b}</h3><p>{_sentence(result)}</p>", _tiles(result), _bars(result)]
    return "".join([*parts, _remarks(result), _figures(result), _seeds(result)])


def _sentence(result: Mapping[str, Any]) -> str:
    seeds = len(result.get("per_seed") or ())
    mean = f", mean of {seeds} seeds" if seeds > 1 else ""
    return f"{result['n_queries']:,} queries in each direction, each among as many items{mean}."


def _tiles(result: Mapping[str, Any]) -> str:
    recall = result.get("recall") or {}
    tiles = [_tile(_percent(recall[k]), f"right one {words}") for k, words in _CUTOFFS.items() if k in recall]
    if result.get("share_of_oracle") is not None:
        tiles.append(_tile(_percent(result["share_of_oracle"]), "of the oracle's MRR"))
    return f'<ul class="tiles">{"".join(tiles)}</ul>'


def _tile(number: str, words: str) -> str:
    return f"<li><strong>{number}</strong> {words}</li>"


def _bars(result: Mapping[str, Any]) -> str:
    empty = '<td aria-hidden="true"></td>'
    head = f'<tr><th scope="col">Method</th>{empty}<th scope="col">MRR</th></tr>'
    return (
        "<table class='bars'><caption>Mean reciprocal rank: 1 when the right one always comes first. "
        "Bars run from 0 to 1; the thin line is the 95 % interval.</caption>"
        f"<thead>{head}</thead><tbody>{''.join(_rows(result))}</tbody></table>"
    )


def _rows(result: Mapping[str, Any]) -> Iterator[str]:
    yield _row(escape(str(result["method"])), result, "own")
    for name, measured in (result.get("baselines") or {}).items():
        yield _row(f"{escape(name)} <small>baseline</small>", measured, "other")
    if result.get("oracle"):
        yield _row("oracle <small>trained on true pairs</small>", result["oracle"], "oracle")
    if result.get("chance"):
        yield _row("chance", result["chance"], "chance")


def _row(name: str, measured: Mapping[str, Any] | float, kind: str) -> str:
    """A bar from 0 to 1, with a whisker where there is an interval."""
    numbers: Mapping[str, Any] = measured if isinstance(measured, Mapping) else {"mrr": measured}
    mrr, ends = numbers["mrr"], (numbers.get("interval") or {}).get("mrr")
    whisker = words = ""
    if ends:
        low, high = (min(max(end, 0.0), 1.0) for end in ends)
        whisker = f'<i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        words = f"<small>{low:.3f} to {high:.3f}</small>"
    bar = f'<div class="bar {kind}"><b style="width:{100 * mrr:.1f}%"></b>{whisker}</div>'
    return (
        f'<tr class="{kind}"><th scope="row">{name}</th><td aria-hidden="true">{bar}</td>'
        f"<td>{mrr:.3f}{words}</td></tr>"
    )


def _remarks(result: Mapping[str, Any]) -> str:
    sentence = leak_sentence(result)
    css = ' class="careful"' if sentence.startswith("Careful") else ""
    return f"<p{css}>{sentence}</p>" if sentence else ""


def _figures(result: Mapping[str, Any]) -> str:
    curve, reliability = result.get("recall_curve"), result.get("reliability")
    drawn = [recall_figure(curve)] if curve else []
    drawn += [reliability_figure(reliability)] if reliability else []
    return f'<div class="figures">{"".join(drawn)}</div>' if drawn else ""


def _seeds(result: Mapping[str, Any]) -> str:
    per_seed = list(result.get("per_seed") or [])
    if len(per_seed) < 2:
        return ""
    cutoffs = [k for k in _CUTOFFS if k in (per_seed[0].get("recall") or {})]
    rows = [
        [str(part.get("seed", index)), number(part["mrr"]), *(number(part["recall"][k]) for k in cutoffs)]
        for index, part in enumerate(per_seed)
    ]
    head = ["Seed", "MRR", *(f"R@{k}" for k in cutoffs)]
    return folded("Seed by seed", table(head, rows, "Every seed by itself"))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
