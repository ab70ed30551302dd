"""mox as published: the parts of its loss against the paper's equations, and what training with it reaches."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anybind.builtin.binders.mox import BINDERS
from anybind.errors import UsageError
from anybind.fit_data import FitData
from anybind.methods.mox import PRESETS, Completion, Mox, MoxObjective, Weights, completions
from anybind.training.step import Step

Make = Callable[..., FitData]
ToTensor = Callable[[Any], Tensor]
MRR = Callable[[Any], float]
SPACES = {"d1": "ab", "d2": "bc", "d3": "cd"}
TWO = completions({"d1": "ab", "d2": "bc"}, [("a", "b", "c")])
SCALE = 4.0
ONLY_MOX = Weights(clip=0, in_modal=0, cross_modal=0)


def a_step(
    datasets: Mapping[str, str], *, rows: Mapping[str, int] | int = 6, dim: int = 5, epoch: int = 9, seed: int = 0
) -> Step:
    """Random unit rows of some data sets in the last of ten epochs."""
    draw = torch.Generator().manual_seed(seed)
    counts = dict.fromkeys(datasets, rows) if isinstance(rows, int) else rows
    embedded = {
        d: {s: normalize(torch.randn(counts[d], dim, generator=draw, dtype=torch.float64), dim=1) for s in spaces}
        for d, spaces in datasets.items()
    }
    present = {d: {s: torch.ones(counts[d], dtype=torch.bool) for s in spaces} for d, spaces in datasets.items()}
    scales = {s: torch.tensor(SCALE, dtype=torch.float64) for spaces in datasets.values() for s in spaces}
    return Step(embedded, present, {}, scales, epoch, 10)


def nce(queries: Any, candidates: Any, scale: float = SCALE) -> float:
    """-mean log softmax of the own candidate, cosine over the temperature, in numpy."""
    table = scale * np.asarray(queries) @ (candidates / np.linalg.norm(candidates, axis=1, keepdims=True)).T
    return float(np.mean(np.log(np.exp(table).sum(1)) - table.diagonal()))


# ------------------------------------------------------------------------------- what is extrapolated


def test_both_missing_modalities_are_completed() -> None:
    assert set(TWO) == {Completion("d1", ("b", "c"), ("a", "b")), Completion("d2", ("b", "a"), ("b", "c"))}


def test_along_a_chain_every_data_set_gets_the_ends_that_it_lacks() -> None:
    assert set(completions(SPACES, [("a", "b", "c", "d")])) == {
        Completion("d1", ("b", "c", "d"), ("a", "b")),
        Completion("d2", ("c", "d"), ("b", "c")),
        Completion("d2", ("b", "a"), ("b", "c")),
        Completion("d3", ("c", "b", "a"), ("c", "d")),
    }


def test_a_data_set_of_one_space_is_completed_from_it() -> None:
    """The paper's three data sets: D1 shows a only."""
    found = completions({"d1": "a", "d2": "ab", "d3": "bc"}, [("a", "b", "c")])
    assert Completion("d1", ("a", "b", "c"), ("a",)) in found
    assert Completion("d2", ("b", "c"), ("a", "b")) in found
    assert Completion("d3", ("b", "a"), ("b", "c")) in found


def test_data_sets_off_the_route_and_complete_ones_are_left_alone() -> None:
    assert completions({"d1": "abc", "d2": "xy"}, [("a", "b", "c")]) == []


def test_routes_that_share_a_way_share_the_completion() -> None:
    found = completions({"d1": "abe", "d2": "bc"}, [("a", "b", "c"), ("e", "b", "c")])
    assert Completion("d1", ("b", "c"), ("a", "b", "e")) in found


# ------------------------------------------------------------------------------------ the equations


def test_the_contrast_is_equation_4_on_equation_8() -> None:
    step = a_step({"d1": "ab", "d2": "bc"}, rows={"d1": 6, "d2": 4})
    a1, b1 = (step.embedded["d1"][s].numpy() for s in "ab")
    b2, c2 = (step.embedded["d2"][s].numpy() for s in "bc")
    c_1, a_2 = b1 @ np.linalg.pinv(b2) @ c2, b2 @ np.linalg.pinv(b1) @ a1
    wanted = (nce(a1, c_1) + nce(b1, c_1)) / 2 + (nce(b2, a_2) + nce(c2, a_2)) / 2
    parts = MoxObjective(TWO, ONLY_MOX, transition="pinv")(step)
    assert parts.keys() == {"mox"}
    assert float(parts["mox"]) == pytest.approx(wanted, rel=1e-6)


