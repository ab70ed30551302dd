"""The page: whole, self-contained, escaped, and readable without eyes."""

from contextlib import suppress
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from anybind.errors import AnybindError
from anybind.graph import BridgeGraph, Edge
from anybind.report.cautions import cautions_html
from anybind.report.figures.embedding_map import MapShown
from anybind.report.figures.forecast_plot import forecast_figure
from anybind.report.figures.heat_map import heat_map
from anybind.report.gallery import GalleryShown, HitShown, QueryShown
from anybind.report.numbers import results_html
from anybind.report.page import Page, render_page, write_page

EVIL = "<script>alert('x')</script> & \"more\""
VOID = {"meta", "img", "br", "link", "input", "hr"}
FORECAST = {
    "pair": ["image", "text_ja"], "gallery": 300, "mrr": 0.4, "recall": {"1": 0.3}, "mrr_interval": [0.35, 0.45],
    "identification": [0.02, 0.9], "chance": 0.02, "path": ["image", "text_en", "text_ja"], "direct": False,
    "assumptions": "what pivots show",
}  # fmt: skip
PICTURE = '<img src="data:image/png;base64,AAAA" width="8" height="8" alt="">'
RESULT = {
    "pair": ["image", "text_ja"], "method": "pcca", "n_queries": 300, "mrr": 0.441,
    "interval": {"mrr": [0.418, 0.463]}, "recall": {"1": 0.324, "5": 0.561, "10": 0.684},
    "chance": {"mrr": 0.0209}, "oracle": {"mrr": 0.512}, "share_of_oracle": 0.861,
    "baselines": {"ridge-chain": 0.402, "mox": 0.371}, "leaked_ids": 0,
    "per_seed": [{"seed": seed, "mrr": 0.4, "recall": {"1": 0.3, "5": 0.5, "10": 0.6}} for seed in (7, 8)],
}  # fmt: skip


