"""pcca with two readings of the pivot: what they share says how reliable it is, and the bridge gets better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.fit_data import FitData
from anybind.methods.pcca import PCCA

Array = NDArray[np.float64]
Rows = dict[str, Array]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]


def captioned(truth: Any, seed: int) -> Any:
    """A world in which the pivot is far noisier than what it joins; b2 is another caption, through the same encoder."""
    world = truth(seed, dict.fromkeys("abc", 12), rank=6, reliability={"a": 0.95, "b": 0.4, "c": 0.95})
    for part in (world.loadings, world.noise, world.means):
        part["b2"] = part["b"]
    return world


def pivot_reliability(fitted: PCCA) -> float:
    """Mean squared correlation of what z tells of the pivot with the pivot, over the latent directions."""
    told = torch.linalg.eigvalsh(fitted.spaces["b"].precision)
    return float((told / (1 + told)).mean())


@pytest.mark.parametrize("seed", range(2))
def test_several_captions_of_an_item_tell_the_pivots_reliability(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any, seed: int
) -> None:
    world = captioned(truth, seed)
    twice = {"d1": world.draw(1500, ["a", "b", "b2"], 1), "d2": world.draw(1500, ["b", "c"], 2)}
    once = {"d1": {s: twice["d1"][s] for s in "ab"}, "d2": twice["d2"]}
    test = {s: tensor(x) for s, x in world.draw(300, ["a", "c"], 3).items()}
    guessed, known = (PCCA(rank=6, shrinkage=0.3, similarity="llr").fit(fit_data(d)) for d in (once, twice))
    assert abs(pivot_reliability(known) - 0.4) < 0.1 < 0.15 < abs(pivot_reliability(guessed) - 0.4)

    def mrr(fitted: PCCA) -> float:
        return float(plain_mrr(fitted.score("a", test["a"], "c", test["c"])))

    assert mrr(known) > 1.1 * mrr(guessed)


class Texts:
    """Texts that two encoders read: what they say of the item, and as much again of their own wording."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.maps = {s: random.normal(size=(12 if s[0] == "b" else 6, 20)) for s in ("a", "b", "b2", "c")}

    def draw(self, n: int, spaces: list[str], seed: int) -> Rows:
        random = np.random.default_rng(seed)
        item, wording = random.normal(size=(n, 6)), 1.5 * random.normal(size=(n, 6))
        rows = {}
        for s in spaces:
            seen = np.hstack([item, wording]) if s[0] == "b" else item
            rows[s] = seen @ self.maps[s] + (0.5 if s[0] == "b" else 1.5) * random.normal(size=(n, 20))
        return rows


@pytest.mark.parametrize("seed", range(2))
def test_two_encoders_of_one_text_do_no_harm(
    fit_data: Make, tensor: Tensor, plain_mrr: Any, seed: int
) -> None:
    """They share the wording too, which finds the text again but no picture; the rank leaves room for both."""
    texts = Texts(seed)
    both = {"d1": texts.draw(1000, ["a", "b", "b2"], 10), "d2": texts.draw(1000, ["b", "b2", "c"], 20)}
    one = {"d1": {s: both["d1"][s] for s in "ab"}, "d2": {s: both["d2"][s] for s in "bc"}}
    test = {s: tensor(x) for s, x in texts.draw(300, ["a", "c"], 30).items()}

    def mrr(datasets: dict[str, Rows]) -> float:
        fitted = PCCA(shrinkage=1.0).fit(fit_data(datasets))
        return float(plain_mrr(fitted.score("a", test["a"], "c", test["c"])))

    assert mrr(both) > mrr(one) - 0.01
