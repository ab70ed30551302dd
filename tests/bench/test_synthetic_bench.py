"""bench/synthetic.py: what stands in its tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anybind

Bench = Callable[[str], Any]
SETTING = {"ridge": 0.1, "features": "identity"}


@pytest.fixture
def synthetic(bench: Bench) -> Any:
    return bench("synthetic")


def test_numbers_are_those_of_the_public_interface(synthetic: Any) -> None:
    """The oracle is the first method on true pairs, and rows are tested as they are."""
    methods = {"ridge": ("ridge-chain", SETTING)}
    found = synthetic.run(synthetic.Setting(150, 2, 0.5), first=3, methods=methods)
    for world, ours, oracle in zip(
        (3, 4), found["training means"]["ridge"], found["training means"][synthetic.ORACLE], strict=True
    ):
        place = synthetic.World(world)
        for train, expected in ((place.data_sets(150), ours), (place.true_pairs(150), oracle)):
            binder = anybind.fit(train, method="ridge-chain", options=SETTING, targets=[("a", "c")], normalise=False)
            (result,) = anybind.evaluate(binder, place.test(500), pairs=[("a", "c")], n_boot=0)
            assert result.mrr == pytest.approx(expected, abs=1e-9)
    assert found["query batch"][synthetic.CHANCE][0] == pytest.approx(np.mean(1 / np.arange(1, 501)))


def test_a_query_batch_undoes_any_shift_of_the_test_rows(synthetic: Any) -> None:
    place = synthetic.World(0)
    train, test = place.data_sets(150), place.test(500)
    shifted = {space: rows + np.float32(0.05) for space, rows in test.items()}
    for method, options in (("ridge-chain", SETTING), ("pcca", {"features": "identity", "rank": 8, "shrinkage": 0.1})):
        before, after = (synthetic.mrrs(place, train, rows, method, options) for rows in (test, shifted))
        assert after["query batch"] == pytest.approx(before["query batch"], abs=0.003)
        assert before["query batch"] > before["training means"]


def test_tables_show_shares_and_paired_differences(
    synthetic: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "HARD", {"other": 0.60})
    mrr = {"best": [0.5, 0.7], "other": [0.4, 0.5], synthetic.ORACLE: [0.8, 0.8], synthetic.CHANCE: [0.01, 0.01]}
    monkeypatch.setattr(synthetic, "run", lambda setting, worlds: dict.fromkeys(synthetic.MODES, mrr))
    monkeypatch.setattr(sys, "argv", ["synthetic.py", "--settings", "n = 200", "n = 5k"])
    synthetic.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed.count("| best | 0.75 | 0.75 |") == 2
    assert f"| {synthetic.ORACLE}, MRR | 80.0 | 80.0 |" in printed
    assert "| aimed at | 0.80 | 0.92 |" in printed
    assert "| other | +15.0 [-48.5, +78.5] | +15.0 [-48.5, +78.5] |" in printed  # t(1) = 12.706, sd 7.07


def test_a_world_that_is_too_easy_is_no_benchmark(synthetic: Any) -> None:
    mrr = {label: [limit * 0.9] for label, limit in synthetic.HARD.items()} | {synthetic.ORACLE: [0.9]}
    found = dict.fromkeys(synthetic.MODES, mrr)
    synthetic.require_hard(found)
    for label in synthetic.HARD:
        easier = {**mrr, label: [synthetic.HARD[label] * 0.91]}
        with pytest.raises(SystemExit, match=f"too easy: {label} reaches"):
            synthetic.require_hard(dict.fromkeys(synthetic.MODES, easier))
