"""What the trained methods share: saving, refusals, reproducibility, odd data. Shown on all-pairs and its siblings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.binder import Binder
from anybind.builtin.binders.contrastive import BINDERS
from anybind.errors import ArtifactError, DataError, NoPathError
from anybind.fit_data import FitData
from anybind.fitting import fit as fit_binder
from anybind.methods.all_pairs import AllPairs
from anybind.methods.centrobind import CentroBind
from anybind.methods.fixed_anchor import FixedAnchor
from anybind.methods.trained import TrainedMethod, mean_over_pairs, pair_loss
from anybind.objectives.info_nce import info_nce
from anybind.objectives.sigmoid import sigmoid_loss
from anybind.registry import Entry, Registry
from anybind.training.job import Job
from anybind.training.loop import train
from anybind.training.step import Step

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]

METHODS: list[type[TrainedMethod]] = [AllPairs, FixedAnchor, CentroBind]
SMALL: dict[str, Any] = {"joint_dim": 8, "epochs": 10, "batch_size": 64, "learning_rate": 0.01}
# The spaces of the test's truth have few dims and strong noise in some directions: longer steps, less noise.
GOOD = {**SMALL, "joint_dim": 32, "epochs": 30, "learning_rate": 0.03, "noise": 0.3, "temperature": 0.2}
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.label)


def same(a: TrainedMethod, b: TrainedMethod) -> bool:
    first, second = a.tensors(), b.tensors()
    return first.keys() == second.keys() and all(torch.equal(t, second[name]) for name, t in first.items())


# ------------------------------------------------------------------------------------- quality


@every_method
def test_a_bridge_is_close_to_the_same_method_on_true_pairs(
    method: type[TrainedMethod], fit_data: Make, chain: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    """Linear Gaussian spaces that show one latent: what the two bridged data sets tell suffices."""
    model, rows = chain
    test = model.draw(100, ["a", "c"], 3)
    bridged = method(**GOOD).fit(fit_data(rows))
    oracle = method(**GOOD).fit(fit_data({"d": model.draw(600, ["a", "c"], 4)}))
    found, best = (plain_mrr(m.score("a", tensor(test["a"]), "c", tensor(test["c"]))) for m in (bridged, oracle))
    assert best > 0.17, "chance is 0.05, and the right model's score 0.26"
    assert found > 0.8 * best
    assert bridged.config()["history"]["held_out_mrr"] > 0.15


@every_method
def test_rows_with_holes_join_spaces_that_never_meet(
    method: type[TrainedMethod], fit_data: Make, truth: Any, tensor: Tensor, plain_mrr: Any
) -> None:
    model = truth(0, {"a": 8, "b": 7, "c": 6}, rank=3, reliability=0.8)
    rows = model.draw(1200, ["a", "b", "c"], 1)
    first = np.arange(1200) < 600
    rows["a"][~first], rows["c"][first] = np.nan, np.nan
    data = fit_data({"d": rows}, present={"d": {"a": first, "c": ~first}})
    assert data.moments.pairs("a", "c") == 0
    fitted = method(**GOOD).fit(data)
    test = model.draw(100, ["a", "c"], 3)
    assert plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"]))) > 0.17


def test_data_sets_may_have_means_of_their_own(fit_data: Make, chain: Any) -> None:
    rows = chain[1]
    shifted = {"d1": {s: v + 10 for s, v in rows["d1"].items()}, "d2": rows["d2"]}
    heads = [AllPairs(**SMALL).fit(fit_data(d)).tensors() for d in (rows, shifted)]
    for name in ("a/weight", "b/weight"):
        np.testing.assert_allclose(heads[0][name], heads[1][name], rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(heads[1]["b/mean"] - heads[0]["b/mean"], np.full(7, 5.0), atol=1e-4)


# ------------------------------------------------------------------------------------- reproducible


@every_method
def test_the_order_of_the_rows_changes_nothing_but_rounding(
    method: type[TrainedMethod], fit_data: Make, chain: Any
) -> None:
    rows = {name: {s: v[:150] for s, v in spaces.items()} for name, spaces in chain[1].items()}
    ids = {name: [f"{name}-{i}" for i in range(150)] for name in rows}
    order = np.random.default_rng(0).permutation(150)
    moved = {name: {s: v[order] for s, v in spaces.items()} for name, spaces in reversed(rows.items())}
    moved_ids = {name: [names[i] for i in order] for name, names in ids.items()}
    a = method(**SMALL).fit(fit_data(rows, ids=ids)).tensors()
    b = method(**SMALL).fit(fit_data(moved, ids=moved_ids)).tensors()
    for name, value in a.items():
        np.testing.assert_allclose(b[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@every_method
def test_the_seed_decides(method: type[TrainedMethod], fit_data: Make, chain: Any) -> None:
    data = fit_data({name: {s: v[:120] for s, v in spaces.items()} for name, spaces in chain[1].items()})
    options = {**SMALL, "epochs": 2}
    first = method(**options).fit(data, seed=1)
    assert same(first, method(**options).fit(data, seed=1))
    assert not same(first, method(**options).fit(data, seed=2))


@every_method
def test_fit_changes_neither_itself_nor_its_data(method: type[TrainedMethod], fit_data: Make, chain: Any) -> None:
    data, unfitted = fit_data(chain[1]), method(**{**SMALL, "epochs": 1})
    before = {name: {s: v.clone() for s, v in sample.vectors.items()} for name, sample in data.rows().items()}
    unfitted.fit(data)
    assert unfitted.joint is None
    for name, sample in data.rows().items():
        assert all(torch.equal(v, before[name][s]) for s, v in sample.vectors.items())


# ------------------------------------------------------------------------------------- saving


@every_method
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_restored_from_json_and_tensors_exactly(
    method: type[TrainedMethod], head: str, fit_data: Make, chain: Any, tensor: Tensor
) -> None:
    model, rows = chain
    options = {**SMALL, "epochs": 2, "head": head, "hidden_dim": 5, "temperatures": ("a=0.2",)}
    fitted = method(**options).fit(fit_data(rows))
    restored = method.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    assert same(restored, fitted)
    test = model.draw(10, ["a", "c"], 3)
    scores = [m.score("a", tensor(test["a"]), "c", tensor(test["c"])) for m in (fitted, restored)]
    assert torch.equal(*scores)
    assert scores[0].dtype == torch.float32
    assert not scores[0].requires_grad
    embedded = restored.embed("a", tensor(test["a"]))
    assert embedded.shape == (10, 8)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(10))


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_tensors_of_the_wrong_shape_are_refused(fit_data: Make, chain: Any, head: str) -> None:
    fitted = AllPairs(**{**SMALL, "epochs": 1, "head": head, "hidden_dim": 5}).fit(fit_data(chain[1]))
    for name, tensor in fitted.tensors().items():
        for wrong in (tensor[:-1], tensor[None]):
            with pytest.raises(ArtifactError, match="wrong shape"):
                AllPairs.restore(fitted.config(), {**fitted.tensors(), name: wrong})
    with pytest.raises(KeyError):
        AllPairs.restore(fitted.config(), {})


@pytest.mark.parametrize("spec", BINDERS, ids=lambda spec: spec.name)
def test_options_are_those_of_the_spec(spec: Any) -> None:
    method = next(m for m in METHODS if m.label == spec.name)
    assert spec.factory == f"{method.__module__}:{method.__name__}"
    assert spec.trained
    assert method().options() == {name: option.default for name, option in spec.options.items()}
    assert all(field.name in spec.options or field.name == "joint" for field in dataclasses.fields(method))


# ------------------------------------------------------------------------------------- refusals and odd data


@every_method
def test_rows_that_never_meet_are_an_error(method: type[TrainedMethod], fit_data: Make) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d1": {"a": random.normal(size=(40, 3))}, "d2": {"b": random.normal(size=(40, 3))}})
    with pytest.raises(NoPathError, match="no data set holds two spaces"):
        method().fit(data)


def test_spaces_that_nothing_joins_are_not_compared(fit_data: Make, truth: Any, tensor: Tensor) -> None:
    rows = truth(7, {"a": 5, "b": 5}, rank=2).draw(60, ["a", "b"], 0)
    alone = np.random.default_rng(0).normal(size=(50, 4))
    data = fit_data({"d1": rows, "d2": {"c": rows["a"], "d": rows["b"]}, "d3": {"e": alone}})
    fitted = AllPairs(**{**SMALL, "epochs": 1}).fit(data)
    restored = AllPairs.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    for binder in (fitted, restored):
        assert binder.score("c", tensor(rows["a"]), "d", tensor(rows["b"])).shape == (60, 60)
        for other, x in (("c", rows["a"]), ("d", rows["b"]), ("e", alone)):
            with pytest.raises(NoPathError) as error:
                binder.score("a", tensor(rows["a"]), other, tensor(x))
            assert other in str(error.value.where)
        with pytest.raises(NoPathError, match="joined this space"):
            binder.embed("e", tensor(alone))


@every_method
@pytest.mark.parametrize("place", ["a", "b"])
def test_a_space_that_does_not_vary_is_an_error(method: type[TrainedMethod], place: str, fit_data: Make) -> None:
    random = np.random.default_rng(0)
    rows = {s: random.normal(size=(60, 5)) for s in "ab"}
    rows[place] = np.repeat(rows[place][:1], 60, axis=0)
    with pytest.raises(DataError, match="does not vary") as error:
        method(**SMALL).fit(fit_data({"d": rows}))
    assert place in str(error.value.where)


@every_method
@pytest.mark.parametrize(
    "case", ["duplicates", "identical spaces", "one-hot", "few rows", "one dim", "tiny beside large"]
)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_odd_but_legal_data_trains(
    method: type[TrainedMethod], case: str, noise: float, fit_data: Make, tensor: Tensor
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 6))
    rows = {
        "duplicates": {"d": {s: np.repeat(random.normal(size=(5, 6)), 16, axis=0) for s in "ab"}},
        "identical spaces": {"d": {"a": x, "b": x}},
        "one-hot": {"d": {s: np.eye(6)[random.integers(0, 6, 80)] for s in "ab"}},
        "few rows": {"d": {s: random.normal(size=(3, 30)) for s in "ab"}},
        "one dim": {"d": {s: random.normal(size=(80, 1)) for s in "ab"}},
        "tiny beside large": {"d": {"a": x, "b": x}, "e": {"b": x[:2], "c": x[2:4]}, "f": {"a": x[:1].repeat(2, 0)}},
    }[case]
    fitted = method(**{**SMALL, "noise": noise, "epochs": 3, "patience": 2}).fit(fit_data(rows))
    scores = fitted.score("a", tensor(rows["d"]["a"]), "b", tensor(rows["d"]["b"]))
    assert torch.isfinite(scores).all()
    if case == "identical spaces" and not noise:
        assert (scores.argmax(1) == torch.arange(80)).float().mean() > 0.8


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_no_row_is_too_short_or_too_long(fit_data: Make, chain: Any, tensor: Tensor, size: float) -> None:
    fitted = AllPairs(**{**SMALL, "epochs": 1}).fit(fit_data(chain[1]))
    rows = tensor(chain[1]["d1"]["a"][:5]) * size
    torch.testing.assert_close(fitted.embed("a", rows).norm(dim=1), torch.ones(5))


def test_heads_read_kernel_features_where_they_are_asked_to(fit_data: Make) -> None:
    """A circle against its angle doubled: no linear map can see it."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, size=300)
    rows = {s: np.stack([np.cos(k * angle), np.sin(k * angle)], 1) for s, k in (("a", 1), ("b", 2))}
    found = []
    for features in ("nystroem", "identity"):
        method = AllPairs(**{**GOOD, "epochs": 10, "features": features, "width": 1.0})
        data = fit_data({"d": rows}, features=method.input_features, normalise=True)
        found.append(method.fit(data).joint.history["held_out_mrr"])
    assert found[0] > found[1] + 0.05


