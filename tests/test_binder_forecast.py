"""Forecasts of a binder: made by a fit, saved with it, told in its card, and absent where nothing can be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anybind
from anybind.artifact import CONFIG, FORECAST
from anybind.errors import ArtifactError, NoPathError, UnknownNameError, UsageError

PLAIN: dict[str, Any] = {"features": "identity"}
PAIRS = [("a", "c"), ("a", "b")]


def views(n: int, spaces: str, seed: int, *, blind: bool = False) -> dict[str, np.ndarray]:
    """Rows of one meaning; a blind pivot shares one half of it with a, the other with c."""
    shared = np.random.default_rng(7)
    maps = {s: shared.normal(size=(8, 16)) for s in "abc"}
    random = np.random.default_rng(seed)
    meaning = random.normal(size=(n, 8))
    if blind:
        maps["a"][4:], maps["c"][:4] = 0, 0
    return {s: meaning @ maps[s] + random.normal(size=(n, 16)) for s in spaces}


def fitted(n: int = 300, **told: Any) -> anybind.Binder:
    blind = told.pop("blind", False)
    data = {"d1": views(n, "ab", 1, blind=blind), "d2": views(n, "bc", 2, blind=blind)}
    return anybind.fit(data, **{"method": "cca-chain", "options": PLAIN, "targets": PAIRS, **told})


@pytest.fixture(scope="module")
def binder() -> anybind.Binder:
    return fitted()


@pytest.mark.parametrize("pair", ["ab", "ac"])
def test_what_is_forecast_is_about_what_true_pairs_show(binder: anybind.Binder, pair: str) -> None:
    (truth,) = anybind.evaluate(binder, views(400, pair, 3), [(pair[0], pair[1])], n_boot=0)
    found = binder.forecast(*pair, gallery=400)
    assert found.direct is (pair == "ab")
    assert found.mrr_interval[0] <= truth.mrr <= found.mrr_interval[1]
    assert 0.7 < found.mrr / truth.mrr < 1.3
    assert found.recall[10] == pytest.approx(truth.recall[10], abs=0.15)


def test_nothing_is_promised_over_a_pivot_that_is_blind_to_what_the_ends_share() -> None:
    """a and c hold different halves of the meaning: each hop binds, the bridge cannot."""
    found = fitted(blind=True).forecast("a", "c", gallery=200)
    assert found.mrr_interval[0] <= 2 * found.chance
    assert found.mrr < 4 * found.chance
    hop = fitted(blind=True).forecast("a", "b", gallery=200)
    assert hop.mrr > 10 * hop.chance


def test_either_space_may_be_named_first_and_larger_galleries_are_harder(binder: anybind.Binder) -> None:
    assert binder.forecast("c", "a") == binder.forecast("a", "c")
    mrr = [binder.forecast("a", "c", gallery=n).mrr for n in (10, 100, 1000, 1_000_000)]
    assert mrr == sorted(mrr, reverse=True)


def test_it_is_saved_with_the_binder_and_told_in_its_card(binder: anybind.Binder, tmp_path: Path) -> None:
    folder = binder.save_pretrained(tmp_path / "b")
    again = anybind.Binder.from_pretrained(folder)
    old = binder.forecast("a", "c", gallery=100)
    assert again.forecast("a", "c", gallery=100) == old
    card = (folder / "README.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith("| a – c | 100 |"))
    assert f"| {old.mrr:.3f} |" in row
    assert f"{old.mrr_interval[0]:.3f} – {old.mrr_interval[1]:.3f}" in row
    assert "## What to expect" in card
    assert old.assumptions in card
    assert again.save_pretrained(tmp_path / "again").joinpath(FORECAST).read_bytes() == (folder / FORECAST).read_bytes()


@pytest.mark.parametrize(
    "damage",
    [lambda known: known | {"schema_version": 9}, lambda known: known | {"pairs": 3},
     lambda known: known | {"pairs": [known["pairs"][0] | {"pair": ["a", "z"]}]}, lambda _: []],
)  # fmt: skip
def test_a_damaged_forecast_is_refused(binder: anybind.Binder, tmp_path: Path, damage: Any) -> None:
    import hashlib

    folder = binder.save_pretrained(tmp_path / "b")
    text = json.dumps(damage(json.loads((folder / FORECAST).read_text())))
    (folder / FORECAST).write_text(text)
    config = json.loads((folder / CONFIG).read_text())
    config["files"][FORECAST] = hashlib.sha256(text.encode()).hexdigest()
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="forecast") as caught:
        anybind.Binder.from_pretrained(folder)
    assert caught.value.where == folder / FORECAST


def test_too_few_rows_leave_a_binder_without_a_forecast() -> None:
    few = fitted(8, options={**PLAIN, "shrinkage": 1.0, "power": 1.0})
    assert few.basis is None
    with pytest.raises(UsageError, match="no forecast"):
        few.forecast("a", "c")


def test_a_trained_method_looks_only_when_asked() -> None:
    options = {"epochs": 2, "head": "linear", "joint_dim": 4}
    assert fitted(60, method="centrobind", options=options).basis is None
    assert fitted(60, method="centrobind", options=options, forecast=True).forecast("a", "b").direct


def test_what_cannot_be_told_is_refused(binder: anybind.Binder) -> None:
    with pytest.raises(UnknownNameError):
        binder.forecast("a", "z")
    with pytest.raises(NoPathError, match="no forecast for this pair"):
        binder.forecast("a", "a")
    for gallery in (1, 2.5, True):
        with pytest.raises(UsageError, match="whole number"):
            binder.forecast("a", "c", gallery=gallery)  # type: ignore[arg-type]
    assert fitted(forecast=False).basis is None


def test_data_that_is_added_later_leaves_no_forecast_of_before() -> None:
    grown = fitted(keep_moments=True).partial_fit({"d3": views(100, "ac", 5)})
    assert grown.basis is None
