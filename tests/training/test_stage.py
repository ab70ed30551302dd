"""A stage: what the objective is handed, what is judged, what survives a resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from anybind.errors import UsageError
from anybind.fit_data import Sample
from anybind.training.job import Job
from anybind.training.stage import Stage
from anybind.training.step import Step

MakeJob = Callable[..., Job]
MakeSample = Callable[..., Sample]


@dataclass
class Recorder:
    """An objective that keeps the steps it sees and pulls nothing anywhere."""

    steps: list[Step] = field(default_factory=list)
    epochs: list[Any] = field(default_factory=list)
    memory: dict[str, torch.Tensor] = field(default_factory=dict)

    def __call__(self, step: Step) -> Mapping[str, torch.Tensor]:
        self.steps.append(step)
        parts = [x.sum() * 0.01 for by_space in step.embedded.values() for x in by_space.values()]
        return {"one": torch.stack(parts).sum(), "two": torch.tensor(0.5)}

    def begin_epoch(self, epoch: int, embed_all: Callable[[], Any]) -> None:
        self.epochs.append((epoch, embed_all()))

    def state(self) -> dict[str, torch.Tensor]:
        return {"mean": torch.tensor([1.0, 2.0])}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        self.memory = state


def recorded(job: Job, epochs: int = 1, fold: int | None = 0) -> tuple[Stage, Recorder]:
    recorder: Any = job.objective()
    stage = Stage(job, fold)
    for epoch in range(epochs):
        stage.run_epoch(epoch)
    return stage, recorder


@pytest.fixture
def recorder_job(make_job: MakeJob) -> Callable[..., tuple[Job, Recorder]]:
    def make(**given: Any) -> tuple[Job, Recorder]:
        recorder = Recorder()
        return make_job(objective=lambda: recorder, **given), recorder

    return make


def test_a_step_has_unit_rows_zeros_where_absent_and_the_schedule(recorder_job: Any, make_sample: MakeSample) -> None:
    has = np.arange(100) % 3 > 0
    samples = {"d": make_sample(1, 100, {"a": 4, "b": 3, "c": 2}, a=has)}
    job, recorder = recorder_job(samples=samples, temperatures=["b=0.5"], epochs=7)
    losses = Stage(job, None).run_epoch(2)
    step = recorder.steps[0]
    assert (step.epoch, step.epochs, step.augmented) == (2, 7, None)
    for space, embedded in step.embedded["d"].items():
        present = step.present["d"][space]
        torch.testing.assert_close(embedded.norm(dim=1), present.float())
        assert embedded.requires_grad
        assert not step.inputs["d"][space].requires_grad
        assert step.inputs["d"][space].shape == (len(embedded), samples["d"].vectors[space].shape[1])
    assert {space: round(float(scale), 4) for space, scale in step.scales.items()} == {"a": 10, "b": 2, "c": 10}
    assert losses["two"] == pytest.approx(0.5)
    assert losses["total"] == pytest.approx(losses["one"] + losses["two"])


def test_noise_is_as_strong_as_pseudo_rows_and_drawn_anew(recorder_job: Any) -> None:
    """Frozen heads are fixed maps, so what differs between two steps on the same rows is the noise."""

    def spread(noise: float, second: float = 0.0) -> float:
        job, recorder = recorder_job(noise=noise, augmentation=second, batch_size=200, frozen=frozenset("ab"))
        Stage(job, None).run_epoch(0)
        first = recorder.steps[0]
        other = first.augmented["d1"]["a"] if second else recorder.steps[1].embedded["d1"]["a"]
        order = [torch.argsort(rows[:, 0]) for rows in (first.inputs["d1"]["a"], recorder.steps[1].inputs["d1"]["a"])]
        if second:
            return float((first.embedded["d1"]["a"] - other).norm(dim=1).mean())
        return float((first.embedded["d1"]["a"][order[0]] - other[order[1]]).norm(dim=1).mean())

    assert spread(0.0) < 1e-6
    assert 0.05 < spread(0.5) < spread(1.0) < spread(2.0)
    assert 0.05 < spread(0.0, second=0.2) < spread(0.0, second=0.5)


def test_mixed_inputs_are_mixtures_of_two_rows_in_every_space(recorder_job: Any) -> None:
    job, recorder = recorder_job(mixing=1.0, noise=0.0)
    Stage(job, None).run_epoch(0)
    mixed = recorder.steps[0].inputs["d1"]
    rows = torch.cat([Stage(job, None)._rows.vectors["d1"][space] for space in "ab"], dim=1).double()
    row = torch.cat([mixed["a"][0], mixed["b"][0]]).double()
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    first, second = rows[[i for i, _ in pairs]], rows[[j for _, j in pairs]]
    weight = ((row - second) * (first - second)).sum(1) / (first - second).square().sum(1)
    misses = (weight[:, None] * first + (1 - weight[:, None]) * second - row).norm(dim=1)
    assert float(misses.min()) < 1e-5, "one weight and one partner serve both spaces"


def test_hooks_see_all_rows_and_their_state_survives(recorder_job: Any) -> None:
    job, recorder = recorder_job()
    stage = Stage(job, 0)
    stage.run_epoch(3)
    epoch, (embedded, present) = recorder.epochs[0]
    assert epoch == 3
    assert len(embedded["d1"]["a"]) == int((job.samples["d1"].folds != 0).sum()) == len(present["d1"]["a"])
    assert not embedded["d1"]["a"].requires_grad
    Stage(job, 0).load(stage.tensors())
    assert recorder.memory["mean"].tolist() == [1.0, 2.0]


def test_held_out_retrieval_is_the_mean_over_edges_and_directions(make_job: MakeJob, make_sample: MakeSample) -> None:
    has = np.arange(90) % 3 > 0
    samples = {"d1": make_sample(1, 90, {"a": 4, "b": 3}, a=has), "d2": make_sample(2, 80, {"b": 3, "c": 2})}
    job = make_job(samples=samples)
    stage = Stage(job, 0)
    heads = stage.model.heads()
    values = []
    for sample, a, b in ((samples["d1"], "a", "b"), (samples["d2"], "b", "c")):
        both, out = sample.present[a] & sample.present[b], sample.folds == 0
        rows = {}
        for space in (a, b):
            mean = sample.vectors[space][~out & sample.present[space]].mean(0)
            rows[space] = heads[space](sample.vectors[space][out & both] - mean)
        table = (rows[a] @ rows[b].T).numpy()
        for one_way in (table, table.T):
            values.append(np.mean([1 / (1 + (scores > scores[i]).sum()) for i, scores in enumerate(one_way)]))
    assert stage.held_out() == pytest.approx(np.mean(values), abs=1e-6)


def test_a_step_is_that_of_torch(make_job: MakeJob, make_sample: MakeSample) -> None:
    """One epoch against a loop written with torch's own AdamW and plain InfoNCE."""
    job = make_job(samples={"d": make_sample(1, 64, {"a": 4, "b": 3})}, noise=0.0, epochs=5, batch_size=64)
    stage = Stage(job, None)
    rows = {space: stage._rows.vectors["d"][space] for space in "ab"}
    weights = {s: w["weight"].detach().clone().requires_grad_() for s, w in stage.model._heads.items()}
    optimizer = torch.optim.AdamW([*weights.values()], lr=0.01, weight_decay=0.1)
    steps = 4  # passes of one batch
    for number in range(steps):
        done = number / (steps * 5)
        rate = 0.01 * min(1, (done + 1e-3) / 0.05) * (1 + math.cos(math.pi * done)) / 2
        z = [torch.nn.functional.normalize(rows[space] @ weights[space], dim=1) for space in "ab"]
        logits, truth = 10 * z[0] @ z[1].T, torch.arange(64)
        loss = sum(torch.nn.functional.cross_entropy(table, truth) for table in (logits, logits.T)) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*weights.values()], 1.0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    stage.run_epoch(0)
    for space in "ab":
        torch.testing.assert_close(stage.model._heads[space]["weight"], weights[space], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learnt", [True, False])
def test_temperatures_move_only_when_they_are_learnt(make_job: MakeJob, learnt: bool) -> None:
    stage = Stage(make_job(learn_temperature=learnt, temperature=0.5, epochs=30), None)
    for epoch in range(5):
        stage.run_epoch(epoch)
    scales = [float(scale.detach()) for scale in stage.model.scales().values()]
    assert all((abs(scale - 2) > 0.01) == learnt for scale in scales)


def test_a_scale_never_exceeds_100(make_job: MakeJob) -> None:
    stage = Stage(make_job(learn_temperature=True, temperature=0.01, learning_rate=1.0), None)
    stage.run_epoch(0)
    assert all(float(scale.detach()) <= 100 + 1e-4 for scale in stage.model.scales().values())


def test_frozen_heads_stay_and_the_others_move(make_job: MakeJob) -> None:
    stage = Stage(make_job(frozen=frozenset("b")), None)
    before = stage.model.heads()
    stage.run_epoch(0)
    after = stage.model.heads()
    moved = {s: not torch.equal(after[s].weights["weight"], before[s].weights["weight"]) for s in before}
    assert moved == {"a": True, "b": False, "c": True}


def test_neighbourhood_preservation_is_a_part_of_the_loss(make_job: MakeJob) -> None:
    plain, kept = (Stage(make_job(neighbourhood=weight, epochs=10), None) for weight in (0.0, 5.0))
    losses = [[stage.run_epoch(epoch) for epoch in range(8)] for stage in (plain, kept)]
    assert [*losses[0][0]] == ["contrast", "total"]
    assert [*losses[1][0]] == ["contrast", "neighbourhood", "total"]
    assert losses[1][-1]["neighbourhood"] < losses[1][0]["neighbourhood"]


def test_a_loss_that_is_not_finite_stops_the_training(make_job: MakeJob) -> None:
    def objective(step: Step) -> Mapping[str, torch.Tensor]:
        return {"bad": torch.stack([x.sum() for x in step.embedded["d1"].values()]).sum() / 0}

    with pytest.raises(UsageError, match="diverged") as error:
        Stage(make_job(objective=lambda: objective), None).run_epoch(1)
    assert error.value.where == "epoch 2"


def test_an_objective_without_gradient_leaves_the_heads(make_job: MakeJob) -> None:
    stage = Stage(make_job(objective=lambda: lambda step: {"nothing": torch.zeros(())}), None)
    before = stage.model.heads()["a"].weights["weight"]
    assert stage.run_epoch(0) == {"nothing": 0.0, "total": 0.0}
    assert torch.equal(stage.model.heads()["a"].weights["weight"], before)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_stage_goes_on_from_its_tensors(make_job: MakeJob, head: str) -> None:
    job = make_job(head=head, hidden_dim=8, learn_temperature=True)
    unbroken, first, second = Stage(job, 0), Stage(job, 0), Stage(job, 0)
    for epoch in range(4):
        unbroken.run_epoch(epoch)
    for epoch in range(2):
        first.run_epoch(epoch)
    second.load({name: tensor.clone() for name, tensor in first.tensors().items()})
    for epoch in range(2, 4):
        second.run_epoch(epoch)
    expected, found = unbroken.tensors(), second.tensors()
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
