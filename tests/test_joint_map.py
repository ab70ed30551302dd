"""What is exported of a binder must be what the binder does, for every method and every kind of input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hidden_items import Fits, views_of

import anybind
from anybind.errors import NoPathError, UnknownNameError, UsageError
from anybind.joint_map import inner_product, joint_steps
from anybind.steps import SideBySide, run

KERNEL = {"features": "nystroem", "landmarks": 40, "width": 1.0}
TRAINED = {"epochs": 2, "joint_dim": 5, "batch_size": 64}
FITS: list[tuple[str, dict[str, Any]]] = [
    ("pcca", {"features": "identity"}),
    ("pcca", {"features": "identity", "similarity": "llr"}),
    ("pcca", KERNEL),
    ("pcca", {**KERNEL, "kernel": "laplacian"}),
    ("pcca", {"features": "fourier", "feature_dims": 30, "width": 1.0}),
    ("cca-chain", {"features": "identity"}),
    ("ridge-chain", {}),
    ("mox-closed-form", {}),
    ("procrustes", {}),
    ("pivot", {}),
    ("relative", {}),
    ("centrobind", {**TRAINED, "head": "linear"}),
    ("mox", {**TRAINED, "head": "mlp"}),
    ("auto", {"features": "identity", "combine": "average", "tolerance": 1.0}),
    ("auto", {"features": "identity"}),
    ("auto", {"features": "identity", "methods": ["pcca", "relative"], "combine": "average", "tolerance": 1.0}),
]


@pytest.fixture(scope="module")
def fitted() -> Fits:
    return Fits()


@pytest.mark.parametrize(("method", "options"), FITS)
def test_the_steps_are_embed(fitted: Any, method: str, options: dict[str, Any]) -> None:
    binder, rows = fitted(method, **options), views_of(30, 2)
    for space in "ac":
        found = run(joint_steps(binder, space), rows[space])
        expected = binder.embed(space, rows[space])
        assert found.shape == expected.shape
        torch.testing.assert_close(found.to(torch.float32), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("method", "options"), FITS)
def test_the_inner_product_is_score(fitted: Any, method: str, options: dict[str, Any]) -> None:
    binder, rows = fitted(method, **options), views_of(30, 2)
    product = inner_product(binder, "a", "c")
    left, right = product.left(rows["a"]), product.right(rows["c"])
    assert left.dtype == right.dtype == torch.float32
    expected = binder.score("a", rows["a"], "c", rows["c"])
    torch.testing.assert_close(left @ right.T, expected, rtol=1e-4, atol=1e-4)
    back = inner_product(binder, "c", "a")
    torch.testing.assert_close(back.left(rows["c"]) @ back.right(rows["a"]).T, expected.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["relative", "pivot", "ridge-chain"])
def test_a_pair_that_is_compared_in_two_places(method: str) -> None:
    rows, asked = views_of(120, 1), views_of(20, 2)
    binder = anybind.fit({"d1": {s: rows[s] for s in "ab"}}, method=method, targets=[("a", "b")])
    product = inner_product(binder, "a", "b")
    expected = binder.score("a", asked["a"], "b", asked["b"])
    assert product.left(asked["a"]).shape[1] > max(rows[s].shape[1] for s in "ab")
    torch.testing.assert_close(product.left(asked["a"]) @ product.right(asked["b"]).T, expected, rtol=1e-4, atol=1e-4)


def test_an_average_stays_an_average(fitted: Any) -> None:
    """Else the cases above would have shown nothing of several methods side by side."""
    several = fitted("auto", features="identity", combine="average", tolerance=1.0)
    assert isinstance(joint_steps(several, "a")[-1], SideBySide)
    alone = fitted("auto", features="identity")
    assert not isinstance(joint_steps(alone, "a")[-1], SideBySide)


def test_spaces_must_exist_and_be_joined() -> None:
    rows = views_of(200, 1)
    data = {"d1": {s: rows[s][:100] for s in "ab"}, "d2": {"c": rows["c"][100:]}}
    binder = anybind.fit(data, method="pcca", options={"features": "identity", "rank": 2})
    with pytest.raises(UnknownNameError):
        joint_steps(binder, "d")
    with pytest.raises(NoPathError):
        joint_steps(binder, "c")
    with pytest.raises(NoPathError):
        inner_product(binder, "a", "c")


def test_a_method_of_a_plugin_may_not_tell(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    binder = fitted("pcca", features="identity")
    monkeypatch.setattr(binder, "_method", object())
    for ask in (lambda: joint_steps(binder, "a"), lambda: inner_product(binder, "a", "c")):
        with pytest.raises(UsageError, match="'pcca' cannot be exported"):
            ask()
