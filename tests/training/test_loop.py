"""A whole training: early stopping, the final stage, resuming, the log, progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import anybind.distributed
from anybind.fit_context import FitContext
from anybind.fit_data import Sample
from anybind.progress import EpochProgress
from anybind.training.checkpoint import CHECKPOINT, LOG
from anybind.training.job import Job
from anybind.training.loop import Trained, train
from anybind.training.stage import Stage

MakeJob = Callable[..., Job]


class Killed(Exception):
    """What stands in for a kill within the process."""


def killed_at(count: int) -> FitContext:
    """A context whose progress fails at the count-th epoch in all."""
    told: list[EpochProgress] = []

    def progress(epoch: EpochProgress) -> None:
        told.append(epoch)
        if len(told) == count:
            raise Killed

    return FitContext(progress=progress)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return {f"{s}/{name}": tensor for s, head in trained.heads.items() for name, tensor in head.weights.items()}


def same(a: Trained, b: Trained) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(t, second[n]) for n, t in first.items())


def log_of(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*/{LOG}")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# ------------------------------------------------------------------------------------- stages


def overfitting(make_job: MakeJob, make_sample: Callable[..., Sample], **given: Any) -> Job:
    """Many dims, few rows, no noise: heads soon learn the rows by heart."""
    samples = {"d": make_sample(1, 130, {"a": 60, "b": 60}, noise=3.0)}
    options = {"noise": 0.0, "learning_rate": 0.03, "epochs": 40, "patience": 6, "joint_dim": 16, **given}
    return make_job(samples=samples, **options)


def test_training_stops_early_where_it_overfits(make_job: MakeJob, make_sample: Any) -> None:
    job = overfitting(make_job, make_sample)
    history = train(job).history
    assert history["epochs_run"] == history["best_epoch"] + 6 < 40
    stage = Stage(job, 0)
    values = []
    for epoch in range(40):
        stage.run_epoch(epoch)
        values.append(stage.held_out())
    best = values.index(max(values[: history["epochs_run"]]))
    assert (history["best_epoch"], history["held_out_mrr"]) == (best + 1, values[best])
    assert history["held_out_mrr"] > values[-1]


def test_the_result_is_trained_on_all_rows_for_the_best_number_of_epochs(make_job: MakeJob) -> None:
    job = make_job()
    trained = train(job)
    stage = Stage(job, None)
    for epoch in range(trained.history["best_epoch"]):
        stage.run_epoch(epoch)
    assert same(trained, Trained(stage.model.heads(), {}))


def test_without_a_refit_the_best_heads_of_the_search_are_the_result(make_job: MakeJob, make_sample: Any) -> None:
    job = overfitting(make_job, make_sample, refit=False)
    trained = train(job)
    assert trained.history["best_epoch"] < trained.history["epochs_run"]
    stage = Stage(job, 0)
    for epoch in range(trained.history["best_epoch"]):
        stage.run_epoch(epoch)
    assert same(trained, Trained(stage.model.heads(), {}))


@pytest.mark.parametrize("reason", ["patience", "rows"])
def test_without_a_search_all_epochs_are_run_on_all_rows(
    make_job: MakeJob, make_sample: Any, tmp_path: Path, reason: str
) -> None:
    context = FitContext(checkpoints=tmp_path)
    few = {"d": make_sample(1, 60, {"a": 4, "b": 3})}
    job = make_job(patience=0, context=context) if reason == "patience" else make_job(samples=few, context=context)
    trained = train(job)
    assert trained.history == {"epochs_run": 6, "best_epoch": 6, "held_out_mrr": None}
    notes = [record["note"] for record in log_of(tmp_path) if "note" in record]
    assert bool(notes) == (reason == "rows"), "what was not asked for is said"
    stage = Stage(job, None)
    for epoch in range(6):
        stage.run_epoch(epoch)
    assert same(trained, Trained(stage.model.heads(), {}))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiny_data_sets_train(make_job: MakeJob, make_sample: Any, rows: int) -> None:
    trained = train(make_job(samples={"d": make_sample(1, rows, {"a": 4, "b": 3})}))
    assert all(torch.isfinite(tensor).all() for tensor in weights(trained).values())


def test_the_seed_decides_and_nothing_else(make_job: MakeJob) -> None:
    first = train(make_job(seed=3))
    torch.rand(5)
    assert same(first, train(make_job(seed=3)))
    assert not same(first, train(make_job(seed=4)))


# ------------------------------------------------------------------------------------- telling


def test_progress_and_log_tell_every_epoch(make_job: MakeJob, tmp_path: Path) -> None:
    told: list[EpochProgress] = []
    history = train(make_job(context=FitContext(checkpoints=tmp_path, progress=told.append))).history
    search = [epoch for epoch in told if epoch.held_out is not None]
    final = [epoch for epoch in told if epoch.held_out is None]
    assert [epoch.epoch for epoch in search] == list(range(1, history["epochs_run"] + 1))
    assert [epoch.epoch for epoch in final] == list(range(1, history["best_epoch"] + 1))
    assert {(epoch.label, epoch.epochs) for epoch in search} == {("contrast", 6)}
    assert {(epoch.label, epoch.epochs) for epoch in final} == {("contrast, all rows", history["best_epoch"])}
    assert max(epoch.held_out or 0 for epoch in search) == history["held_out_mrr"]
    logged = [(record["epoch"], record["losses"], record["held_out_mrr"]) for record in log_of(tmp_path)]
    assert logged == [(epoch.epoch, dict(epoch.losses), epoch.held_out) for epoch in told]
    assert search[-1].losses["contrast"] < search[0].losses["contrast"]


# ------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize(("refit", "head"), [(True, "linear"), (False, "mlp")])
def test_a_resumed_training_is_bit_for_bit_the_unbroken_one(
    make_job: MakeJob, tmp_path: Path, refit: bool, head: str
) -> None:
    options = {"refit": refit, "head": head, "learn_temperature": True, "mixing": 1.0, "patience": 3}
    unbroken = train(make_job(**options))
    epochs = unbroken.history["epochs_run"] + (unbroken.history["best_epoch"] if refit else 0)
    searched = unbroken.history["epochs_run"]
    for count in sorted({1, searched - 1, searched, min(searched + 2, epochs), epochs}):
        folder = tmp_path / str(count)
        with pytest.raises(Killed):
            train(make_job(context=replace(killed_at(count), checkpoints=folder), **options))
        told: list[EpochProgress] = []
        resumed = train(make_job(context=FitContext(checkpoints=folder, progress=told.append), **options))
        assert same(resumed, unbroken)
        assert resumed.history == unbroken.history
        assert len(told) == epochs - count, "no epoch is run twice"
        notes = [record["note"] for record in log_of(folder) if "note" in record]
        assert len(notes) == 1
        assert notes[0].startswith("resumed after epoch")
        assert len([record for record in log_of(folder) if "epoch" in record]) == epochs


def test_a_finished_fit_returns_at_once(make_job: MakeJob, tmp_path: Path) -> None:
    context = FitContext(checkpoints=tmp_path)
    first = train(make_job(context=context))
    log = log_of(tmp_path)

    def refuse() -> Any:
        raise AssertionError("trained again")

    again = train(make_job(context=context, objective=refuse))
    assert same(first, again)
    assert again.history == first.history
    assert log_of(tmp_path) == log


@pytest.mark.parametrize("other", [{"seed": 1}, {"learning_rate": 0.02}, {"samples": None}, {"label": "other"}])
def test_a_checkpoint_of_another_fit_is_not_used(
    make_job: MakeJob, make_sample: Any, tmp_path: Path, other: dict[str, Any]
) -> None:
    with pytest.raises(Killed):
        train(make_job(context=replace(killed_at(2), checkpoints=tmp_path)))
    if "samples" in other:
        other = {"samples": {"d1": make_sample(3, 160, {"a": 6, "b": 5}), "d2": make_sample(2, 140, {"b": 5, "c": 4})}}
    label = other.pop("label", "contrast")
    there = replace(make_job(context=FitContext(checkpoints=tmp_path), **other), label=label)
    assert same(train(there), train(replace(there, context=FitContext())))
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_is_logged_and_training_starts_over(
    make_job: MakeJob, tmp_path: Path, damage: str
) -> None:
    with pytest.raises(Killed):
        train(make_job(context=replace(killed_at(3), checkpoints=tmp_path)))
    (path,) = tmp_path.glob(f"*/{CHECKPOINT}")
    content = path.read_bytes()
    path.write_bytes(content[:-9] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 64]))
    assert same(train(make_job(context=FitContext(checkpoints=tmp_path))), train(make_job()))
    log = log_of(tmp_path)
    assert log[0]["note"].startswith("warning: the checkpoint is damaged, training starts over")
    assert [record["epoch"] for record in log[1:]][:3] == [1, 2, 3]


# A fit that kills itself in the middle of an epoch, at a given call of its objective.
FIT = """
import os, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
sys.path.insert(0, sys.argv[1])
from conftest import SMALL, sample
from anybind.fit_context import FitContext
from anybind.methods.all_pairs import PairContrast
from anybind.methods.trained import pair_loss
from anybind.training.job import Job
from anybind.training.loop import train
from anybind.training.options import TrainingOptions

