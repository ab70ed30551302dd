"""The calibrated objective: what it makes of missing spaces, step by step, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from anybind.errors import DataError, SelectionError
from anybind.methods.calibration import Calibrated
from anybind.methods.latent_imputer import LatentImputer
from anybind.objectives.gram import gram_loss
from anybind.objectives.info_nce import info_nce
from anybind.objectives.pmrl import pmrl_loss
from anybind.objectives.symile import symile_loss
from anybind.objectives.triangle import triangle_loss
from anybind.training.step import Step

SPACES = ("a", "b", "c")
OPTIONS = {
    "spaces": SPACES, "loss": "pmrl", "missing": "impute", "rank": 2, "warm_up": 1, "refresh": 1, "detach": True,
    "renormalise": False, "matching": 0.0, "masked_views": 0.0,
}  # fmt: skip
Tables = dict[str, dict[str, torch.Tensor]]


def objective(**options: Any) -> Calibrated:
    return Calibrated(**{**OPTIONS, **options})


def rows(n: int = 60, seed: int = 0, shows: Mapping[str, str] | None = None) -> tuple[Tables, Tables]:
    """Unit rows with a latent of two dims; data set -> the spaces it has, all rows of them."""
    world, draws = torch.Generator().manual_seed(9), torch.Generator().manual_seed(seed)
    loadings = {s: torch.randn(2, 6, generator=world) for s in SPACES}
    embedded: Tables = {}
    for name, spaces in (shows or {"d1": "ab", "d2": "bc"}).items():
        z = torch.randn(n, 2, generator=draws)
        noisy = {s: z @ loadings[s] + 0.3 * torch.randn(n, 6, generator=draws) for s in spaces}
        embedded[name] = {s: torch.nn.functional.normalize(x, dim=1) for s, x in noisy.items()}
    return embedded, {d: {s: torch.ones(n, dtype=torch.bool) for s in table} for d, table in embedded.items()}


def step(embedded: Tables, present: Tables, epoch: int = 5, seed: int = 0, scale: float = 10.0) -> Step:
    scales = {s: torch.tensor(scale) for s in SPACES}
    return Step(embedded, present, {}, scales, epoch, 10, None, torch.Generator().manual_seed(seed))


def began(calibrated: Calibrated, embedded: Tables, present: Tables, epoch: int = 1) -> Calibrated:
    calibrated.begin_epoch(epoch, lambda: (embedded, present))
    return calibrated


def all_shown(stack: torch.Tensor) -> torch.Tensor:
    return torch.ones(stack.shape[:2], dtype=torch.bool)


def test_the_tuples_are_observed_and_imputed_columns() -> None:
    embedded, present = rows()
    calibrated = began(objective(), embedded, present)
    holes = torch.zeros(60, 6)
    every = {s: torch.cat([table.get(s, holes) for table in embedded.values()]) for s in SPACES}
    first = torch.arange(120) < 60
    masks = {"a": first, "b": torch.ones(120, dtype=torch.bool), "c": ~first}
    imputer = LatentImputer(rank=2).fit(every, masks)
    expected = []
    for name in ("d1", "d2"):
        filled = imputer.impute(embedded[name]).mean
        stack = torch.stack([filled[s] for s in SPACES], 1)
        expected.append(pmrl_loss(stack, all_shown(stack)))
    found = calibrated(step(embedded, present))
    assert found.keys() == {"pmrl"}
    torch.testing.assert_close(found["pmrl"], torch.stack(expected).mean(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["pmrl", "gram", "triangle", "symile"])
def test_every_objective_gets_whole_tuples(name: str) -> None:
    embedded, present = rows(shows={"d": "abc"})
    stack, draw = torch.stack([embedded["d"][s] for s in SPACES], 1), torch.Generator().manual_seed(0)
    losses = {
        "pmrl": lambda: pmrl_loss(stack, all_shown(stack), 10.0, intra_scale=20.0),
        "gram": lambda: gram_loss(stack, all_shown(stack), 7.0),
        "triangle": lambda: triangle_loss(stack, all_shown(stack), 7.0),
        "symile": lambda: symile_loss(stack, all_shown(stack), 7.0 * 6**0.5, generator=draw),
    }
    found = began(objective(loss=name), embedded, present)(step(embedded, present, scale=7.0))
    torch.testing.assert_close(found[name], losses[name]())


def test_the_warm_up_sees_what_is_observed() -> None:
    embedded, present = rows()
    calibrated = objective(warm_up=3)
    never = objective(missing="observed")
    for epoch in range(5):
        for each in (calibrated, never):
            began(each, embedded, present, epoch)
        found, observed = (each(step(embedded, present, epoch))["pmrl"] for each in (calibrated, never))
        assert torch.equal(found, observed) == (epoch < 3)
    assert never.imputer is None
    assert never.state() == {}


def test_the_imputer_is_refreshed_every_few_epochs_and_keeps_its_rank() -> None:
    embedded, present = rows(n=200)
    folds = {name: torch.arange(200) % 5 for name in embedded}
    calibrated = objective(rank="auto", refresh=2)
    calibrated.begin_stage(folds)
    seen: list[Any] = []
    for epoch in range(6):
        drifted = rows(n=200, seed=epoch)[0]
        began(calibrated, drifted, present, epoch)
        seen.append(calibrated.imputer)
    assert seen[0] is None
    assert seen[1] is seen[2]
    assert seen[2] is not seen[3]
    assert seen[3] is seen[4]
    assert {each.rank for each in seen[1:]} == {seen[1].rank}
    assert seen[1].rank in (2, 4)


def test_the_mean_can_stand_for_what_is_missing() -> None:
    embedded, present = rows()
    found = began(objective(missing="mean"), embedded, present)(step(embedded, present))["pmrl"]
    both = torch.cat([embedded["d1"]["b"], embedded["d2"]["b"]])
    means = {"a": embedded["d1"]["a"].mean(0), "b": both.mean(0), "c": embedded["d2"]["c"].mean(0)}
    expected = []
    for name in ("d1", "d2"):
        stack = torch.stack([embedded[name].get(s, means[s].expand(60, -1)) for s in SPACES], 1)
        expected.append(pmrl_loss(stack, all_shown(stack)))
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_imputed_columns_give_no_gradient_unless_asked_to() -> None:
    embedded, present = rows(shows={"d1": "ab", "d2": "bc"})
    gradients = {}
    for detach in (True, False):
        leaves = {d: {s: x.clone().requires_grad_() for s, x in t.items()} for d, t in embedded.items()}
        calibrated = began(objective(detach=detach), embedded, present)
        calibrated(step(leaves, present))["pmrl"].backward()
        gradients[detach] = leaves["d1"]["a"].grad
    assert calibrated.imputer is not None
    filled = calibrated.imputer.complete(embedded["d1"])["c"]
    leaves = {s: x.clone().requires_grad_() for s, x in embedded["d1"].items()}
    stack = torch.stack([leaves["a"], leaves["b"], filled], 1)
    (0.5 * pmrl_loss(stack, all_shown(stack))).backward()
    torch.testing.assert_close(gradients[True], leaves["a"].grad)
    assert not torch.allclose(gradients[True], gradients[False], rtol=1e-2, atol=1e-5)  # type: ignore[arg-type]


def test_rows_that_show_nothing_do_not_count() -> None:
    embedded, present = rows(shows={"d1": "abc"})
    calibrated = began(objective(), embedded, present)
    holed = {"d1": {s: torch.cat([x, torch.zeros(9, 6)]) for s, x in embedded["d1"].items()}}
    masks = {"d1": {s: torch.cat([x, torch.zeros(9, dtype=torch.bool)]) for s, x in present["d1"].items()}}
    found = [calibrated(step(*each))["pmrl"] for each in ((embedded, present), (holed, masks))]
    torch.testing.assert_close(*found)


def test_imputed_columns_can_be_made_unit_vectors() -> None:
    embedded, present = rows()
    plain, unit = (began(objective(renormalise=r), embedded, present) for r in (False, True))
    lengths = [each._filled(embedded["d1"], present["d1"])["c"].norm(dim=1) for each in (plain, unit)]
    assert lengths[0].mean() < 0.95  # the posterior shrinks
    torch.testing.assert_close(lengths[1], torch.ones(60))


def test_matching_is_info_nce_of_observed_pairs() -> None:
    embedded, present = rows(shows={"d1": "abc"})
    present["d1"]["c"] = torch.arange(60) % 2 == 0
    calibrated = began(objective(matching=0.5), embedded, present)
    own = embedded["d1"]
    both = info_nce(own["a"], own["b"], 10.0)
    half = [info_nce(own[s], own["c"], 10.0, present["d1"]["c"]) for s in "ab"]
    expected = (60 * both + 30 * half[0] + 30 * half[1]) / 120
    found = calibrated(step(embedded, present))
    torch.testing.assert_close(found["matching"], 0.5 * expected)


def test_masked_views_hide_one_space_of_three_with_growing_probability() -> None:
    embedded, present = rows(n=2000, shows={"d1": "abc"})
    present["d1"]["a"] = torch.arange(2000) < 1000
    calibrated = objective(missing="observed", masked_views=0.5)
    shares = []
    for epoch in (0, 2, 5, 9):
        masked = calibrated._masked(present["d1"], step(embedded, present, epoch))
        hidden = torch.stack([present["d1"][s] & ~masked[s] for s in SPACES], 1)
        assert (masked["a"] <= present["d1"]["a"]).all()
        assert hidden.sum(1).max() <= 1
        assert not hidden[1000:].any()  # those rows show two
        shares.append(float(hidden[:1000].any(1).double().mean()))
    assert shares == pytest.approx([0.0, 0.2, 0.5, 0.5], abs=0.05)
    assert hidden[:1000].double().mean(0) == pytest.approx([1 / 6] * 3, abs=0.05)


def test_the_step_decides_every_random_choice() -> None:
    embedded, present = rows(shows={"d1": "abc"})
    calibrated = began(objective(loss="symile", masked_views=0.5), embedded, present)
    first, again, other = (calibrated(step(embedded, present, seed=s))["symile"] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rounding_does_not_choose_the_gradient() -> None:
    """Two vectors at an obtuse angle have their difference for an anchor, whose sign their sum cannot tell."""
    embedded, present = rows(shows={"d1": "ab"})
    embedded["d1"]["b"] = torch.nn.functional.normalize(embedded["d1"]["b"] - embedded["d1"]["a"], dim=1)
    gradients = []
    for noise in (0.0, 1e-7):
        leaves = {s: (x + noise * torch.randn_like(x)).requires_grad_() for s, x in embedded["d1"].items()}
        objective(missing="observed")(step({"d1": leaves}, present))["pmrl"].backward()
        gradients.append(leaves["a"].grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-4)


@pytest.mark.parametrize("missing", ["impute", "mean", "observed"])
def test_the_state_brings_a_killed_training_back(missing: str) -> None:
    embedded, present = rows()
    whole = objective(missing=missing, refresh=3)
    resumed = objective(missing=missing, refresh=3)
    for epoch in range(3):
        began(whole, embedded, present, epoch)
    resumed.load_state(whole.state())
    for epoch in range(3, 7):
        drifted = rows(seed=epoch)[0]
        for each in (whole, resumed):
            began(each, drifted, present, epoch)
        assert torch.equal(*(each(step(drifted, present, epoch))["pmrl"] for each in (whole, resumed)))
    whole.load_state({})
    assert whole.imputer is None


def test_parts_that_nothing_joins_are_refused() -> None:
    embedded, present = rows(shows={"d1": "ab", "d2": "c"})
    with pytest.raises(DataError, match="no chain of rows"):
        began(objective(), embedded, present)


def test_a_rank_cannot_be_chosen_on_a_handful_of_rows() -> None:
    embedded, present = rows(n=20)
    folds = {name: torch.arange(20) % 5 for name in embedded}
    calibrated = objective(rank="auto")
    calibrated.begin_stage(folds)
    with pytest.raises(SelectionError, match="rank"):
        began(calibrated, embedded, present)
