"""What queries find, for people to look at: chosen by a fixed rule, with their failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anybind.errors import ShapeError, UsageError

if TYPE_CHECKING:
    import torch

TOP = 5
_TEXT_OF_A_LANGUAGE = re.compile(r"text_([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)")


@dataclass(frozen=True)
class HitShown:
    """One item that a query found.

    Attributes:
        html: The item, as ``Modality.preview`` shows it: escaped and self-contained.
        score: The binder's score, higher is likelier.
        correct: Whether it is the query's true item.
        label: The item in words, for those who do not see the preview.
        lang: The item's language (BCP 47), if it is text in one.
    """

    html: str
    score: float
    correct: bool
    label: str = ""
    lang: str | None = None


@dataclass(frozen=True)
class QueryShown:
    """A query and what it found.

    Attributes:
        query_html: The query, as ``Modality.preview`` shows it.
        label: Its id.
        hits: The best items, best first.
        rank: The true item's rank, 1 is best; half ranks come from ties.
        gallery_size: How many items were searched.
        answer: The true item, when it is not among ``hits``.
        lang: The query's language (BCP 47), if it is text in one.
        words: The query in words, for those who do not see the preview.
    """

    query_html: str
    label: str
    hits: tuple[HitShown, ...]
    rank: float
    gallery_size: int
    answer: HitShown | None = None
    lang: str | None = None
    words: str = ""


@dataclass(frozen=True)
class GalleryShown:
    """Some queries of one space, and what they found in another.

    Attributes:
        queries_from: The space that was searched with.
        items_from: The space that was searched.
        queries: At least one.
    """

    queries_from: str
    items_from: str
    queries: tuple[QueryShown, ...]


def choose_rows(ids: Sequence[str], count: int = 10) -> list[int]:
    """Rows evenly spaced in the order of their ids: a rule that nobody can bend towards good examples.

    Args:
        ids: Unique ids.
        count: How many to choose; all rows when there are fewer.
    """
    if count < 1:
        raise UsageError("at least one query must be shown", got=count)
    ordered = sorted(range(len(ids)), key=lambda row: ids[row])
    count = min(count, len(ids))
    return [ordered[(2 * i + 1) * len(ids) // (2 * count)] for i in range(count)]


def queries_shown(
    scores: torch.Tensor,
    rows: Sequence[int],
    ids: Sequence[str],
    *,
    query: Callable[[int], str],
    item: Callable[[int], str],
    words: Callable[[int], str] = lambda _: "",
    query_words: Callable[[int], str] = lambda _: "",
    lang: str | None = None,
    item_lang: str | None = None,
    top: int = TOP,
) -> list[QueryShown]:
    """What some queries found among all items; row i of queries and items is the same thing.

    Args:
        scores: (len(rows), n) finite float32, the chosen queries against all n items.
        rows: The chosen rows, as ``choose_rows`` gives them.
        ids: The ids of all n rows.
        query: Row -> HTML of the query.
        item: Row -> HTML of the item.
        words: Row -> the item in words.
        query_words: Row -> the query in words.
        lang: The queries' language.
        item_lang: The items' language.
        top: How many hits to show, at least 1.

    Raises:
        ShapeError: the scores do not fit the rows and ids.
    """
    import torch

    from anybind.retrieval import ROUNDING, ranks_from_scores

    if tuple(scores.shape) != (len(rows), len(ids)):
        got, expected = tuple(scores.shape), (len(rows), len(ids))
        raise ShapeError("scores do not fit the queries and items", got=got, expected=expected)
    ranks = ranks_from_scores(scores, torch.tensor(rows), tie_tolerance=ROUNDING).tolist()
    best = scores.topk(min(top, len(ids)), dim=1).indices.tolist()
    shown = []
    for position, row in enumerate(rows):

        def hit(found: int, position: int = position, row: int = row) -> HitShown:
            return HitShown(item(found), float(scores[position, found]), found == row, words(found), item_lang)

        answer = None if row in best[position] else hit(row)
        hits = tuple(map(hit, best[position]))
        told = query(row), ids[row], hits, ranks[position], len(ids), answer, lang, query_words(row)
        shown.append(QueryShown(*told))
    return shown


def language_of(modality: str) -> str | None:
    """The language a modality's name tells, e.g. ``ja`` of ``text_ja``; None when it tells none."""
    found = _TEXT_OF_A_LANGUAGE.fullmatch(modality)
    return found.group(1) if found else None