class Reader(HTMLParser):
    """Checks that tags close in order, and notes what matters of a page."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and data.strip():
            self.texts.append(" ".join(data.split()))

    def named(self, *tags):
        return [attributes for tag, attributes in self.tags if tag in tags]


EXTRAS = {
    "forecast": FORECAST, "warnings": ["2 test items were seen."],
    "leakage": {"shared_ids": 0, "same_content": 2, "near_duplicates": 0, "threshold": 0.98, "checked": 300,
                "examples": [{"test": "t1", "training": "s1", "dataset": "pictures", "space": "image",
                              "why": "content", "cosine": None}]},
    "recall_curve": [{"gallery": g, "mrr": 2 / g, "recall": {"1": 1 / g, "5": 5 / g, "10": 10 / g},
                      "forecast": FORECAST} for g in (10, 100, 300)],
    "reliability": {"bins": [{"low": 0.0, "high": 0.5, "predicted": 0.1, "observed": 0.12, "count": 90},
                             {"low": 0.5, "high": 1.0, "predicted": 0.8, "observed": 0.75, "count": 10}],
                    "ece": 0.023, "prior": 0.01},
}  # fmt: skip
MATRIX = [
    {"pair": ["image", "text_en"], "path": ["image", "text_en"], "pivots": 0, "n_queries": 300, "mrr": 0.6,
     "interval": [0.5, 0.7], "recall": {"1": 0.5}, "chance": 0.02, "share_of_oracle": 0.9, "forecast": None},
    {"pair": ["image", "text_ja"], "path": ["image", "text_en", "text_ja"], "pivots": 1, "n_queries": None,
     "mrr": None, "interval": None, "recall": None, "chance": None, "share_of_oracle": None, "forecast": FORECAST},
    {"pair": ["text_en", "text_ja"], "path": [], "pivots": None, "n_queries": None, "mrr": None, "interval": None,
     "recall": None, "chance": None, "share_of_oracle": None, "forecast": None},
]  # fmt: skip
MAP = MapShown(("image", "text_ja"), [(0.0, 0.0), (1.0, 2.0)], [(0.1, 0.0), (1.0, 1.5)], ["dog", "cat"], 0.5)


def gallery(*queries):
    return GalleryShown("text_ja", "image", queries)


def query(rank, *, html=PICTURE, label="1F436", **more):
    hits = tuple(HitShown(html, 0.9 - 0.1 * i, i + 1 == rank, f"word {i}") for i in range(5))
    answer = None if rank <= 5 else HitShown(html, 0.1, True, "the dog")
    return QueryShown('<span dir="auto">犬</span>', label, hits, rank, 300, answer, "ja", **more)


@pytest.fixture
def page(bridge):
    return Reader(
        render_page(Page(
            title="emoji", bridge=bridge, plans=[bridge.plan("image", "text_ja")], results=[RESULT],
            galleries=[gallery(query(1), query(4), query(87))], facts={"method": "pcca"},
            attributions=["Pictures by A", "Pictures by A", "Words by B"],
        ))
    )  # fmt: skip


@pytest.fixture
def full(bridge):
    """A page with every section."""
    return Reader(
        render_page(Page(
            title="emoji", bridge=bridge, plans=[bridge.plan("image", "text_ja")], results=[RESULT | EXTRAS],
            matrix=MATRIX, galleries=[gallery(query(1)), gallery(query(9))], maps=[MAP],
        ))
    )  # fmt: skip


def test_the_page_asks_nothing_of_anybody(page):
    assert not page.named("script", "link", "iframe", "object", "base", "form")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "data", "xlink:href"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), (tag, name)
    policies = [a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'")


def test_the_style_loads_nothing_and_knows_the_dark(bridge):
    style = render_page(Page("x", bridge, [])).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


@pytest.mark.parametrize("which", ["page", "full"])
def test_the_page_can_be_read_without_eyes(which, request):
    page = request.getfixturevalue(which)
    assert page.named("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all("alt" in attributes for attributes in page.named("img"))
    drawings = [a for a in page.named("svg") if a.get("aria-hidden") != "true"]
    assert drawings
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in page.named("section")} <= set(ids)
    sections = {a["aria-labelledby"] for a in page.named("section")}
    assert {a["href"][1:] for a in page.named("a")} == sections | {"content"}
    assert {tag for tag, _ in page.tags} >= {"header", "nav", "main", "footer"}
    assert len(page.named("table")) == len(page.named("caption"))
    assert all(a.get("scope") in ("col", "row") for a in page.named("th"))
    assert {a["lang"] for a in page.named("h4") if "lang" in a} == {"ja"}
    assert "word 0" in page.texts


def test_failures_are_shown_as_they_are(page):
    text = " ".join(page.texts)
    assert "3 of 300 test queries, evenly spaced in the order of their ids" in text
    assert "came first for 1 of these 3 and among the 5 shown for 2" in text
    badges = [text for text in page.texts if text.startswith("rank ")]
    assert badges == ["rank 1 of 300", "rank 4 of 300", "rank 87 of 300"]
    assert "The right one came at rank 87." in page.texts
    assert page.texts.count("the right one") == 2
    assert len(page.named("img")) == 16  # five for each, and the one that was missed


def test_attributions_stand_on_the_page_once(page):
    assert page.texts.count("Pictures by A") == 1
    assert page.texts.count("Words by B") == 1


def test_numbers_with_baselines_oracle_chance_and_seeds(page):
    text = " ".join(page.texts)
    for expected in (
        "32 % right one first", "56 % right one in the first five", "86 % of the oracle's MRR", "0.512",
        "pcca 0.441 0.418 to 0.463", "ridge-chain baseline 0.402", "mox baseline 0.371", "chance 0.021",
        "No test item is in the training data.", "mean of 2 seeds", "Seed MRR R@1 R@5 R@10 7 0.400",
    ):  # fmt: skip
        assert expected in text
    widths = [a["style"] for a in page.named("b")]
    assert widths == [f"width:{width}%" for width in ("44.1", "40.2", "37.1", "51.2", "2.1")]
    assert page.named("i") == [{"style": "left:41.8%;width:4.5%"}]


def test_the_summary_tells_a_bridge_from_a_direct_pair(bridge):
    def text(a, b):
        return " ".join(Reader(render_page(Page("x", bridge, [bridge.plan(a, b)]))).texts)

    bridged = text("image", "text_ja")
    assert "No training data holds both image and text_ja . They were bound through text_en ." in bridged
    assert "image and text_en are joined directly." in text("image", "text_en")
    assert "image and alone : no route." in text("image", "alone")


def spoilt(value):
    """Every place of a JSON value, with something evil there instead."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from ({**value, key: bad} for bad in spoilt(part))
            yield {**{k: v for k, v in value.items() if k != key}, EVIL: part}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from ([*value[:at], bad, *value[at + 1 :]] for bad in spoilt(part))
    yield EVIL


@pytest.mark.parametrize("drawn", [results_html, cautions_html, forecast_figure, heat_map])
def test_no_place_of_the_results_can_put_anything_on_the_page(drawn):
    """Each is shown escaped, or refused as no number; metrics.json may be anybody's."""
    shown = 0
    for bad in spoilt(MATRIX if drawn is heat_map else [RESULT | EXTRAS]):
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            assert "<script" not in drawn(bad)
            shown += 1
    assert shown > 20


