"""centrobind: the centroid's options, the bound by pairwise losses, holes, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import UnknownNameError, UsageError
from anybind.fit_data import FitData
from anybind.methods.centrobind import CentroBind, CentroidContrast
from anybind.methods.fixed_anchor import FixedAnchor
from anybind.objectives.info_nce import info_nce
from anybind.training.step import Step

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
SMALL: dict[str, Any] = {"joint_dim": 8, "epochs": 10, "batch_size": 64, "learning_rate": 0.01}
GOOD = {**SMALL, "joint_dim": 32, "epochs": 30, "learning_rate": 0.03, "noise": 0.3, "temperature": 0.2}
ONE = dict.fromkeys("abc", 1.0)


def unit(seed: int, n: int = 8) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)), dim=1)


def step_of(augmented: bool = True, **masks: torch.Tensor) -> Step:
    full = torch.ones(8, dtype=torch.bool)
    present = {s: masks.get(s, full) for s in "abc"}
    rows = {s: unit(i) * present[s][:, None] for i, s in enumerate("abc")}
    other = {s: unit(i + 10) * present[s][:, None] for i, s in enumerate("abc")}
    scales = {s: torch.tensor(10.0) for s in "abc"}
    return Step({"d": rows}, {"d": present}, {}, scales, 0, 1, {"d": other} if augmented else None)


def loss(step: Step, shares: dict[str, float] | None = None, **options: Any) -> torch.Tensor:
    method = CentroBind(**{"leave_one_out": False, **options})
    return CentroidContrast(method, shares or ONE)(step)["contrast"]


def test_the_loss_is_info_nce_with_the_mean_of_the_augmented_view() -> None:
    step = step_of()
    assert step.augmented is not None
    centroid = torch.stack([*step.augmented["d"].values()]).mean(0)
    expected = torch.stack([info_nce(z, centroid, 10.0) for z in step.embedded["d"].values()]).mean()
    torch.testing.assert_close(loss(step), expected)


def test_leaving_one_out_is_the_mean_of_the_others() -> None:
    step = step_of(augmented=False)
    rows = step.embedded["d"]
    expected = [info_nce(rows[s], sum(rows[o] for o in "abc" if o != s) / 2, 10.0) for s in "abc"]  # type: ignore[arg-type]
    torch.testing.assert_close(loss(step, leave_one_out=True), torch.stack(expected).mean())


def test_the_centroid_loss_is_at_most_the_mean_of_the_pairwise_losses() -> None:
    """A theorem for centroids that are not normalised: log-sum-exp is convex."""
    step = step_of()
    assert step.augmented is not None
    view, rows = step.augmented["d"], step.embedded["d"]
    pairwise = torch.stack([info_nce(z, other, 10.0) for z in rows.values() for other in view.values()]).mean()
    assert loss(step) <= pairwise


def test_weights_holes_and_lonely_rows() -> None:
    has = torch.tensor([True] * 5 + [False] * 3)
    step = step_of(augmented=False, a=has, b=has)
    rows = {s: z[:5] for s, z in step.embedded["d"].items()}
    centroid = (rows["a"] + 3 * rows["b"] + rows["c"]) / 5
    expected = torch.stack([info_nce(z, centroid, 10.0) for z in rows.values()]).mean()
    torch.testing.assert_close(loss(step, {"a": 1.0, "b": 3.0, "c": 1.0}), expected)


def test_data_sets_count_by_their_rows() -> None:
    first, second = step_of(augmented=False), step_of(augmented=False)
    few = {s: z[:3] for s, z in second.embedded["d"].items()}
    masks = {s: m[:3] for s, m in second.present["d"].items()}
    both = Step({"d": first.embedded["d"], "e": few}, {"d": first.present["d"], "e": masks}, {}, first.scales, 0, 1)
    alone = Step({"e": few}, {"e": masks}, {}, first.scales, 0, 1)
    torch.testing.assert_close(loss(both), (8 * loss(first) + 3 * loss(alone)) / 11)


@pytest.mark.parametrize(
    "option", [{"weights": "query"}, {"normalised": True}, {"leave_one_out": True}, {"detached": True}]
)
def test_options_change_the_loss_or_its_gradient(option: dict[str, Any]) -> None:
    step = step_of(augmented=False)
    for rows in step.embedded["d"].values():
        rows.requires_grad_()
    plain, other = loss(step), loss(step, **option)
    inputs = [*step.embedded["d"].values()]
    gradients = [torch.cat(torch.autograd.grad(value, inputs)) for value in (plain, other)]
    assert torch.allclose(plain, other) == ("detached" in option)
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize(
    ("augmentation", "given", "decided"), [(0.2, "auto", False), (0.0, "auto", True), (0.0, False, False)]
)
def test_what_is_compared_is_left_out_unless_there_is_a_second_view(
    fit_data: Make, chain: Any, augmentation: float, given: Any, decided: bool
) -> None:
    options = {**SMALL, "epochs": 1, "augmentation": augmentation, "leave_one_out": given}
    fitted = CentroBind(**options).fit(fit_data(chain[1]))
    assert fitted.leave_one_out is fitted.config()["leave_one_out"] is decided


def test_on_pairs_without_augmentation_it_is_plain_info_nce(fit_data: Make, chain: Any) -> None:
    """The centroid of two spaces without the one is the other."""
    data = fit_data(chain[1])
    centred = CentroBind(**SMALL).fit(data).tensors()
    anchored = FixedAnchor(**SMALL).fit(data).tensors()
    for name, value in anchored.items():
        np.testing.assert_allclose(centred[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [{}, {"augmentation": 0.2}, {"weights": "query"}, {"normalised": True}, {"detached": True},
     {"space_weights": ["a=2", "c=0.5"]}],
    ids=str,
)  # fmt: skip
def test_every_variant_learns_rows_with_holes(
    fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any, options: dict[str, Any]
) -> None:
    model = truth(0, {"a": 8, "b": 7, "c": 6}, rank=3, reliability=0.85)
    rows = model.draw(400, ["a", "b", "c"], 1)
    present = {s: np.random.default_rng(i).random(400) > 0.3 for i, s in enumerate("abc")}
    fitted = CentroBind(**GOOD, **options).fit(fit_data({"d": rows}, present={"d": present}))
    test = model.draw(100, ["a", "c"], 2)
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))) > 0.11, "chance is 0.05"


def test_weights_of_unknown_spaces_or_of_no_number_are_refused(fit_data: Make, chain: Any) -> None:
    data = fit_data(chain[1])
    with pytest.raises(UnknownNameError, match="weight"):
        CentroBind(space_weights=["image=2"]).fit(data)
    with pytest.raises(UsageError) as error:
        CentroBind(space_weights=["a=0"]).fit(data)
    assert error.value.where == "option space_weights"
