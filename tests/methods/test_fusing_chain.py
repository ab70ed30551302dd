"""fusing_chain: spaces of different quality fused by cca-chain, with holes, and after saving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import AnybindError, NoPathError, ShapeError, UsageError
from anybind.fit_data import FitData
from anybind.methods.cca_chain import CCAChain

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]
QUALITY = {"a": 0.5, "b": 0.85, "c": 0.85}
TARGET = ("a", "c")
ROUTES = {TARGET: [("a", "b", "c")]}


@pytest.fixture
def world(truth: Any) -> Any:
    return truth(1, dict.fromkeys("abc", 16), rank=8, reliability=QUALITY)


@pytest.fixture
def fitted(world: Any, fit_data: Make) -> CCAChain:
    data = fit_data({"d1": world.draw(500, ["a", "b"], 0), "d2": world.draw(500, ["b", "c"], 1)})
    return CCAChain(shrinkage=0.1, power=1.0).fit(data, targets=[TARGET], routes=ROUTES)


@pytest.fixture
def test_rows(world: Any, tensor: Tensor) -> dict[str, torch.Tensor]:
    return {space: tensor(rows) for space, rows in world.draw(300, list("abc"), 9).items()}


def mrr_of(method: CCAChain, rows: dict[str, torch.Tensor], plain_mrr: MRR, **present: Any) -> float:
    """Rows of c, found by what is shown of a and b."""
    shown = {space: rows[space] for space in present or "ab"}
    masks = {space: mask for space, mask in present.items() if isinstance(mask, torch.Tensor)}
    return plain_mrr(method.fuse(shown, masks) @ method.embed("c", rows["c"]).T)


def test_two_spaces_find_the_third_better_than_the_better_one(
    fitted: CCAChain, test_rows: dict[str, torch.Tensor], plain_mrr: MRR
) -> None:
    worse, better = (mrr_of(fitted, test_rows, plain_mrr, **{s: True}) for s in "ab")
    assert worse < better
    assert mrr_of(fitted, test_rows, plain_mrr) > better + 0.02


def test_the_better_space_counts_for_more(fitted: CCAChain) -> None:
    assert fitted.reliability is not None
    assert 0 < fitted.reliability["a"] < fitted.reliability["b"] - 0.1 < 0.9


def test_one_space_alone_is_its_embedding(fitted: CCAChain, test_rows: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(fitted.fuse({"a": test_rows["a"]}), fitted.embed("a", test_rows["a"]))


def test_a_row_counts_by_what_it_shows(fitted: CCAChain, test_rows: dict[str, torch.Tensor], plain_mrr: MRR) -> None:
    """Missing rows may hold anything; half of b is better than none, and worse than all of it."""
    half = torch.arange(300) % 2 == 0
    holes = test_rows | {"b": torch.where(half[:, None], test_rows["b"], torch.nan)}
    shown = {s: holes[s] for s in "ab"}
    found = fitted.fuse(shown, {"b": half})
    both, alone = fitted.fuse({s: test_rows[s] for s in "ab"}), fitted.embed("a", test_rows["a"])
    torch.testing.assert_close(found, torch.where(half[:, None], both, alone))
    low, middle, high = (
        mrr_of(fitted, rows, plain_mrr, **present)
        for rows, present in ((test_rows, {"a": True}), (holes, {"a": True, "b": half}), (test_rows, {}))
    )
    assert low < middle < high
    told = fitted.uncertainty(shown, {"b": half})
    assert told.unique().numel() == 2
    assert (told[half] < told[~half].min()).all()
    assert ((0 < told) & (told <= 1)).all()
    nothing = fitted.fuse({"a": test_rows["a"][:2]}, {"a": torch.zeros(2)})
    assert not nothing.any()
    assert fitted.uncertainty({"a": test_rows["a"][:2]}, {"a": torch.zeros(2)}).tolist() == [1, 1]


def test_a_space_of_noise_does_no_harm(world: Any, fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    random = np.random.default_rng(3)
    first = {"a": random.normal(size=(500, 16)), "b": world.draw(500, ["b"], 0)["b"]}
    data = fit_data({"d1": first, "d2": world.draw(500, ["b", "c"], 1)})
    fitted = CCAChain(shrinkage=0.1, power=1.0).fit(data, targets=[("b", "c"), TARGET], routes=ROUTES)
    rows = {s: tensor(x) for s, x in world.draw(300, ["b", "c"], 9).items()}
    rows["a"] = tensor(random.normal(size=(300, 16)))
    assert mrr_of(fitted, rows, plain_mrr) > mrr_of(fitted, rows, plain_mrr, b=True) - 0.01
    assert fitted.reliability is not None
    assert fitted.reliability["a"] < 0.1


def test_it_is_kept(fitted: CCAChain, test_rows: dict[str, torch.Tensor]) -> None:
    again = CCAChain.restore(fitted.config(), fitted.tensors())
    shown = {s: test_rows[s] for s in "ab"}
    torch.testing.assert_close(again.fuse(shown), fitted.fuse(shown))
    assert fitted.settled().reliability == fitted.reliability


def test_without_held_out_rows_only_one_space_can_be_told(world: Any, fit_data: Make, tensor: Tensor) -> None:
    """A binder saved before there were reliabilities has none either."""
    data = fit_data({"d1": world.draw(15, ["a", "b"], 0), "d2": world.draw(15, ["b", "c"], 1)})
    few = CCAChain(shrinkage=1.0, power=1.0).fit(data, targets=[TARGET], routes=ROUTES)
    config = few.config()
    del config["reliability"]
    rows = {s: tensor(x) for s, x in world.draw(3, ["a", "b"], 9).items()}
    for method in (few, CCAChain.restore(config, few.tensors())):
        torch.testing.assert_close(method.fuse({"a": rows["a"]}), method.embed("a", rows["a"]))
        for call in (lambda m: m.fuse(rows), lambda m: m.uncertainty({"a": rows["a"]})):
            with pytest.raises(UsageError, match="how reliable"):
                call(method)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: m.fuse({}), UsageError),
        (lambda m: m.fuse({"a": torch.zeros(2, 7)}), ShapeError),
        (lambda m: m.fuse({"a": torch.zeros(2, 16), "b": torch.zeros(3, 16)}), ShapeError),
        (lambda m: m.uncertainty({"a": torch.zeros(2, 16)}, {"b": torch.ones(2)}), UsageError),
        (lambda m: m.fuse({"e": torch.zeros(2, 16)}), NoPathError),
    ],
)
def test_what_does_not_fit_is_refused(fitted: CCAChain, call: Any, error: type[AnybindError]) -> None:
    with pytest.raises(error):
        call(fitted)
