"""fixed-anchor: which anchor, what is trained through it, and what a frozen one keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import NoPathError, UnknownNameError
from anybind.fit_data import FitData
from anybind.methods.fixed_anchor import AnchorContrast, FixedAnchor, Setting, chosen_anchor
from anybind.methods.joined import connected_parts
from anybind.methods.trained import pair_loss
from anybind.objectives.info_nce import info_nce
from anybind.training.step import Step

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
SMALL: dict[str, Any] = {"joint_dim": 8, "epochs": 8, "batch_size": 64, "learning_rate": 0.01}
GOOD = {**SMALL, "joint_dim": 32, "epochs": 30, "learning_rate": 0.03, "noise": 0.3, "temperature": 0.2}


def setting(data: FitData, *route: str) -> Setting:
    targets = [(route[0], route[-1])] if route else []
    return Setting(data, connected_parts(data.moments), targets, {target: [route] for target in targets}, 0)


def drawn(truth: Any, **datasets: tuple[int, str]) -> dict[str, dict[str, Array]]:
    model = truth(0, dict.fromkeys("abcd", 6), rank=3, reliability=0.8)
    return {name: model.draw(n, [*spaces], i) for i, (name, (n, spaces)) in enumerate(datasets.items())}


def test_the_anchor_is_the_space_that_meets_most_others(fit_data: Make, truth: Any) -> None:
    data = fit_data(drawn(truth, d1=(30, "ac"), d2=(30, "bc"), d3=(40, "cd"), d4=(99, "ab")))
    assert chosen_anchor(setting(data)) == "c"
    assert chosen_anchor(setting(data, "a", "b")) == "c"


def test_among_equals_the_route_decides_then_the_rows(fit_data: Make, truth: Any) -> None:
    loop = fit_data(drawn(truth, d1=(30, "ab"), d2=(30, "bc"), d3=(40, "cd"), d4=(60, "ad")))
    assert chosen_anchor(setting(loop)) == "d"
    assert chosen_anchor(setting(loop, "a", "b", "c")) == "b"
    pair = fit_data(drawn(truth, d1=(30, "ab")))
    assert chosen_anchor(setting(pair)) == "a", "ties go by name"


def test_the_chosen_anchor_is_saved(fit_data: Make, truth: Any) -> None:
    data = fit_data(drawn(truth, d1=(40, "ab"), d2=(40, "bc")))
    fitted = FixedAnchor(**{**SMALL, "epochs": 1}).fit(data)
    assert fitted.anchor == fitted.config()["anchor"] == "b"
    assert FixedAnchor.restore(json.loads(json.dumps(fitted.config())), fitted.tensors()).anchor == "b"


def test_an_anchor_that_is_no_space_is_refused(fit_data: Make, truth: Any) -> None:
    rows = {**drawn(truth, d1=(40, "ab")), "alone": {"e": np.random.default_rng(0).normal(size=(9, 3))}}
    for wrong in ("image", "e"):
        with pytest.raises(UnknownNameError) as error:
            FixedAnchor(anchor=wrong).fit(fit_data(rows))
        assert "auto, a, b" in str(error.value.expected)


def test_spaces_beyond_the_anchor_have_no_place(fit_data: Make, truth: Any, tensor: Tensor) -> None:
    rows = drawn(truth, d1=(40, "ab"), d2=(40, "bc"), d3=(30, "cd"))
    fitted = FixedAnchor(**{**SMALL, "epochs": 1}, anchor="b").fit(fit_data(rows))
    assert fitted.score("a", tensor(rows["d1"]["a"]), "c", tensor(rows["d2"]["c"])).shape == (40, 40)
    with pytest.raises(NoPathError) as error:
        fitted.score("c", tensor(rows["d3"]["c"]), "d", tensor(rows["d3"]["d"]))
    assert "'d'" in str(error.value.where)


def test_the_loss_sees_pairs_with_the_anchor_only() -> None:
    def unit(seed: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)), dim=1)

    rows = {s: unit(i) for i, s in enumerate("abc")}
    full = {s: torch.ones(8, dtype=torch.bool) for s in "abc"}
    step = Step({"d": rows}, {"d": full}, {}, {s: torch.tensor(10.0) for s in "abc"}, 0, 1)
    found = AnchorContrast("b", pair_loss("softmax"))(step)["contrast"]
    expected = (info_nce(rows["a"], rows["b"], 10.0) + info_nce(rows["b"], rows["c"], 10.0)) / 2
    torch.testing.assert_close(found, expected)


def test_a_frozen_anchor_keeps_its_cosines(fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any) -> None:
    rows = drawn(truth, d1=(400, "ab"), d2=(400, "bc"))
    fitted = FixedAnchor(**SMALL, anchor="b", freeze_anchor=True).fit(fit_data(rows))
    x = tensor(rows["d1"]["b"][:50])
    joint = fitted.embed("b", x)
    centred = torch.nn.functional.normalize(x.double() - fitted.tensors()["b/mean"], dim=1).float()
    torch.testing.assert_close(joint @ joint.T, centred @ centred.T, atol=1e-5, rtol=0)
    assert plain_mrr(fitted.score("a", tensor(rows["d1"]["a"][:50]), "b", x)) > 0.2, "the others come to it"


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_both_losses_learn(loss: str, fit_data: Make, chain: Any, tensor: Tensor, plain_mrr: Any) -> None:
    model, rows = chain
    test = model.draw(100, ["a", "c"], 3)
    fitted = FixedAnchor(**GOOD, loss=loss).fit(fit_data(rows))
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))) > 0.11, "chance is 0.05"
