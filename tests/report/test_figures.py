"""Figures say what the numbers say: marks stand where values are, labels do not overlap, odd values do no harm."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from anybind.report.figures.axes import Scale, nice_ticks
from anybind.report.figures.embedding_map import MapShown, embedding_map
from anybind.report.figures.forecast_plot import forecast_figure
from anybind.report.figures.heat_map import heat_map
from anybind.report.figures.recall_plot import recall_figure, spread
from anybind.report.figures.reliability_plot import reliability_figure


def drawing(figure: str) -> ElementTree.Element:
    found = re.search(r'<svg class="chart.*?</svg>', figure, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())


def told(parent: ElementTree.Element, text: str) -> ElementTree.Element:
    """The one mark whose title begins so."""
    (found,) = [e for e in parent.iter() if (e.findtext("title") or "").startswith(text)]
    return found


def result(mrr: float = 0.5, low: float = 0.4, high: float = 0.6, **more: object) -> dict[str, object]:
    forecast = {
        "pair": ["a", "b"], "gallery": 100, "mrr": (low + high) / 2, "mrr_interval": [low, high], "recall": {},
        "identification": [0.0, 1.0], "chance": 0.05, "path": ["a", "p", "b"], "direct": False, "assumptions": "luck",
    }  # fmt: skip
    return {"pair": ["a", "b"], "mrr": mrr, "interval": {"mrr": [mrr - 0.05, mrr + 0.05]}, "forecast": forecast, **more}


def test_scales_put_values_where_they_belong_and_the_rest_at_the_ends() -> None:
    plain, logs = Scale(0, 10, 100, 200), Scale(1, 100, 0, 10, log=True)
    assert [plain(x) for x in (0, 5, 10, -3, 99)] == [100, 150, 200, 100, 200]
    assert [logs(x) for x in (1, 10, 100, 0)] == [0, 5, 10, 0]
    assert Scale(3, 3, 0, 10)(3) == 5


@pytest.mark.parametrize("high", [1e-3, 0.013, 0.2, 0.61, 1.0, 7.0])
def test_ticks_are_round_few_and_reach_the_largest(high: float) -> None:
    ticks = nice_ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high > ticks[-2]
    assert 2 <= len(ticks) <= 6


def test_what_was_measured_stands_beside_what_was_forecast() -> None:
    figure = forecast_figure([result(0.5), result(0.2), result(forecast=None)])
    svg = drawing(figure)
    inside, outside = told(svg, "measured 0.500"), told(svg, "measured 0.200")
    ((low, high), *_) = [
        [float(x) for x in re.findall(r"[ML]([\d.]+) ", e.get("d", ""))] for e in svg.iter("path")
        if e.get("class") == "thick"
    ]  # fmt: skip
    assert low < float(inside.get("cx", 0)) < high
    assert float(outside.get("cx", 0)) < low
    assert "1 of 2 measured values lie within the predictive interval" in figure
    assert figure.count("<td>inside</td>") == figure.count("<td>outside</td>") == 1
    assert "measured 0.200, outside the interval" in svg.get("aria-label", "")


def test_without_a_forecast_there_is_no_figure() -> None:
    assert forecast_figure([result(forecast=None), {"pair": ["a", "b"], "mrr": 0.5}]) == ""
    assert heat_map([]) == ""


def test_a_forecast_of_nothing_can_be_drawn() -> None:
    assert "measured 0.000" in forecast_figure([result(0.0, 0.0, 0.0, interval=None)])


def test_curves_go_through_their_points() -> None:
    curve = [
        {"gallery": gallery, "mrr": mrr, "recall": {"1": mrr / 2, "10": min(1.0, 2 * mrr)}, "forecast": None}
        for gallery, mrr in ((10, 0.8), (100, 0.4), (1000, 0.1))
    ]
    figure = recall_figure(curve)
    svg = drawing(figure)
    dots = [told(svg, f"MRR {mrr:.3f}") for mrr in (0.8, 0.4, 0.1)]
    xs, ys = ([float(dot.get(name, 0)) for dot in dots] for name in ("cx", "cy"))
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2), "tenfold is tenfold"
    assert (ys[1] - ys[0]) / (ys[2] - ys[0]) == pytest.approx(0.4 / 0.7, abs=0.01)
    assert "band" not in {e.get("class") for e in svg.iter("path")}
    assert "predictive" not in figure
    assert {e.text for e in svg.iter("text")} >= {"MRR", "R@1", "R@10", "1,000"}
    assert "R@5" not in {e.text for e in svg.iter("text")}


def test_a_forecast_is_a_band_around_its_centre() -> None:
    forecast = {"mrr": 0.5, "mrr_interval": [0.4, 0.6], "recall": {}}
    curve = [{"gallery": g, "mrr": 0.5, "recall": {}, "forecast": forecast if g < 50 else None} for g in (10, 20, 50)]
    figure = recall_figure(curve)
    (band,) = [e for e in drawing(figure).iter("path") if e.get("class") == "band"]
    assert len(re.findall(r"[ML]", band.get("d", ""))) == 4  # two sizes have one, above and below
    assert "0.400 to 0.600" in figure


def test_one_gallery_size_is_a_curve_too() -> None:
    assert "MRR 0.500 among 2" in recall_figure([{"gallery": 2, "mrr": 0.5, "recall": {"1": 0.4}, "forecast": None}])


@pytest.mark.parametrize("places", [(10.0, 10.5, 11.0), (80.0, 98.0, 100.0), (100.0, 100.0, 100.0), (20.0, 50.0, 99.0)])
def test_labels_never_overlap_nor_fall_off(places: tuple[float, ...]) -> None:
    moved = list(spread(dict(zip("abc", places, strict=True)), 13, 100).values())
    assert all(after - before >= 13 for before, after in pairwise(moved))
    assert max(moved) <= 100
    assert all(abs(at - place) <= 26 for at, place in zip(moved, places, strict=True))


def test_labels_with_room_stay_where_they_are() -> None:
    places = {"a": 20.0, "b": 50.0, "c": 99.0}
    assert spread(places, 13, 100) == places


def test_bins_stand_at_what_was_predicted_and_observed() -> None:
    bins = [
        {"low": 0.0, "high": 0.5, "predicted": 0.25, "observed": 0.5, "count": 1000},
        {"low": 0.5, "high": 0.9, "predicted": 0.75, "observed": 0.5, "count": 10},
        {"low": 0.9, "high": 1.0, "predicted": 0.95, "observed": 0.0, "count": 0},
    ]
    svg = drawing(reliability_figure({"bins": bins, "ece": 0.25, "prior": 0.01}))
    left, right = told(svg, "predicted 0.250"), told(svg, "predicted 0.750")
    assert left.get("cy") == right.get("cy")
    assert float(left.get("cx", 0)) < float(right.get("cx", 0))
    assert float(left.get("r", 0)) > float(right.get("r", 0))
    assert len(list(svg.iter("circle"))) == 2, "a bin without pairs says nothing"
    assert "0.2500" in svg.get("aria-label", "")


def test_the_matrix_tells_measured_from_forecast_without_colours() -> None:
    forecast = {"mrr": 0.3, "mrr_interval": [0.2, 0.4]}
    matrix = [
        {"pair": ["x", "y"], "path": ["x", "y"], "pivots": 0, "n_queries": 1200, "mrr": 0.6, "interval": [0.5, 0.7],
         "chance": 0.01, "share_of_oracle": 0.9, "forecast": forecast},
        {"pair": ["z", "x"], "path": ["z", "y", "x"], "pivots": 1, "mrr": None, "forecast": forecast},
        {"pair": ["y", "z"], "path": ["y", "z"], "pivots": 0, "mrr": 0.0},
    ]  # fmt: skip
    figure = heat_map(matrix)
    cells = re.findall(r'<td class="(cell[^"]*)"(?: style="--heat:([\d.]+)")?>(.*?)</td>', figure)
    assert cells == [
        ("cell", "1.000", "0.600<small>direct</small>"),
        ("cell guess", "0.500", "≈\u00a00.300<small>1 pivot, forecast</small>"),
        ("cell", "0.000", "0.000<small>direct</small>"),
    ]
    assert "1,200" in figure
    assert "90 %" in figure


def test_the_map_keeps_distances_and_pairs() -> None:
    shown = MapShown(("a", "b"), [(0.0, 0.0), (4.0, 1.0)], [(1.0, 0.0), (4.0, 2.0)], ["dog", "cat"], 0.25)
    svg = drawing(embedding_map(shown))
    dog, cat = (next(g for g in svg.iter("g") if g.findtext("title") == name) for name in ("dog", "cat"))
    lengths = []
    for item in (dog, cat):
        x1, y1, x2, y2 = map(float, re.findall(r"[\d.]+", item.find("path").get("d")))  # type: ignore[union-attr, arg-type]
        lengths.append(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5)
    assert lengths[0] == pytest.approx(lengths[1], abs=0.2), "both pairs are one unit apart"


def test_a_map_of_one_place_is_a_map() -> None:
    assert "<circle" in embedding_map(MapShown(("a", "b"), [(1.0, 1.0)] * 2, [(1.0, 1.0)] * 2, ["x", "y"], 1.0))
