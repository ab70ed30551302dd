"""all-pairs: it learns from every pair that a row shows, along chains of any length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anybind.fit_data import FitData
from anybind.methods.all_pairs import AllPairs, PairContrast
from anybind.methods.fixed_anchor import FixedAnchor
from anybind.methods.trained import pair_loss
from anybind.objectives.info_nce import info_nce
from anybind.training.step import Step

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
GOOD: dict[str, Any] = {
    "joint_dim": 32, "epochs": 30, "batch_size": 64, "learning_rate": 0.03, "noise": 0.3, "temperature": 0.2
}  # fmt: skip


def test_the_loss_is_the_mean_of_all_pairs_that_rows_show() -> None:
    def unit(seed: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)), dim=1)

    rows = {s: unit(i) for i, s in enumerate("abc")}
    full = {s: torch.ones(8, dtype=torch.bool) for s in "abc"}
    step = Step({"d": rows}, {"d": full}, {}, {s: torch.tensor(10.0) for s in "abc"}, 0, 1)
    expected = sum(info_nce(rows[a], rows[b], 10.0) for a, b in ("ab", "ac", "bc")) / 3
    torch.testing.assert_close(PairContrast(pair_loss("softmax"))(step)["contrast"], expected)


def test_a_chain_of_three_data_sets_is_joined(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    model = truth(0, dict.fromkeys("abcd", 7), rank=3, reliability=0.85)
    rows = {name: model.draw(400, [*name], i) for i, name in enumerate(("ab", "bc", "cd"))}
    fitted = AllPairs(**GOOD).fit(fit_data(rows))
    test = model.draw(100, ["a", "d"], 9)
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "d", tensor(test["d"]))) > 0.15, "chance is 0.05"


def test_pairs_without_the_anchor_are_learnt_from(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    """A poor anchor: what b does not show of a and c, only the pairs (a, c) can tell."""
    model = truth(1, {"a": 8, "b": 8, "c": 8}, rank=4, reliability={"a": 0.9, "b": 0.05, "c": 0.9})
    data = fit_data({"d": model.draw(300, ["a", "b", "c"], 0)})
    test = model.draw(100, ["a", "c"], 1)
    quality = [
        plain_mrr(method.fit(data).score("a", tensor(test["a"]), "c", tensor(test["c"])))
        for method in (AllPairs(**GOOD), FixedAnchor(**GOOD, anchor="b"))
    ]
    assert quality[0] > 1.5 * quality[1]
