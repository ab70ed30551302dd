"""``Binder.impute``, ``fuse`` and ``uncertainty`` through the public door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anybind

Rows = dict[str, np.ndarray]
LATENT = {"rank": 3, "shrinkage": 0.1, "features": "identity"}


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    random = np.random.default_rng(0)
    views = {s: random.normal(size=(3, d)) for s, d in (("a", 8), ("b", 7), ("c", 6))}

    def draw(n: int, spaces: str) -> Rows:
        meaning = random.normal(size=(n, 3))
        return {s: meaning @ views[s] + 0.3 * random.normal(size=(n, len(views[s][0]))) for s in spaces}

    return {"train": {"d1": draw(500, "ab"), "d2": draw(500, "bc")}, "test": draw(400, "abc")}


@pytest.fixture(scope="module")
def binder(world: dict[str, Any]) -> anybind.Binder:
    return anybind.fit(world["train"], method="pcca", options=LATENT, normalise=False)


def test_what_is_imputed_is_near_the_truth_as_often_as_its_variance_says(
    binder: anybind.Binder, world: dict[str, Any]
) -> None:
    test = world["test"]
    found = binder.impute("c", {"a": test["a"]})
    assert found.mean.shape == found.variance.shape == test["c"].shape
    error = found.mean.numpy() - test["c"]
    assert (error**2).mean() < 0.5 * test["c"].var(0).mean()
    inside = np.abs(error) < 1.645 * np.sqrt(found.variance.numpy())
    assert 0.85 < inside.mean() < 0.96
    more = binder.impute("c", {"a": test["a"], "b": test["b"]})
    assert ((more.mean.numpy() - test["c"]) ** 2).mean() < (error**2).mean()


def test_two_spaces_together_find_more_than_either(binder: anybind.Binder, world: dict[str, Any]) -> None:
    test = world["test"]
    goal = torch.nn.functional.normalize(binder.embed("c", test["c"]), dim=1)

    def mrr(joint: torch.Tensor) -> float:
        table = torch.nn.functional.normalize(joint, dim=1) @ goal.T
        return float((1 / (1 + (table > table.diagonal()[:, None]).sum(1))).mean())

    alone = max(mrr(binder.fuse({s: test[s]})) for s in "ab")
    assert mrr(binder.fuse({s: test[s] for s in "ab"})) > alone
    torch.testing.assert_close(binder.fuse({"a": test["a"]}), binder.embed("a", test["a"]), rtol=1e-4, atol=1e-5)


def test_rows_with_holes_count_by_what_they_show(binder: anybind.Binder, world: dict[str, Any]) -> None:
    test = {s: world["test"][s][:4] for s in "ab"}
    has_b = [True, False, True, False]
    told = binder.uncertainty(test, present={"b": has_b})
    alone, both = binder.uncertainty({"a": test["a"]}), binder.uncertainty(test)
    torch.testing.assert_close(told, torch.where(torch.tensor(has_b), both, alone))
    assert (both < alone).all()


def test_a_row_that_shows_the_goal_stays(binder: anybind.Binder, world: dict[str, Any]) -> None:
    rows = {s: world["test"][s][:3] for s in "ac"}
    found = binder.impute("c", rows, present={"c": [True, False, True]})
    np.testing.assert_allclose(found.mean[[0, 2]], rows["c"][[0, 2]], rtol=1e-5)
    assert (found.variance[[0, 2]] == 0).all()
    assert (found.variance[1] > 0).all()


def test_vectors_come_back_from_kernel_features(world: dict[str, Any], tmp_path: Path) -> None:
    """Of unit length, nearer to the truth than the mean is, and the same after saving."""
    options = {**LATENT, "features": "nystroem", "width": 0.1}
    binder = anybind.fit(world["train"], method="pcca", options=options)
    found = binder.impute("c", {"a": world["test"]["a"]})
    truth = torch.nn.functional.normalize(torch.tensor(world["test"]["c"]), dim=1)
    assert (found.mean - truth).square().mean() < 0.6 * truth.var(0).mean()
    assert (found.variance > 0).all()
    again = anybind.Binder.from_pretrained(binder.save_pretrained(tmp_path / "saved"))
    assert torch.equal(again.impute("c", {"a": world["test"]["a"]}).mean, found.mean)


def test_a_method_without_a_model_of_rows_says_so(world: dict[str, Any]) -> None:
    binder = anybind.fit(world["train"], method="ridge-chain", options={"ridge": 0.1})
    with pytest.raises(anybind.UsageError, match="cannot impute") as caught:
        binder.impute("c", {"a": world["test"]["a"]})
    assert "pcca" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("space", "rows", "error"),
    [("z", "a", anybind.UnknownNameError), ("c", "z", anybind.UnknownNameError), ("c", "", anybind.UsageError)],
)
def test_wrong_names_are_told(
    binder: anybind.Binder, world: dict[str, Any], space: str, rows: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        binder.impute(space, dict.fromkeys(rows, world["test"]["a"]))


def test_rows_of_different_length_are_refused(binder: anybind.Binder, world: dict[str, Any]) -> None:
    with pytest.raises(anybind.ShapeError):
        binder.fuse({"a": world["test"]["a"][:3], "b": world["test"]["b"][:4]})


def test_missing_rows_may_hold_anything(binder: anybind.Binder, world: dict[str, Any]) -> None:
    rows = {s: world["test"][s][:3].copy() for s in "ab"}
    expected = binder.fuse({s: v[:1] for s, v in rows.items()})
    rows["b"][1:] = np.nan
    found = binder.fuse(rows, present={"b": [True, False, False]})
    torch.testing.assert_close(found[:1], expected)
    with pytest.raises(anybind.DataError, match="NaN"):
        binder.fuse(rows)


@pytest.mark.parametrize("features", ["identity", "nystroem"])
def test_a_row_that_is_there_comes_back_as_the_method_was_given_it(world: dict[str, Any], features: str) -> None:
    """Of unit length, whatever features are made of it."""
    options = {**LATENT, "features": features, "width": 0.1}
    binder = anybind.fit(world["train"], method="pcca", options=options)
    rows = {s: world["test"][s][:3] for s in "ac"}
    found = binder.impute("c", rows, present={"c": [True, False, True]})
    unit = rows["c"] / np.linalg.norm(rows["c"], axis=1, keepdims=True)
    np.testing.assert_allclose(found.mean[[0, 2]], unit[[0, 2]], rtol=1e-5, atol=1e-6)
    assert (found.variance[[0, 2]] == 0).all()
    assert not np.allclose(found.mean[1], unit[1], atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "present", "error"),
    [
        (np.ones((3, 8)), None, anybind.UsageError),
        ({"a": np.ones((3, 8))}, {"q": [True] * 3}, anybind.UnknownNameError),
        ({"a": np.ones((3, 8))}, {"a": ["x", "y", "z"]}, anybind.ShapeError),
        ({"a": np.ones((3, 8))}, {"a": [True] * 2}, anybind.ShapeError),
        ({"a": np.ones((3, 8))}, [True] * 3, anybind.UsageError),
        ({"a": np.ones((3, 9))}, None, anybind.ShapeError),
        ({"a": [["x"] * 8]}, None, anybind.DataError),
    ],
)
def test_rows_and_masks_that_do_not_fit_are_told(
    binder: anybind.Binder, rows: Any, present: Any, error: type[Exception]
) -> None:
    for verb in (binder.fuse, binder.uncertainty, lambda *a, **k: binder.impute("c", *a, **k)):
        with pytest.raises(error):
            verb(rows, present=present)