folder, fatal = Path(sys.argv[2]), int(sys.argv[3])
calls = 0

def objective():
    contrast = PairContrast(pair_loss("softmax"))
    def call(step):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return contrast(step)
    return call

samples = {"d1": sample(1, 160, {"a": 6, "b": 5}), "d2": sample(2, 140, {"b": 5, "c": 4})}
context = FitContext(checkpoints=folder)
trained = train(Job("kill", TrainingOptions(**SMALL), {}, samples, ("a", "b", "c"), objective, context=context))
result = {f"{space}/{name}": t for space, head in trained.heads.items() for name, t in head.weights.items()}
save_file(result, folder / "result.safetensors")
"""


def run_fit(folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": str(Path(anybind.distributed.__file__).parents[1])}  # fmt: skip
    command = [sys.executable, "-W", "error", "-c", dedent(FIT), str(Path(__file__).parent), str(folder), str(fatal)]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120, check=False)


def test_killed_again_and_again_it_gives_the_same_bits(make_job: MakeJob, tmp_path: Path) -> None:
    # in the fourth epoch of the search (4 steps each), then in the fourth of the final stage (5 steps each)
    for fatal in (13, 28):
        assert run_fit(tmp_path, fatal).returncode == -signal.SIGKILL
    rest = run_fit(tmp_path, 0)
    assert rest.returncode == 0, rest.stderr
    notes = [record["note"] for record in log_of(tmp_path) if "note" in record]
    assert notes == ["resumed after epoch 3 of stage search", "resumed after epoch 3 of stage final"]
    expected, found = weights(train(make_job())), load_file(tmp_path / "result.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_settings_reach_the_key(make_job: MakeJob, tmp_path: Path) -> None:
    context = FitContext(checkpoints=tmp_path)
    settings: list[Mapping[str, Any]] = [{"options": 1}, {"options": 2}]
    for each in settings:
        train(replace(make_job(context=context, epochs=1), settings=each))
    assert len([*tmp_path.iterdir()]) == 2
