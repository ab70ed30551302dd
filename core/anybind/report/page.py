"""The page a run leaves behind: one HTML file that needs no network and no script."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from anybind.bridge_plan import BridgePlan, ordered_pair
from anybind.errors import AnybindError
from anybind.graph import BridgeGraph
from anybind.report.browsing import galleries_html
from anybind.report.cautions import cautions_html
from anybind.report.drawing import graph_svg
from anybind.report.figures.embedding_map import MapShown, embedding_map
from anybind.report.figures.forecast_plot import forecast_figure
from anybind.report.figures.heat_map import heat_map
from anybind.report.gallery import GalleryShown
from anybind.report.numbers import results_html

_LEGEND = (
    "Boxes are spaces: a modality as one encoder sees it. Lines are data sets that hold both; a thick line "
    "is a space shared by encoders trained together, a dotted one the same items through two encoders. "
    "The best route stands out."
)


@dataclass(frozen=True)
class Page:
    """What a page shows. All texts are escaped by it; only previews are taken as HTML.

    Attributes:
        title: What was run.
        bridge: The bridging graph, drawn.
        plans: The routes of every target.
        results: As ``anybind.report.numbers.results_html`` takes them.
        matrix: Every pair of spaces, as ``anybind.report.figures.heat_map.heat_map`` takes them.
        galleries: Queries and what they found; None where nothing could be searched, as the items were not at hand.
        maps: Test items in the joint space.
        attributions: What must stand wherever the samples are shown, one text a data set.
        facts: Name -> value for the foot of the page: graph, method, seeds, version.
    """

    title: str
    bridge: BridgeGraph
    plans: Sequence[BridgePlan]
    results: Sequence[Mapping[str, Any]] = ()
    matrix: Sequence[Mapping[str, Any]] = ()
    galleries: Sequence[GalleryShown] | None = ()
    maps: Sequence[MapShown] = ()
    attributions: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def write_page(path: Path | str, page: Page) -> Path:
    """Write a page, whole or not at all.

    Raises:
        AnybindError: the file cannot be written.
    """
    target = Path(path)
    content = render_page(page)
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


def render_page(page: Page) -> str:
    """The page as HTML. Sections that would be empty are left out."""
    sections = {name: content for name, content in _sections(page).items() if content[1]}
    return Template(_piece("page.html")).substitute(
        title=escape(page.title),
        style=_piece("page.css"),
        summary="".join(f"<p>{_summary(plan, page.bridge)}</p>" for plan in page.plans),
        contents="".join(f'<li><a href="#{name}">{heading}</a></li>' for name, (heading, _) in sections.items()),
        sections="".join(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>{content}</section>'
            for name, (heading, content) in sections.items()
        ),
        facts=_facts(page.facts),
    )


def _sections(page: Page) -> dict[str, tuple[str, str]]:
    """Name of a section -> its heading and its content."""
    shown = "" if page.galleries is None else galleries_html(page.galleries)
    return {
        "cautions": ("Before you trust these numbers", cautions_html(page.results)),
        "route": ("The route", _route(page.bridge, page.plans)),
        "forecast": ("Forecast and truth", forecast_figure(page.results)),
        "numbers": ("The numbers", results_html(page.results)),
        "pairs": ("All pairs", heat_map(page.matrix)),
        "space": ("The joint space", _maps(page.maps)),
        "found": ("What was found", shown),
        "sources": ("Sources and licences", _sources(page.attributions)),
    }


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


def _maps(maps: Sequence[MapShown]) -> str:
    return f'<div class="figures">{"".join(map(embedding_map, maps))}</div>' if maps else ""


def _sources(attributions: Sequence[str]) -> str:
    texts = dict.fromkeys(text.strip() for text in attributions if text.strip())
    if not texts:
        return "<p>The data sets state no attribution.</p>"
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _facts(facts: Mapping[str, str]) -> str:
    pairs = ((escape(name), escape(str(value))) for name, value in facts.items())
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
