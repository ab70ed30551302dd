"""The gallery as HTML to browse: queries with what they found, sorted out by radio buttons, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from anybind.report.gallery import GalleryShown, HitShown, QueryShown

# The filter's choices: value -> words. The style sheet hides what was not chosen.
_CHOICES = {"all": "all", "first": "right one first", "near": "among those shown", "missed": "missed"}
_STATE_WORDS = {"first": "found", "near": "close", "missed": "missed"}


def galleries_html(galleries: Sequence[GalleryShown]) -> str:
    """Every gallery, the first one open."""
    if not galleries:
        return "<p>No queries were run.</p>"
    return "".join(_gallery(gallery, number) for number, gallery in enumerate(galleries))


def _gallery(gallery: GalleryShown, number: int) -> str:
    head = f"{escape(gallery.queries_from)} → {escape(gallery.items_from)}"
    return (
        f'<details class="gallery"{"" if number else " open"}><summary><h3>{head}</h3></summary>'
        f"<p>{_intro(gallery.queries)}</p>{_filter(gallery.queries, number)}"
        f'<div class="queries">{"".join(map(_query, gallery.queries))}</div></details>'
    )


def _intro(queries: Sequence[QueryShown]) -> str:
    size, shown = queries[0].gallery_size, len(queries)
    first, near = sum(query.rank <= 1 for query in queries), sum(query.answer is None for query in queries)
    return (
        f"{shown} of {size:,} test queries, evenly spaced in the order of their ids: a fixed rule, so that "
        f"nobody picks the good ones. Each searched all {size:,} items. The right one came first for {first} "
        f"of these {shown} and among the {len(queries[0].hits)} shown for {near}; it is framed. Where it was "
        "missed it stands below, with its rank."
    )


def _filter(queries: Sequence[QueryShown], number: int) -> str:
    states = [_state(query) for query in queries]
    counts = {"all": len(states), **{state: states.count(state) for state in _STATE_WORDS}}
    choices = "".join(
        f'<label><input type="radio" name="shown-{number}" value="{value}"{" checked" if value == "all" else ""}'
        f' autocomplete="off"> {words} <small>{counts[value]}</small></label>'
        for value, words in _CHOICES.items()
    )
    return f'<fieldset class="filter"><legend>Show</legend>{choices}</fieldset>'


def _state(query: QueryShown) -> str:
    return "first" if query.rank <= 1 else "near" if query.answer is None else "missed"


def _query(query: QueryShown) -> str:
    kind = "tiles-of-hits" if all(hit.html.startswith("<img") for hit in query.hits) else "list-of-hits"
    missed = "" if query.answer is None else _missed(query.answer, query.rank)
    state, shown = _state(query), query.query_html + _beside(query.query_html, query.words)
    return (
        f'<article class="query {state}"><header><h4{_lang(query.lang)}>{shown}</h4>'
        f'<p class="rank {state}">rank {query.rank:g} of {query.gallery_size:,}</p></header>'
        f'<ol class="{kind}">{"".join(map(_hit, query.hits))}</ol>{missed}'
        f'<p class="id">{escape(query.label)}</p></article>'
    )


def _hit(hit: HitShown) -> str:
    mark = '<span class="mark">✓<span class="unseen"> the right one</span></span>' if hit.correct else ""
    right = ' class="right"' if hit.correct else ""
    told = escape(f"{hit.label}, score {hit.score:.3g}" if hit.label else f"score {hit.score:.3g}", quote=True)
    return f'<li{right} title="{told}">{_item(hit)}{_beside(hit.html, hit.label)}{mark}</li>'


def _missed(answer: HitShown, rank: float) -> str:
    return (
        f'<p class="answer"><span class="item">{_item(answer)}{_beside(answer.html, answer.label)}</span>'
        f"<span>The right one came at rank {rank:g}.</span></p>"
    )


def _item(hit: HitShown) -> str:
    return f"<span{_lang(hit.lang)}>{hit.html}</span>" if hit.lang else hit.html


def _lang(lang: str | None) -> str:
    return f' lang="{escape(lang, quote=True)}"' if lang else ""


def _beside(preview: str, words: str) -> str:
    """A sample in words: below a player for all to read, else for those who do not see the preview."""
    css = "told" if preview.startswith("<audio") else "unseen"
    return f'<span class="{css}"> {escape(words)}</span>' if words else ""
