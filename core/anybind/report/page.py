"""The page a run leaves behind: one HTML file that needs no network and no script."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from anybind.bridge_plan import BridgePlan, ordered_pair
from anybind.errors import AnybindError
from anybind.graph import BridgeGraph
from anybind.report.drawing import graph_svg
from anybind.report.gallery import HitShown, QueryShown
from anybind.report.numbers import results_html

_LEGEND = (
    "Boxes are spaces: a modality as one encoder sees it. Lines are data sets that hold both; a thick line "
    "is a space shared by encoders trained together, a dotted one the same items through two encoders. "
    "The best route stands out."
)


def write_page(
    path: Path | str,
    *,
    title: str,
    bridge: BridgeGraph,
    plans: Sequence[BridgePlan],
    results: Sequence[Mapping[str, Any]] = (),
    gallery: Sequence[QueryShown] = (),
    attributions: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write the page, whole or not at all; arguments as ``render_page``.

    Raises:
        AnybindError: the file cannot be written.
    """
    target = Path(path)
    content = render_page(
        title=title,
        bridge=bridge,
        plans=plans,
        results=results,
        gallery=gallery,
        attributions=attributions,
        facts=facts,
    )
    temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8", errors="replace")
        os.replace(temporary, target)
    except OSError as error:
        raise AnybindError("the page cannot be written", where=target, got=error.strerror or error) from error
    finally:
        with suppress(OSError):  # usually it has its final name by now
            temporary.unlink()
    return target


def render_page(
    *,
    title: str,
    bridge: BridgeGraph,
    plans: Sequence[BridgePlan],
    results: Sequence[Mapping[str, Any]] = (),
    gallery: Sequence[QueryShown] = (),
    attributions: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """The page as HTML.

    Args:
        title: What was run. Escaped here, as all texts are; only previews are taken as HTML.
        bridge: The bridging graph, drawn.
        plans: The routes of every target.
        results: As ``anybind.report.numbers.results_html`` takes them.
        gallery: Queries and what they found, e.g. from ``anybind.report.gallery.queries_shown``.
        attributions: What must stand wherever the samples are shown, one text a data set.
        facts: Name -> value for the foot of the page: graph, method, seeds, version.
    """
    template = Template(_piece("page.html"))
    return template.substitute(
        title=escape(title),
        style=_piece("page.css"),
        summary="".join(f"<p>{_summary(plan, bridge)}</p>" for plan in plans),
        route=_route(bridge, plans),
        numbers=results_html(results),
        gallery=_gallery(gallery),
        sources=_sources(attributions),
        facts=_facts(facts or {}),
    )


def _piece(name: str) -> str:
    return (files("anybind.report") / "template" / name).read_text(encoding="utf-8")


def _summary(plan: BridgePlan, bridge: BridgeGraph) -> str:
    start, goal = _strong(plan.start), _strong(plan.goal)
    if not plan.paths:
        return f"{start} and {goal}: no route. {escape(plan.reason or '')}"
    between = " and ".join(map(_strong, plan.paths[0].spaces[1:-1]))
    if not between:
        return f"{start} and {goal} are joined directly."
    if any(hop.spaces == ordered_pair(plan.start, plan.goal) for hop in bridge.hops):
        return f"The best route from {start} to {goal} leads through {between}."
    return f"No training data holds both {start} and {goal}. They were bound through {between}."


def _strong(text: str) -> str:
    return f"<strong>{escape(text)}</strong>"


def _route(bridge: BridgeGraph, plans: Sequence[BridgePlan]) -> str:
    words = "\n".join(line for plan in plans for line in plan.describe())
    return (
        f'<figure class="graph"><div class="wide" tabindex="0">{graph_svg(bridge, plans)}</div>'
        f'<div class="narrow" tabindex="0">{graph_svg(bridge, plans, vertical=True)}</div>'
        f"<figcaption>{_LEGEND}</figcaption></figure>"
        f"<details><summary>The routes in words</summary><pre>{escape(words)}</pre></details>"
    )


def _gallery(gallery: Sequence[QueryShown]) -> str:
    if not gallery:
        return "<p>No queries were run.</p>"
    size, shown = gallery[0].gallery_size, len(gallery)
    first, near = sum(query.rank <= 1 for query in gallery), sum(query.answer is None for query in gallery)
    intro = (
        f"{shown} of {size:,} test queries, evenly spaced in the order of their ids: a fixed rule, so that "
        f"nobody picks the good ones. Each searched all {size:,} items. The right one came first for {first} "
        f"of these {shown} and among the {len(gallery[0].hits)} shown for {near}; it is framed. Where it was "
        "missed it stands below, with its rank."
    )
    return f'<p>{intro}</p><div class="queries">{"".join(map(_query, gallery))}</div>'


def _query(query: QueryShown) -> str:
    lang = f' lang="{escape(query.lang, quote=True)}"' if query.lang else ""
    kind = "tiles-of-hits" if all(hit.html.startswith("<img") for hit in query.hits) else "list-of-hits"
    missed = "" if query.answer is None else _missed(query.answer, query.rank)
    state = "first" if query.rank <= 1 else "near" if query.answer is None else "missed"
    return (
        f'<article class="query"><header><h3{lang}>{query.query_html}</h3>'
        f'<p class="rank {state}">rank {query.rank:g} of {query.gallery_size:,}</p></header>'
        f'<ol class="{kind}">{"".join(map(_hit, query.hits))}</ol>{missed}'
        f'<p class="id">{escape(query.label)}</p></article>'
    )


def _hit(hit: HitShown) -> str:
    mark = '<span class="mark">✓<span class="unseen"> the right one</span></span>' if hit.correct else ""
    right = ' class="right"' if hit.correct else ""
    return f'<li{right} title="score {hit.score:.3g}">{hit.html}{_words(hit)}{mark}</li>'


def _missed(answer: HitShown, rank: float) -> str:
    return (
        f'<p class="answer"><span class="item">{answer.html}</span>{_words(answer)}'
        f"<span>The right one came at rank {rank:g}.</span></p>"
    )


def _words(hit: HitShown) -> str:
    return f'<span class="unseen">{escape(hit.label)}</span>' if hit.label else ""


def _sources(attributions: Sequence[str]) -> str:
    texts = dict.fromkeys(text.strip() for text in attributions if text.strip())
    if not texts:
        return "<p>The data sets state no attribution.</p>"
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _facts(facts: Mapping[str, str]) -> str:
    pairs = ((escape(name), escape(str(value))) for name, value in facts.items())
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
