"""Which queries are shown, and whether their ranks are told as they are."""

from itertools import pairwise

import pytest
import torch

from anybind.errors import ShapeError, UsageError
from anybind.report.gallery import choose_rows, language_of, queries_shown

IDS = [f"id{number:02}" for number in range(20)]


def shown(scores, rows, **more):
    return queries_shown(scores, rows, IDS, query=lambda row: f"q{row}", item=lambda row: f"i{row}", **more)


@pytest.mark.parametrize("count", [1, 3, 10, 19, 20, 50])
def test_rows_are_spread_evenly_over_the_order_of_ids(count):
    shuffled = [IDS[7 * row % 20] for row in range(20)]
    chosen = [shuffled[row] for row in choose_rows(shuffled, count)]
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, 20)
    places = [IDS.index(identifier) for identifier in chosen]
    gaps = [after - before for before, after in pairwise(places)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert abs(places[0] - (19 - places[-1])) <= 1  # as much is left out before as after


def test_no_query_at_all_is_refused():
    with pytest.raises(UsageError):
        choose_rows(IDS, 0)


def test_hits_and_ranks_are_what_the_scores_say():
    scores = torch.linspace(1, 0, 20).repeat(3, 1)  # item 0 is best for every query, then item 1, ...
    first, near, missed = shown(scores, [0, 4, 12], words=lambda row: f"word {row}", lang="ja")
    assert [hit.html for hit in first.hits] == ["i0", "i1", "i2", "i3", "i4"]
    assert [hit.correct for hit in first.hits] == [True, False, False, False, False]
    assert [hit.correct for hit in near.hits] == [False, False, False, False, True]
    assert (first.rank, near.rank, missed.rank) == (1, 5, 13)
    assert first.answer is near.answer is None
    assert not any(hit.correct for hit in missed.hits)
    assert (missed.answer.html, missed.answer.correct, missed.answer.label) == ("i12", True, "word 12")
    assert missed.answer.score == pytest.approx(float(scores[2, 12]))
    assert (missed.query_html, missed.label, missed.lang, missed.gallery_size) == ("q12", "id12", "ja", 20)


def test_ties_count_half():
    (only,) = shown(torch.zeros(1, 20), [3])
    assert only.rank == 10.5


def test_a_gallery_smaller_than_the_page_shows_all_of_it():
    found = queries_shown(torch.eye(2), [0, 1], ["a", "b"], query=str, item=str)
    assert [len(query.hits) for query in found] == [2, 2]


def test_scores_must_fit():
    with pytest.raises(ShapeError, match="do not fit"):
        shown(torch.zeros(2, 20), [0])


@pytest.mark.parametrize(
    ("modality", "language"),
    [("text_ja", "ja"), ("text_zh-hant", "zh-hant"), ("text", None), ("image", None), ("text_of_it", None)],
)
def test_languages_of_modalities(modality, language):
    assert language_of(modality) == language
