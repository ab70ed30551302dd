"""The whole training: how many epochs, on which rows, with checkpoints, a log and progress.

    search   train with one fold held out, and judge every epoch by retrieval on it; stop when it has not
             got better for ``patience`` epochs
    final    train anew on all rows, under the same schedule, for the best number of epochs

Without enough held-out pairs, or with ``patience`` 0, only the final stage runs, for all epochs. Without
``refit`` the best heads of the search are the result.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from anybind.progress import EpochProgress, reporting_epochs
from anybind.training.checkpoint import Keeper, Saved, fit_key
from anybind.training.heads import Head
from anybind.training.job import Job
from anybind.training.rows import FEWEST_HELD_OUT_PAIRS, held_out_fold
from anybind.training.stage import Stage

SEARCH, FINAL = "search", "final"


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        heads: Space -> head for centred rows.
        history: ``epochs_run`` of the search (of the only stage if there was no search), ``best_epoch``,
            the number of epochs that the result was trained for, and ``held_out_mrr`` at it, None without a search.
    """

    heads: Mapping[str, Head]
    history: Mapping[str, Any]


@dataclass(frozen=True)
class _State:
    """Where a training stands; JSON-plain."""

    stage: str
    epoch: int = 0
    epochs_run: int = 0
    best_epoch: int = 0
    held_out_mrr: float | None = None
    finished: bool = False
    records: list[dict[str, Any]] = field(default_factory=list)

    def history(self) -> dict[str, Any]:
        return {"epochs_run": self.epochs_run, "best_epoch": self.best_epoch, "held_out_mrr": self.held_out_mrr}


def train(job: Job) -> Trained:
    """Train heads; goes on from a checkpoint of the same job if there is one.

    A resumed training gives bit for bit what an unbroken one gives on the same machine.

    Raises:
        UsageError: the training diverged.
        StoreError: a checkpoint or the log cannot be written.
    """
    key = fit_key(job.label, {"seed": job.seed, "spaces": job.spaces, **job.settings}, job.samples)
    keeper = Keeper(job.context.checkpoints, f"{job.label}-{key}", job.context.runtime)
    saved = keeper.load()
    if isinstance(saved, Saved) and saved.state["finished"]:
        return Trained(_heads(saved.tensors, "result/"), _State(**saved.state).history())
    with reporting_epochs(job.context.progress, job.context.runtime) as report:
        return _Training(job, keeper, report).run(saved)


class _Training:
    def __init__(self, job: Job, keeper: Keeper, report: Any) -> None:
        self._job, self._keeper, self._report = job, keeper, report
        folds = max((int(sample.folds.max()) + 1 for sample in job.samples.values() if len(sample.ids)), default=1)
        self._fold = held_out_fold(job.samples, job.spaces, folds) if job.options.patience else None
        self._state = _State(FINAL if self._fold is None else SEARCH)
        self._best: dict[str, Head] = {}
        self._began = time.monotonic()

    def run(self, saved: Saved | str | None) -> Trained:
        stage = self._resumed(saved) if isinstance(saved, Saved) else self._started(saved)
        if self._state.stage == SEARCH:
            self._search(stage)
            if not self._job.options.refit:
                return self._finished(self._best)
            self._state = replace(self._state, stage=FINAL, epoch=0)
            stage = Stage(self._job, None)
        return self._finished(self._final(stage))

    def _finished(self, heads: dict[str, Head]) -> Trained:
        self._state = replace(self._state, finished=True)
        self._keeper.save(Saved(asdict(self._state), _named(heads, "result/")))
        return Trained(heads, self._state.history())

    def _started(self, problem: str | None) -> Stage:
        """Begin, with what is unusual about this training in the log."""
        if problem is not None:
            self._note(f"warning: the checkpoint is damaged, training starts over: {problem}")
        if self._fold is None and self._job.options.patience:
            self._note(f"no early stopping: no fold holds {FEWEST_HELD_OUT_PAIRS} pairs that can be held out")
        self._keeper.start_log(self._state.records)
        return Stage(self._job, self._fold)

    def _resumed(self, saved: Saved) -> Stage:
        self._state = _State(**saved.state)
        self._best = _heads(saved.tensors, "best/")
        self._note(f"resumed after epoch {self._state.epoch} of stage {self._state.stage}")
        self._keeper.start_log(self._state.records)
        stage = Stage(self._job, self._fold if self._state.stage == SEARCH else None)
        stage.load(saved.tensors)
        return stage

    def _search(self, stage: Stage) -> None:
        options = self._job.options
        while self._state.epoch < options.epochs and self._since_best() < options.patience:
            epoch = self._state.epoch + 1
            losses, mrr = stage.run_epoch(epoch - 1), self._job.context.runtime.broadcast(stage.held_out())
            if epoch > self._job.warm_up and (self._state.held_out_mrr is None or mrr > self._state.held_out_mrr):
                self._best = stage.model.heads()
                self._state = replace(self._state, best_epoch=epoch, held_out_mrr=mrr)
            self._state = replace(self._state, epoch=epoch, epochs_run=epoch)
            self._finish_epoch(stage, losses, mrr, options.epochs)

    def _since_best(self) -> int:
        return self._state.epoch - max(self._state.best_epoch, self._job.warm_up)

    def _final(self, stage: Stage) -> dict[str, Head]:
        searched = self._state.held_out_mrr is not None
        epochs = self._state.best_epoch if searched else self._job.options.epochs
        while self._state.epoch < epochs:
            epoch = self._state.epoch + 1
            losses = stage.run_epoch(epoch - 1)
            self._state = replace(self._state, epoch=epoch)
            if not searched:
                self._state = replace(self._state, epochs_run=epoch, best_epoch=epoch)
            self._finish_epoch(stage, losses, None, epochs)
        return stage.model.heads()

    def _finish_epoch(self, stage: Stage, losses: dict[str, float], mrr: float | None, epochs: int) -> None:
        """Log, keep and report an epoch."""
        seconds, epoch = time.monotonic() - self._began, self._state.epoch
        record = {
            "stage": self._state.stage, "epoch": epoch, "losses": losses, "held_out_mrr": mrr,
            "seconds": round(seconds, 3),
        }  # fmt: skip
        self._state = replace(self._state, records=[*self._state.records, record])
        self._keeper.log(record)
        if self._job.context.checkpoints is not None:
            self._keeper.save(Saved(asdict(self._state), stage.tensors() | _named(self._best, "best/")))
        label = self._job.label if self._state.stage == SEARCH or mrr is not None else f"{self._job.label}, all rows"
        self._report(EpochProgress(label, epoch, epochs, losses, mrr, seconds))

    def _note(self, text: str) -> None:
        self._state = replace(self._state, records=[*self._state.records, {"note": text}])


def _named(heads: Mapping[str, Head], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{space}/{name}": t for space, head in heads.items() for name, t in head.weights.items()}


def _heads(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Head]:
    weights: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(prefix):
            space, _, name = key.removeprefix(prefix).rpartition("/")
            weights.setdefault(space, {})[name] = tensor
    return {space: Head(found) for space, found in weights.items()}
