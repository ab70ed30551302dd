"""The page in a real browser: at two widths, in light and dark, without a network. Skipped where there is none."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browser, find_browser
from PIL import Image

from anybind.graph import BridgeGraph, Edge
from anybind.report.figures.embedding_map import MapShown
from anybind.report.gallery import GalleryShown, HitShown, QueryShown
from anybind.report.page import Page, write_page

SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="
PREVIEWS = {
    "image": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" width="128" height="96" alt="">',
    "audio": f'<audio controls preload="none" src="data:audio/wav;base64,{SILENCE}"></audio>',
    "text": f'<span dir="auto">{"a_text_without_a_single_space_" * 6}</span>',
    "vector": f"<code>[{'0.123456, ' * 12}…] (768)</code>",
}
LONG = "a_space_whose_name_somebody_made_far_too_long_for_any_telephone"
# Elements that stick out of the window, unless they lie in something that scrolls by itself.
OVERFLOW = """(() => {
  const root = document.documentElement;
  const scrolls = e => e && e !== document.body && e !== root &&
    (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
  return [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && !e.closest('.unseen, .skip') && !scrolls(e.parentElement) &&
      (box.right > root.clientWidth + 0.5 || box.left < -0.5);
  }).map(e => e.outerHTML.slice(0, 120));
})()"""
# Contrast (WCAG 2.2, 1.4.3) of every text that is shown, against the nearest background that covers.
CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.map(x => linear(x / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = e => {
    if (!e) return [255, 255, 255, 255];
    const colour = rgba(getComputedStyle(e).backgroundColor);
    return colour[3] > 250 ? colour : behind(e.parentElement);
  };
  const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll('body *')].filter(
    e => e.getClientRects().length && hasText(e) && !e.closest('.unseen') && e.tagName !== 'title'
  ).map(e => {
    const style = getComputedStyle(e), ink = rgba(e.closest('svg') ? style.fill : style.color);
    const [dim, bright] = [light(ink), light(behind(e))].sort((a, b) => a - b);
    return [(bright + .05) / (dim + .05), e.outerHTML.slice(0, 100)];
  }).filter(([ratio]) => ratio < 4.5);
})()"""
NARROW_PLAYERS = "[...document.querySelectorAll('audio')].map(e => e.offsetWidth).filter(width => width < 120)"
VISIBLE = "[...document.querySelectorAll('.gallery[open] .query')].filter(e => e.offsetParent).length"

pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="no Chromium: install one, or name it by ANYBIND_CHROMIUM"
)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    path = find_browser()
    assert path is not None
    with browser(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section, names that are too long, and every kind of preview."""
    forecast = {
        "pair": ["image", LONG], "gallery": 300, "mrr": 0.4, "recall": {"1": 0.3}, "mrr_interval": [0.35, 0.45],
        "identification": [0.02, 0.9], "chance": 0.02, "path": ["image", "text", LONG], "direct": False,
        "assumptions": "what pivots show",
    }  # fmt: skip
    result = {
        "pair": ["image", LONG], "method": "a-method-of-a-long-name", "n_queries": 300, "mrr": 0.44,
        "interval": {"mrr": [0.4, 0.48]}, "recall": {"1": 0.3, "5": 0.5, "10": 0.6}, "chance": {"mrr": 0.02},
        "oracle": {"mrr": 0.5}, "share_of_oracle": 0.88, "baselines": {"b" * 40: 0.4}, "warnings": ["w" * 200],
        "leakage": {"shared_ids": 1, "same_content": 0, "near_duplicates": 0, "threshold": None, "checked": 300,
                    "examples": [{"test": "t" * 90, "training": "s" * 90, "dataset": "d", "space": LONG, "why": "id",
                                  "cosine": None}]},
        "per_seed": [{"seed": seed, "mrr": 0.4, "recall": {"1": 0.3, "5": 0.5, "10": 0.6}} for seed in (0, 1)],
        "forecast": forecast,
        "recall_curve": [{"gallery": g, "mrr": 2 / g, "recall": {"1": 1 / g, "5": 4 / g, "10": 9 / g},
                          "forecast": forecast} for g in (10, 20, 50, 100, 200, 500, 1000, 1_000_000)],
        "reliability": {"bins": [{"low": 0.0, "high": 1.0, "predicted": 0.5, "observed": 0.4, "count": 9}],
                        "ece": 0.1, "prior": 0.01},
    }  # fmt: skip
    spaces = ["image", "text", LONG, "audio", "depth", "touch"]
    matrix = [
        {"pair": [a, b], "path": [a, b], "pivots": i % 3, "mrr": None if i % 2 else 0.9 / (i + 1),
         "forecast": forecast if i % 2 else None}
        for i, (a, b) in enumerate((a, b) for i, a in enumerate(spaces) for b in spaces[i + 1 :])
    ]  # fmt: skip
    held = {"pictures": ("image", "text"), "d" * 60: ("text", LONG)}
    bridge = BridgeGraph(spaces, [Edge(a, b, "dataset", name, 9, 0.5, "x") for name, (a, b) in held.items()])
    points = [(0.0, 0.1 * i) for i in range(9)]
    content = Page(
        title="a-title-that-was-made-by-joining-everything-there-is-into-one-word", bridge=bridge, results=[result],
        plans=[bridge.plan("image", LONG)], matrix=matrix, galleries=[gallery(kind) for kind in PREVIEWS],
        maps=[MapShown(("image", LONG), points, [(1.0, 2 * y) for _, y in points], list("abcdefghi"), 0.2)],
        attributions=["A " * 100 + "https://" + "example.org/" * 20], facts={"Graph": "/a" * 90, "Method": "pcca"},
    )  # fmt: skip
    return write_page(tmp_path_factory.mktemp("page") / "report.html", content)


def gallery(kind: str) -> GalleryShown:
    def query(rank: int) -> QueryShown:
        hits = tuple(HitShown(PREVIEWS[kind], 0.5, i + 1 == rank, "word") for i in range(5))
        answer = None if rank <= 5 else HitShown(PREVIEWS[kind], 0.1, True, "word")
        return QueryShown(PREVIEWS[kind], "i" * 80, hits, rank, 300, answer, words="the query")

    return GalleryShown(kind, LONG, (query(1), query(1), query(3), query(200)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_is_legible_and_asks_nobody(tab: Tab, page: Path, width: int, dark: bool, tmp_path: Path) -> None:
    tab.show(page, width=width, dark=dark)
    tab.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert tab.evaluate(OVERFLOW) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(CONTRAST) == []
    assert tab.evaluate(NARROW_PLAYERS) == [], "players that nobody could play"
    assert [url for url in tab.requests if not url.startswith("data:")] == [page.as_uri()]
    assert tab.complaints == []
    with Image.open(io.BytesIO(tab.screenshot())) as picture:
        assert picture.width == width
        corner = sum(picture.convert("RGB").getpixel((2, 2)))  # type: ignore[arg-type, misc]
    assert corner < 150 if dark else corner > 600


def test_the_gallery_is_sorted_out_by_keys_alone(tab: Tab, page: Path) -> None:
    tab.show(page, width=1280)
    assert tab.evaluate(VISIBLE) == 4
    tab.evaluate("document.querySelector('input[value=all]').focus()")
    counts = []
    for _ in range(3):
        tab.press("ArrowRight", 39)
        counts.append(tab.evaluate(VISIBLE))
    assert counts == [2, 1, 1]


def test_a_page_that_would_ask_is_found_out(tab: Tab, tmp_path: Path) -> None:
    """The checks above must be able to fail."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<img src="http://example.org/x.png"><p style="width:3000px;color:#999;background:#fff">wide and faint</p>'
    )
    tab.show(page, width=390)
    assert "http://example.org/x.png" in tab.requests
    assert len(tab.evaluate(OVERFLOW)) == 1
    assert json.dumps(tab.evaluate(CONTRAST)).count("faint") == 1