def test_a_chain_is_equation_21() -> None:
    step = a_step(SPACES, rows={"d1": 6, "d2": 8, "d3": 7})
    (b1, b2, c2, c3, d3) = (step.embedded[d][s].numpy() for d, s in ("1b", "2b", "2c", "3c", "3d") for d in [f"d{d}"])
    d_1 = b1 @ np.linalg.pinv(b2) @ c2 @ np.linalg.pinv(c3) @ d3
    wanted = (nce(step.embedded["d1"]["a"], d_1) + nce(b1, d_1)) / 2
    chain = [c for c in completions(SPACES, [("a", "b", "c", "d")]) if c.dataset == "d1"]
    assert float(MoxObjective(chain, ONLY_MOX, transition="pinv")(step)["mox"]) == pytest.approx(wanted, rel=1e-6)


def test_the_order_of_the_other_data_sets_rows_does_not_matter() -> None:
    step = a_step({"d1": "ab", "d2": "bc"})
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    shuffled = {**step.embedded, "d2": {s: rows[order] for s, rows in step.embedded["d2"].items()}}
    before, after = (MoxObjective(TWO, Weights())(s) for s in (step, replace(step, embedded=shuffled)))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_clip_is_the_sum_of_equation_10_over_the_four_spaces() -> None:
    """a1 meets b1, and b2 and c2 as foreign rows; b1 meets a1, and c2 but not b2; and so on."""
    step = a_step({"d1": "ab", "d2": "bc"})
    a1, b1, b2, c2 = (step.embedded[d][s].numpy() for d, s in (("d1", "a"), ("d1", "b"), ("d2", "b"), ("d2", "c")))

    def away(queries: Any, rows: Any) -> float:
        return float(np.log(np.exp(SCALE * queries @ rows.T).sum(1)).mean())

    wanted = (nce(a1, b1) + away(a1, b2) + away(a1, c2)) / 3 + (nce(b1, a1) + away(b1, c2)) / 2
    wanted += (nce(c2, b2) + away(c2, b1) + away(c2, a1)) / 3 + (nce(b2, c2) + away(b2, a1)) / 2
    assert float(MoxObjective(TWO, Weights(mox=0))(step)["clip"]) == pytest.approx(wanted, rel=1e-6)
    plain = nce(a1, b1) + nce(b1, a1) + nce(b2, c2) + nce(c2, b2)
    assert float(MoxObjective(TWO, Weights(mox=0, foreign=0))(step)["clip"]) == pytest.approx(plain, rel=1e-6)


def test_consistency_is_equations_11_and_12_on_both_data_sets() -> None:
    step = a_step({"d1": "ab", "d2": "bc"})
    cross = in_modal = 0.0
    for rows in step.embedded.values():
        x, y = (v.numpy() for v in rows.values())
        cross += ((x @ y.T - y @ x.T) ** 2).sum() / len(x)
        in_modal += ((x @ x.T - y @ y.T) ** 2).sum() / len(x)
    parts = MoxObjective(TWO, Weights())(step)
    assert float(parts["cross_modal"]) == pytest.approx(cross)
    assert float(parts["in_modal"]) == pytest.approx(in_modal)


def test_the_frobenius_term_is_equation_9_read_literally() -> None:
    step = a_step({"d1": "ab", "d2": "bc"})
    a1, b1 = (step.embedded["d1"][s].numpy() for s in "ab")
    b2, c2 = (step.embedded["d2"][s].numpy() for s in "bc")
    pinv = np.linalg.pinv
    wanted = ((c2 @ pinv(b2) @ b1 - b1 @ pinv(b2) @ c2) ** 2).sum()
    wanted += ((a1 @ pinv(b1) @ b2 - b2 @ pinv(b1) @ a1) ** 2).sum()
    objective = MoxObjective(TWO, Weights(mox=0, clip=0, in_modal=0, cross_modal=0, frobenius=1), transition="pinv")
    assert float(objective(step)["frobenius"]) == pytest.approx(wanted, rel=1e-6)
    order = torch.tensor([3, 1, 0, 5, 2, 4])  # and so it depends on the order of the batch
    shuffled = {**step.embedded, "d2": {s: rows[order] for s, rows in step.embedded["d2"].items()}}
    assert float(objective(replace(step, embedded=shuffled))["frobenius"]) != pytest.approx(wanted, rel=1e-2)


