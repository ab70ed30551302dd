"""forecast.json in a store: written, read, of one state of a graph only, and a damaged one refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anybind.errors import StoreError
from anybind.forecast_record import FORECASTS, RecordedForecasts, read_forecasts, write_forecasts


def told(gallery: int, mrr: float, chance: float = 0.05) -> dict[str, Any]:
    return {"gallery": gallery, "mrr": mrr, "chance": chance, "recall": {"10": 0.5}, "mrr_interval": [0.1, 0.4]}


RECORDED = RecordedForecasts(
    "auto", 3, {("a", "b"): {100: told(100, 0.62), 1000: told(1000, 0.4)}, ("a", "b", "c"): {100: told(100, 0.2)}}
)


def test_what_was_written_is_read_for_the_same_state_alone(tmp_path: Path) -> None:
    store = tmp_path / "not" / "there yet"
    assert read_forecasts(store, "g", "state") is None
    write_forecasts(store, "g", "state", RECORDED)
    assert read_forecasts(store, "g", "state") == RECORDED
    assert read_forecasts(store, "g", "another") is None
    assert read_forecasts(store, "h", "state") is None


def test_another_graphs_entry_stays_and_ones_own_is_replaced(tmp_path: Path) -> None:
    newer = RecordedForecasts("pcca", 0, {("a", "b"): {100: told(100, 0.3)}})
    for graph, recorded in (("g", RECORDED), ("h", RECORDED), ("g", newer)):
        write_forecasts(tmp_path, graph, "state", recorded)
    assert read_forecasts(tmp_path, "g", "state") == newer
    assert read_forecasts(tmp_path, "h", "state") == RECORDED
    assert [path.name for path in tmp_path.iterdir()] == [FORECASTS]


def test_a_path_is_found_from_both_ends() -> None:
    assert RECORDED.of_path(["c", "b", "a"], 100) == told(100, 0.2)
    assert RECORDED.of_path(["c", "b", "a"], 1000) is None
    assert RECORDED.of_path(["a", "c"], 100) is None


def test_a_hops_quality_is_how_far_it_is_above_chance() -> None:
    assert RECORDED.hop_quality("b", "a") == pytest.approx((0.62 - 0.05) / 0.95)
    assert RECORDED.hop_quality("a", "c") is None
    below = RecordedForecasts("auto", 0, {("a", "b"): {100: told(100, 0.04)}})
    assert 0 < (below.hop_quality("a", "b") or 0) < 1e-5


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"schema_version": 9, "graphs": {}}', '{"schema_version": 1, "graphs": {"g": 1}}',
     json.dumps({"schema_version": 1, "graphs": {"g": {"of": "state", "method": "m", "seed": 0, "paths": [{}]}}})],
)  # fmt: skip
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FORECASTS).write_text(content)
    with pytest.raises(StoreError, match="damaged") as caught:
        read_forecasts(tmp_path, "g", "state")
    assert caught.value.where == tmp_path / FORECASTS
    assert "delete it" in str(caught.value.hint)


def test_a_store_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="cannot be"):
        write_forecasts(tmp_path / "store", "g", "state", RECORDED)