def test_held_out_landmarks_are_judged_as_rows_that_were_never_seen(
    fit_data: Make, chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = AllPairs(**SMALL, features="nystroem", width=20.0)
    data = fit_data(chain[1], features=method.input_features, normalise=True)
    jobs: list[Job] = []

    def spy(job: Job) -> Any:
        jobs.append(job)
        return train(replace_options(job))

    monkeypatch.setattr("anybind.methods.trained.train", spy)
    method.fit(data)
    (job,) = jobs
    assert job.unseen is not None
    for name, sample in job.samples.items():
        for space, rows in sample.vectors.items():
            assert (job.unseen[name].vectors[space].norm(dim=1) < 0.9 * rows.norm(dim=1)).float().mean() > 0.5


def replace_options(job: Job) -> Job:
    return dataclasses.replace(job, options=dataclasses.replace(job.options, epochs=1, patience=0))


def test_a_binder_chooses_features_trains_saves_and_resumes(chain: Any, tmp_path: Path) -> None:
    model, rows = chain
    rows = {name: {s: v[:200] for s, v in spaces.items()} for name, spaces in rows.items()}
    registry = Registry(Entry(spec, "anybind", "0") for spec in BINDERS)
    told: list[str] = []
    for _ in range(2):
        binder = fit_binder(
            rows, method="all-pairs", options={**SMALL, "epochs": 3, "landmarks": 50},
            registry=registry, checkpoints=tmp_path / "kept", progress=lambda epoch: told.append(epoch.label),
        )  # fmt: skip
        assert binder.fitted["features"] in ("nystroem", "identity")
        assert set(told) == {"all-pairs", "all-pairs, all rows"}
        once = len(told)
    assert len(told) == once <= 6, "the second time nothing is trained"
    restored = Binder.from_pretrained(binder.save_pretrained(tmp_path / "saved"), registry=registry)
    test = model.draw(5, ["a", "c"], 3)
    assert torch.equal(*(each.score("a", test["a"], "c", test["c"]) for each in (binder, restored)))


# ------------------------------------------------------------------------------------- pairs


def unit(seed: int, n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_pairs_count_by_their_rows_and_meet_at_the_mean_temperature() -> None:
    has = torch.tensor([True] * 4 + [False] * 6)
    full = torch.ones(10, dtype=torch.bool)
    embedded = {"d1": {"a": unit(0, 10), "b": unit(1, 10)}, "d2": {"b": unit(2, 10), "c": unit(3, 10)},
                "lone": {"a": unit(4, 1), "c": unit(5, 1)}}  # fmt: skip
    present = {"d1": {"a": has, "b": full}, "d2": {"b": full, "c": full}, "lone": {"a": full[:1], "c": full[:1]}}
    scales = {"a": torch.tensor(4.0), "b": torch.tensor(9.0), "c": torch.tensor(25.0)}
    step = Step(embedded, present, {}, scales, 0, 1)
    first = info_nce(embedded["d1"]["a"][:4], embedded["d1"]["b"][:4], 6.0)
    second = info_nce(embedded["d2"]["b"], embedded["d2"]["c"], 15.0)
    torch.testing.assert_close(
        mean_over_pairs(step, pair_loss("softmax"), lambda a, b: True), (4 * first + 10 * second) / 14
    )
    only = mean_over_pairs(step, pair_loss("softmax"), lambda a, b: (a, b) == ("a", "b"))
    torch.testing.assert_close(only, first)
    assert float(mean_over_pairs(step, pair_loss("softmax"), lambda a, b: False)) == 0.0


def test_the_sigmoid_loss_has_the_log_odds_of_a_pair_as_bias() -> None:
    a, b, full = unit(0, 9), unit(1, 9), torch.ones(9, dtype=torch.bool)
    torch.testing.assert_close(
        pair_loss("sigmoid")(a, b, torch.tensor(10.0), full), sigmoid_loss(a, b, 10.0, -float(np.log(8)))
    )