def test_the_frobenius_term_of_a_chain_is_equation_22() -> None:
    """c~1 of the paper's three data sets, from the pseudo-pivot b~1 = A1 (A2)^+ B2."""
    step = a_step({"d1": "a", "d2": "ab", "d3": "bc"})
    (a1, a2, b2, b3, c3) = (step.embedded[f"d{d}"][s].numpy() for d, s in ("1a", "2a", "2b", "3b", "3c"))
    pivot = a1 @ np.linalg.pinv(a2) @ b2
    wanted = ((c3 @ np.linalg.pinv(b3) @ pivot - pivot @ np.linalg.pinv(b3) @ c3) ** 2).sum()
    weights = Weights(mox=0, clip=0, in_modal=0, cross_modal=0, frobenius=2)
    objective = MoxObjective([Completion("d1", ("a", "b", "c"), ("a",))], weights, transition="pinv")
    assert float(objective(step)["frobenius"]) == pytest.approx(2 * wanted, rel=1e-6)


def test_the_frobenius_term_refuses_unequal_batches_in_the_first_step() -> None:
    step = a_step({"d1": "ab", "d2": "bc"}, rows={"d1": 6, "d2": 4}, epoch=0)
    with pytest.raises(UsageError, match="equal size") as caught:
        MoxObjective(TWO, Weights(frobenius=1))(step)
    assert "frobenius" in str(caught.value)


def test_the_first_stage_has_no_mox() -> None:
    objective = MoxObjective(TWO, Weights(frobenius=1), first_stage=0.5)
    names = [set(objective(a_step({"d1": "ab", "d2": "bc"}, epoch=epoch))) for epoch in (0, 4, 5, 9)]
    first = {"clip", "in_modal", "cross_modal"}
    assert names == [first, first, first | {"mox", "frobenius"}, first | {"mox", "frobenius"}]


def test_every_weight_multiplies_its_part() -> None:
    step = a_step({"d1": "ab", "d2": "bc"})
    ones = MoxObjective(TWO, Weights(frobenius=1))(step)
    weights = Weights(mox=2, frobenius=3, clip=4, in_modal=5, cross_modal=6)
    for name, value in MoxObjective(TWO, weights)(step).items():
        torch.testing.assert_close(value, getattr(weights, name) * ones[name])


@pytest.mark.parametrize("transition", ["pinv", "ridge"])
def test_transitions_of_the_data_set_are_those_of_a_batch_that_holds_it_all(transition: str) -> None:
    step = a_step(SPACES, rows={"d1": 6, "d2": 8, "d3": 7})
    ways = completions(SPACES, [("a", "b", "c", "d")])
    batch = MoxObjective(ways, ONLY_MOX, transition=transition)
    whole = MoxObjective(ways, ONLY_MOX, transition=transition, per_batch=False)
    whole.begin_epoch(9, lambda: (step.embedded, step.present))
    torch.testing.assert_close(whole(step)["mox"], batch(step)["mox"])
    part = {d: {s: rows[:4] for s, rows in spaces.items()} for d, spaces in step.embedded.items()}
    held = {d: {s: rows[:4] for s, rows in spaces.items()} for d, spaces in step.present.items()}
    smaller = replace(step, embedded=part, present=held)
    assert abs(float(whole(smaller)["mox"]) - float(batch(smaller)["mox"])) > 1e-3


def test_missing_rows_do_not_count() -> None:
    step = a_step({"d1": "ab", "d2": "bc"})
    present = {"d1": {"a": torch.arange(6) != 2, "b": torch.arange(6) != 4},
               "d2": {"b": torch.arange(6) > 0, "c": torch.ones(6, dtype=torch.bool)}}  # fmt: skip

    def values(filling: float) -> dict[str, Tensor]:
        rows = {d: {s: z.masked_fill(~present[d][s][:, None], filling).requires_grad_() for s, z in v.items()}
                for d, v in step.embedded.items()}  # fmt: skip
        parts = MoxObjective(TWO, Weights())(replace(step, embedded=rows, present=present))
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        for d, v in rows.items():
            for s, z in v.items():
                assert z.grad is not None
                assert (z.grad[~present[d][s]] == 0).all()
                assert (z.grad[present[d][s]].abs().sum(1) > 0).all()
        return parts

    for name, value in values(0.0).items():
        torch.testing.assert_close(values(5.0)[name], value)


def test_a_data_set_whose_rows_are_all_held_out_is_passed_over() -> None:
    objective = MoxObjective(completions(SPACES, [("a", "b", "c", "d")]), Weights())
    objective.begin_epoch(9, lambda: ({}, {}))
    parts = objective(a_step({"d1": "ab", "d2": "bc"}))
    a_2 = MoxObjective([Completion("d2", ("b", "a"), ("b", "c"))], Weights())(a_step({"d1": "ab", "d2": "bc"}))
    torch.testing.assert_close(parts["mox"], a_2["mox"])


