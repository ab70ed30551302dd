"""What a binder said before it was judged, beside what the test shows; and the means over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import anybind
from anybind.workflow.foretold import Foretold, foretold, mean_foretold

PAIR = ("a", "c")


def views(n: int, spaces: str, seed: int) -> dict[str, torch.Tensor]:
    maps = {s: np.random.default_rng(ord(s)).normal(size=(6, 12)) for s in "abc"}
    random = np.random.default_rng(seed)
    meaning = random.normal(size=(n, 6))
    rows = {s: meaning @ maps[s] + random.normal(size=(n, 12)) for s in spaces}
    return {s: torch.from_numpy(each).to(torch.float32) for s, each in rows.items()}


@pytest.fixture(scope="module")
def binder() -> anybind.Binder:
    data = {"d1": views(200, "ab", 1), "d2": views(200, "bc", 2)}
    return anybind.fit(data, method="cca-chain", options={"features": "identity"}, targets=[PAIR])


def test_everything_is_of_the_test_as_large_as_it_is(binder: anybind.Binder) -> None:
    test = views(80, "ac", 3)
    told = foretold(binder, test, PAIR)
    assert told.forecast == binder.forecast(*PAIR, gallery=80, queries=80).to_dict()
    last, first = told.recall_curve[-1], told.recall_curve[0]
    assert last["gallery"] == 80
    assert last["forecast"].items() <= told.forecast.items()
    assert last["mrr"] == pytest.approx(anybind.evaluate(binder, test, [PAIR], n_boot=0)[0].mrr)
    # smaller galleries are tested with the same queries
    assert first["forecast"].items() <= binder.forecast(*PAIR, gallery=first["gallery"], queries=80).to_dict().items()
    assert told.reliability is not None
    assert told.reliability["prior"] == 0.5
    assert told.reliability["ece"] < 0.15


def test_a_binder_that_said_nothing_is_still_judged(binder: anybind.Binder) -> None:
    mute = anybind.fit({"d": views(100, "ac", 4)}, method="cca-chain", options={"features": "identity"}, forecast=False)
    told = foretold(mute, views(30, "ac", 5), PAIR)
    assert (told.forecast, told.reliability) == (None, None)
    assert [point["forecast"] for point in told.recall_curve] == [None] * len(told.recall_curve)


def said(mrr: float, low: float, high: float) -> Foretold:
    forecast: dict[str, Any] = {"mrr": mrr, "mrr_interval": [low, high], "identification": [0.0, 1.0],
                                "recall": {"1": mrr / 2}, "path": ["a", "b", "c"]}  # fmt: skip
    return Foretold(forecast, [], None)


def test_over_seeds_numbers_are_means_and_the_rest_is_the_first_ones() -> None:
    found = mean_foretold([said(0.2, 0.1, 0.4), said(0.4, 0.3, 0.6)]).forecast
    assert found is not None
    assert found["mrr"] == pytest.approx(0.3)
    assert found["mrr_interval"] == pytest.approx([0.2, 0.5])
    assert found["recall"] == {"1": pytest.approx(0.15)}
    assert found["path"] == ["a", "b", "c"]
    assert mean_foretold([said(0.2, 0.1, 0.4), Foretold()]).forecast is None
