"""partial_fit of the closed forms that leave a chain behind: which choices are taken over, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anybind.errors import UsageError
from anybind.fit_data import FitData
from anybind.methods.auto import Auto
from anybind.methods.cca_chain import CCAChain
from anybind.methods.chain import Chain
from anybind.methods.mox_closed_form import MoxClosedForm
from anybind.methods.pivot import Pivot
from anybind.methods.procrustes import Procrustes
from anybind.methods.ridge_chain import RidgeChain

Make = Callable[..., FitData]
METHODS: list[Any] = [RidgeChain(), MoxClosedForm(), CCAChain(features="identity"), Procrustes(features="identity"),
                      Pivot(features="identity")]  # fmt: skip
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)


@pytest.fixture(scope="module")
def datasets() -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(0)
    views = {s: random.normal(size=(4, 8)) for s in "abc"}

    def draw(spaces: str) -> dict[str, Any]:
        meaning = random.normal(size=(150, 4))
        return {s: meaning @ views[s] + 0.5 * random.normal(size=(150, 8)) for s in spaces}

    return {"d1": draw("ab"), "d2": draw("bc")}


@every_method
def test_on_its_own_moments_it_is_the_fit_it_was(fit_data: Make, datasets: Any, method: Any) -> None:
    data = fit_data(datasets)
    fitted = method.fit(data, targets=[("a", "c")])
    again = fitted.partial_fit(data.moments, targets=[("a", "c")])
    assert again.config() == fitted.config()
    for name, tensor in fitted.tensors().items():
        torch.testing.assert_close(again.tensors()[name], tensor, rtol=1e-9, atol=1e-12)


@every_method
def test_it_goes_on_from_a_fit_only(fit_data: Make, datasets: Any, method: Any) -> None:
    for unfitted in (method, Auto()):
        with pytest.raises(UsageError, match="no fit to go on from"):
            unfitted.partial_fit(fit_data(datasets).moments)


@every_method
def test_a_fit_after_a_fit_chooses_anew(fit_data: Make, datasets: Any, method: Any) -> None:
    """Only ``settled`` and ``partial_fit`` take over choices."""
    noise = {name: {s: np.random.default_rng(1).normal(size=x.shape) for s, x in rows.items()}
             for name, rows in datasets.items()}  # fmt: skip
    data, other = fit_data(datasets), fit_data(noise)
    told = {"targets": [("a", "c")]}
    anew = method.fit(data, **told).fit(other, **told)
    assert anew.chosen == method.fit(other, **told).chosen
    assert method.fit(data, **told).settled().fit(other, **told).chosen == method.fit(data, **told).chosen


CHAIN = Chain("b")


@pytest.mark.parametrize(
    ("chosen", "name", "expected"),
    [
        ({"a to b": 0.3, "b to a": 3.0}, "b to a", 3.0),
        ({"a to b": 0.3, "b to a": 3.0, "b to c": 10.0}, "c to b", 3.0),
        ({"a to b": 0.3, "b to a": 3.0}, "c to b", 0.3),  # the lower of two
        ({"ridge a to b": 0.3, "whitening b": 9.0}, "whitening c", 9.0),
        ({"ridge a to b": 0.3, "whitening b": 9.0}, "ridge b to c", 0.3),
        ({"shrinkage a to b": 0.3, "rank a to b": 8}, "rank b to c", 8),
        ({"a to b": 0.3, "power": 2.0}, "power", 2.0),
        ({"a to b": 0.3, "power": 2.0}, "b to c", 0.3),
        ({"head a to b": 0.3}, "transition b to c", "auto"),
        ({"a to b": 0.0}, "a to b", 0.0),
        ({}, "a to b", "auto"),
    ],
)
def test_what_is_given(chosen: Any, name: str, expected: Any) -> None:
    fitted = RidgeChain(chain=CHAIN, chosen=chosen)
    assert fitted.settled().given(name, "auto") == expected
    assert fitted.settled().given(name, 7.0) == 7.0
    assert fitted.given(name, "auto") == "auto"


def test_a_head_between_neighbours_tells_the_ridge_of_its_transition(fit_data: Make, datasets: Any) -> None:
    first, both = fit_data({"d1": datasets["d1"]}), fit_data(datasets)
    before = MoxClosedForm().fit(first)
    grown = before.partial_fit(both.moments, targets=[("a", "c")])
    assert before.chosen is not None
    assert grown.chosen is not None
    assert grown.chosen["transition b to a"] == before.chosen["head b to a"]