# ---------------------------------------------------------------------------------------- the method

QUICK: dict[str, Any] = {
    "features": "identity", "joint_dim": 16, "epochs": 8, "batch_size": 100, "learning_rate": 0.02, "noise": 0.1,
    "patience": 0,
}  # fmt: skip


def linear_world(n: int, datasets: Mapping[str, str], *, seed: int = 0, dim: int = 16, rank: int = 6) -> Any:
    """(rows of data sets, rows to test on): every space is a linear reading of one latent, with noise.

    The data sets differ in which latent directions vary most, as the paper's do in what they show.
    """
    random = np.random.default_rng(seed)
    spaces = sorted({s for held in datasets.values() for s in held})
    maps = {s: random.normal(size=(rank, dim)) for s in spaces}

    def draw(count: int, held: str, spread: Any) -> dict[str, Any]:
        z = random.normal(size=(count, rank)) * spread
        return {s: z @ maps[s] + 0.3 * random.normal(size=(count, dim)) for s in held}

    rows = {d: draw(n, held, random.uniform(0.5, 1.5, rank)) for d, held in datasets.items()}
    return rows, draw(200, "".join(spaces), 1.0)


def test_it_binds_spaces_that_no_data_set_pairs(fit_data: Make, tensor: ToTensor, plain_mrr: MRR) -> None:
    rows, test = linear_world(200, {"d1": "ab", "d2": "bc"})
    fitted = Mox(**QUICK).fit(fit_data(rows), targets=[("a", "c")])
    scores = fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))
    assert plain_mrr(scores) > 0.5  # chance: 0.03


def reached(fit_data: Make, tensor: ToTensor, plain_mrr: MRR, spaces: Mapping[str, str], **options: Any) -> float:
    """Mean MRR between the first and the last space, over two worlds with 60 rows per data set."""
    ends, values = (min("".join(spaces.values())), max("".join(spaces.values()))), []
    for seed in range(2):
        rows, test = linear_world(60, spaces, seed=seed)
        fitted = Mox(**QUICK | {"epochs": 16} | options).fit(fit_data(rows), targets=[ends])
        values.append(plain_mrr(fitted.score(ends[0], tensor(test[ends[0]]), ends[1], tensor(test[ends[1]]))))
    return float(np.mean(values))


def test_mox_adds_to_training_on_pairs_alone(fit_data: Make, tensor: ToTensor, plain_mrr: MRR) -> None:
    """The paper's ablation: with few rows, and more so along a chain, the extrapolated rows help."""
    only_clip = {"mox": 0.0, "in_modal": 0.0, "cross_modal": 0.0}
    mox, clip = (reached(fit_data, tensor, plain_mrr, SPACES, **options) for options in ({}, only_clip))
    assert mox > clip + 0.1


def test_foreign_negatives_alone_unbind_and_mox_repairs_it(fit_data: Make, tensor: ToTensor, plain_mrr: MRR) -> None:
    """Eq. 10 drives the rows of other data sets away, and with them the target space."""
    spaces = {"d1": "ab", "d2": "bc"}
    without, repaired = (
        reached(fit_data, tensor, plain_mrr, spaces, preset="paper", **options) for options in ({"mox": 0.0}, {})
    )
    assert without < 0.1
    assert repaired > 0.5


def test_it_binds_along_three_data_sets(fit_data: Make, tensor: ToTensor, plain_mrr: MRR) -> None:
    rows, test = linear_world(200, SPACES)
    routes = {("a", "d"): [("a", "b", "c", "d")]}
    fitted = Mox(**QUICK | {"epochs": 16}).fit(fit_data(rows), targets=[("a", "d")], routes=routes)
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "d", tensor(test["d"]))) > 0.5


def test_the_papers_three_data_sets_with_one_of_a_single_space(
    fit_data: Make, tensor: ToTensor, plain_mrr: MRR
) -> None:
    rows, test = linear_world(200, {"d1": "a", "d2": "ab", "d3": "bc"})
    fitted = Mox(**QUICK).fit(fit_data(rows), targets=[("a", "c")])
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))) > 0.5
    rest = Mox(**QUICK).fit(fit_data({d: rows[d] for d in ("d2", "d3")}), targets=[("a", "c")])
    assert not torch.allclose(fitted.tensors()["c/weight"], rest.tensors()["c/weight"], rtol=0.1)


