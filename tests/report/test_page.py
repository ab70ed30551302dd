"""The page: whole, self-contained, escaped, and readable without eyes."""

from html.parser import HTMLParser
from itertools import pairwise

import pytest

from anybind.errors import AnybindError
from anybind.report.gallery import HitShown, QueryShown
from anybind.report.page import render_page, write_page

EVIL = "<script>alert('x')</script> & \"more\""
VOID = {"meta", "img", "br", "link", "input", "hr"}
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


def query(rank, *, html=PICTURE, label="1F436", **more):
    hits = tuple(HitShown(html, 0.9 - 0.1 * i, i + 1 == rank, f"word {i}") for i in range(5))
    answer = None if rank <= 5 else HitShown(html, 0.1, True, "the dog")
    return QueryShown('<span dir="auto">犬</span>', label, hits, rank, 300, answer, "ja", **more)


@pytest.fixture
def page(bridge):
    return Reader(
        render_page(
            title="emoji", bridge=bridge, plans=[bridge.plan("image", "text_ja")], results=[RESULT],
            gallery=[query(1), query(4), query(87)], facts={"method": "pcca"},
            attributions=["Pictures by A", "Pictures by A", "Words by B"],
        )
    )  # fmt: skip


def test_the_page_asks_nothing_of_anybody(page):
    assert not page.named("script", "link", "iframe", "object", "base", "form", "a")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "data", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
    policies = [a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'")


def test_the_style_loads_nothing_and_knows_the_dark(bridge):
    style = render_page(title="x", bridge=bridge, plans=[]).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_the_page_can_be_read_without_eyes(page):
    assert page.named("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all("alt" in attributes for attributes in page.named("img"))
    assert all(a["role"] == "img" and a["aria-label"] for a in page.named("svg"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in page.named("section")} <= set(ids)
    assert [a["lang"] for a in page.named("h3") if "lang" in a] == ["ja"] * 3
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
        return " ".join(Reader(render_page(title="x", bridge=bridge, plans=[bridge.plan(a, b)])).texts)

    bridged = text("image", "text_ja")
    assert "No training data holds both image and text_ja . They were bound through text_en ." in bridged
    assert "image and text_en are joined directly." in text("image", "text_en")
    assert "image and alone : no route." in text("image", "alone")


def test_everything_but_previews_is_escaped(bridge):
    bad = HitShown("<em>preview</em>", 0.5, False, EVIL)
    shown = QueryShown("<em>preview</em>", EVIL, (bad,), 9, 10, bad, EVIL)
    result = {**RESULT, "pair": [EVIL, "b"], "method": EVIL, "baselines": {EVIL: 0.3}}
    reader = Reader(
        render_page(
            title=EVIL, bridge=bridge, plans=[bridge.plan("image", "text_ja")], results=[result],
            gallery=[shown], attributions=[EVIL], facts={EVIL: EVIL},
        )
    )  # fmt: skip
    assert not reader.named("script")
    assert len(reader.named("em")) == 3
    assert " ".join(reader.texts).count("<script>alert('x')</script>") >= 8


def test_a_page_of_a_graph_without_tests(bridge):
    text = " ".join(Reader(render_page(title="bare", bridge=bridge, plans=[])).texts)
    assert "nothing was measured" in text
    assert "No queries were run." in text
    assert "state no attribution" in text


def test_leaked_items_are_called_out(bridge):
    page = render_page(title="x", bridge=bridge, plans=[], results=[{**RESULT, "leaked_ids": 12}])
    assert "Careful: 12 test items are in the training data too." in page


def test_previews_that_are_no_pictures_stand_below_each_other(bridge):
    page = render_page(title="x", bridge=bridge, plans=[], gallery=[query(2, html="<span>text</span>")])
    assert '<ol class="list-of-hits">' in page
    assert '<ol class="tiles-of-hits">' not in page


def test_the_file_is_written_whole_or_not_at_all(bridge, tmp_path):
    path = write_page(tmp_path / "new" / "page.html", title="犬", bridge=bridge, plans=[])
    assert "<h1>犬</h1>" in path.read_text("utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AnybindError, match="the page cannot be written") as caught:
        write_page(tmp_path / "file" / "page.html", title="x", bridge=bridge, plans=[])
    assert str(caught.value.where).endswith("page.html")