def test_everything_but_previews_is_escaped(bridge):
    bad = HitShown("<em>preview</em>", 0.5, False, EVIL, EVIL)
    shown = QueryShown("<em>preview</em>", EVIL, (bad,), 9, 10, bad, EVIL, EVIL)
    result = {**RESULT, **EXTRAS, "pair": [EVIL, "b"], "method": EVIL, "baselines": {EVIL: 0.3}, "warnings": [EVIL]}
    evil = BridgeGraph([EVIL, "b"], [Edge(EVIL, "b", "dataset", EVIL, 3, 0.5, EVIL)])
    reader = Reader(
        render_page(Page(
            title=EVIL, bridge=evil, plans=[evil.plan(EVIL, "b")], results=[result],
            matrix=[{**MATRIX[0], "pair": [EVIL, "b"], "path": [EVIL, "b"]}],
            galleries=[GalleryShown(EVIL, EVIL, (shown,))], attributions=[EVIL], facts={EVIL: EVIL},
            maps=[MapShown((EVIL, "b"), [(0.0, 0.0)], [(1.0, 1.0)], [EVIL], 0.5)],
        ))
    )  # fmt: skip
    assert not reader.named("script")
    assert len(reader.named("em")) == 3
    assert " ".join(reader.texts).count("<script>alert('x')</script>") >= 20


def test_a_page_of_a_graph_without_tests(bridge):
    page = Reader(render_page(Page("bare", bridge, [])))
    text = " ".join(page.texts)
    assert "nothing was measured" in text
    assert "No queries were run." in text
    assert "state no attribution" in text
    assert [a["aria-labelledby"] for a in page.named("section")] == ["route", "numbers", "found", "sources"]
    unseen = Reader(render_page(Page("bare", bridge, [], galleries=None)))
    assert "found" not in [a["aria-labelledby"] for a in unseen.named("section")]


def test_every_section_has_its_place(full):
    sections = [a["aria-labelledby"] for a in full.named("section")]
    assert sections == ["cautions", "route", "forecast", "numbers", "pairs", "space", "found", "sources"]
    text = " ".join(full.texts)
    for expected in (
        "image ↔ text_ja : 2 test items were seen.", "t1 s1 pictures image content",
        "Careful: test items were seen in training: 2 by content.", "0.350 to 0.450",
        "Expected calibration error 0.0230", "≈ 0.400 1 pivot, forecast", "0.600 direct", "– no route",
        "keep 50 % of the variance",
    ):  # fmt: skip
        assert expected in text


def test_leaked_items_are_called_out(bridge):
    page = render_page(Page("x", bridge, [], results=[{**RESULT, "leaked_ids": 12}]))
    assert page.count("Careful: 12 test items are in the training data too.") == 2
    assert 'id="cautions"' in page
    clean = {**EXTRAS["leakage"], "same_content": 0, "examples": []}
    page = render_page(Page("x", bridge, [], results=[{**RESULT, "leakage": clean}]))
    assert "none by id, by content or as a near-duplicate. A near-duplicate is one of a cosine of 0.980" in page
    assert 'id="cautions"' not in page


def test_previews_that_are_no_pictures_stand_below_each_other(bridge):
    page = render_page(Page("x", bridge, [], galleries=[gallery(query(2, html="<span>text</span>"))]))
    assert '<ol class="list-of-hits">' in page
    assert '<ol class="tiles-of-hits">' not in page


def test_what_can_only_be_heard_is_told_in_words_for_all(bridge):
    page = render_page(Page("x", bridge, [], galleries=[gallery(query(2, html="<audio controls></audio>"))]))
    assert page.count('<span class="told"> word ') == 5
    assert '<span class="unseen"> word' not in page


def test_galleries_fold_and_sort_without_a_script(full):
    details = [a for a in full.named("details") if a.get("class") == "gallery"]
    assert ["open" in a for a in details] == [True, False]
    groups = {a["name"] for a in full.named("input")}
    assert groups == {"shown-0", "shown-1"}
    assert [a["value"] for a in full.named("input") if "checked" in a] == ["all", "all"]


def test_the_file_is_written_whole_or_not_at_all(bridge, tmp_path):
    path = write_page(tmp_path / "new" / "page.html", Page("犬", bridge, []))
    assert "<h1>犬</h1>" in path.read_text("utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AnybindError, match="the page cannot be written") as caught:
        write_page(tmp_path / "file" / "page.html", Page("x", bridge, []))
    assert str(caught.value.where).endswith("page.html")