def test_a_seed_gives_the_same_binder_again(fit_data: Make) -> None:
    data = fit_data(linear_world(80, {"d1": "ab", "d2": "bc"})[0])
    once, again, other = (Mox(**QUICK | {"epochs": 4}).fit(data, seed=seed).tensors() for seed in (1, 1, 2))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not all(torch.equal(once[name], other[name]) for name in once)


def test_a_fitted_binder_comes_back_from_json_and_tensors(fit_data: Make, tensor: ToTensor) -> None:
    rows, test = linear_world(80, {"d1": "ab", "d2": "bc"})
    fitted = Mox(**QUICK | {"epochs": 4, "preset": "cyclip", "mox": 0.5}).fit(fit_data(rows))
    config = json.loads(json.dumps(fitted.config()))
    restored = Mox.restore(config, fitted.tensors())
    assert restored == replace(fitted, joint=restored.joint)
    a, c = tensor(test["a"]), tensor(test["c"])
    assert torch.equal(restored.score("a", a, "c", c), fitted.score("a", a, "c", c))
    assert {name: config[name] for name in ("mox", "in_modal", "cross_modal", "clip", "frobenius", "foreign")} == {
        "mox": 0.5, "in_modal": 0.25, "cross_modal": 0.25, "clip": 1.0, "frobenius": 0.0, "foreign": 0.0,
    }  # fmt: skip


def test_training_does_not_stop_before_mox_is_on(fit_data: Make) -> None:
    """In noise no epoch is better than another, and an eager training stops soon, but not in the first stage."""
    random = np.random.default_rng(0)
    noise = {d: {s: random.normal(size=(120, 8)) for s in spaces} for d, spaces in (("d1", "ab"), ("d2", "bc"))}
    data = fit_data(noise)
    best = []
    for weight in (1.0, 0.0):
        joint = Mox(**QUICK | {"patience": 1, "first_stage": 0.75, "mox": weight}).fit(data).joint
        assert joint is not None
        best.append(joint.history["best_epoch"])
    assert best[0] > 6 > best[1]


def test_a_first_stage_of_all_epochs_is_training_without_mox(fit_data: Make) -> None:
    data = fit_data(linear_world(80, {"d1": "ab", "d2": "bc"})[0])
    stage, weight = (Mox(**QUICK | {"epochs": 4} | more).fit(data) for more in ({"first_stage": 1.0}, {"mox": 0.0}))
    for name, value in stage.tensors().items():
        assert torch.equal(weight.tensors()[name], value)


def test_one_data_set_of_all_spaces_has_nothing_to_extrapolate(
    fit_data: Make, tensor: ToTensor, plain_mrr: MRR
) -> None:
    rows, test = linear_world(200, {"d1": "abc"})
    fitted = Mox(**QUICK).fit(fit_data(rows))
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))) > 0.5


VARIANTS: list[dict[str, Any]] = [
    {"transition": "pinv"}, {"transition": "rank", "transition_strength": 4}, {"measured_on": "data-set"},
    {"frobenius": 0.01}, {"first_stage": 0.0}, {"preset": "paper"},
]  # fmt: skip


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_variant_trains(fit_data: Make, tensor: ToTensor, plain_mrr: MRR, options: dict[str, Any]) -> None:
    rows, test = linear_world(200, {"d1": "ab", "d2": "bc"})
    data = fit_data(rows)
    default, fitted = (Mox(**QUICK | more).fit(data) for more in ({}, options))
    a, c = tensor(test["a"]), tensor(test["c"])
    assert plain_mrr(fitted.score("a", a, "c", c)) > 0.3
    assert not torch.allclose(fitted.score("a", a, "c", c), default.score("a", a, "c", c), atol=1e-4)


def test_literal_frobenius_on_data_with_holes_says_why_not(fit_data: Make) -> None:
    rows, _ = linear_world(80, {"d1": "ab", "d2": "bc"})
    data = fit_data(rows, present={"d1": {"a": np.arange(80) > 5}})
    with pytest.raises(UsageError, match="without missing rows"):
        Mox(**QUICK | {"frobenius": 1.0}).fit(data)


def test_the_presets_are_those_of_the_two_papers() -> None:
    assert PRESETS["paper"] == Weights(1, 0, 1, 1, 1, 1)
    assert PRESETS["cyclip"] == Weights(1, 0, 1, 0, 0.25, 0.25)
    assert set(BINDERS[0].options["preset"].choices) == set(PRESETS)
