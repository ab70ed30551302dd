"""One stage of a training: some rows to train on, perhaps others to judge by, and epochs over them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anybind.errors import UsageError
from anybind.objectives.mixing import mix
from anybind.objectives.neighbourhood import neighbourhood_loss
from anybind.retrieval import ranks_from_scores
from anybind.training.batches import batches, generator, steps_per_epoch
from anybind.training.job import Job
from anybind.training.model import Model
from anybind.training.ranks import gathered, share
from anybind.training.rows import prepared
from anybind.training.step import ByDataset, Objective, Step

# Every row of a larger held-out part would cost more than it tells.
_MOST_HELD_OUT = 2000

_Blocks = dict[tuple[str, str], Tensor]


class Stage:
    """Trains on all folds but one, or on all of them."""

    def __init__(self, job: Job, fold: int | None) -> None:
        rows = prepared(job.samples, job.spaces, fold, job.fewest, job.unseen)
        self._job, self._rows, self._held_out = job, rows.train, rows.held_out
        self.model = Model(job, rows)
        self._objective: Objective = job.objective()
        getattr(self._objective, "begin_stage", lambda _: None)(rows.train.folds)
        counts = {space: rows.train.count(space) for space in job.spaces}
        self._noise = {s: job.options.noise * math.sqrt(rows.train.dim(s) / n) for s, n in counts.items()}

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train through an epoch, from 0; the mean of every part of the loss, and their sum as ``total``.

        Raises:
            UsageError: the loss is not finite any more.
        """
        options, sizes = self._job.options, {name: self._rows.size(name) for name in self._rows.present}
        begin = getattr(self._objective, "begin_epoch", None)
        if begin is not None:
            begin(epoch, self._embed_all)
        steps = steps_per_epoch(sizes, options.batch_size)
        totals: dict[str, float] = {}
        for number, chosen in enumerate(batches(sizes, options.batch_size, self._job.seed, epoch)):
            parts = self._parts(chosen, epoch, number)
            loss = torch.stack(list(parts.values())).sum()
            values = {name: float(part.detach()) for name, part in parts.items()} | {"total": float(loss.detach())}
            if not math.isfinite(values["total"]):
                raise _diverged(self._job, epoch, values)
            if loss.requires_grad:
                self.model.update(loss, (epoch + number / steps) / options.epochs)
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + value / steps
        return totals

    def held_out(self) -> float:
        """Mean reciprocal rank of held-out pairs: mean over data sets, pairs of spaces, and both directions."""
        values = []
        for name, present in self._held_out.present.items():
            embedded = {s: self.model.embed(s, v).detach() for s, v in self._held_out.vectors[name].items()}
            spaces = sorted(present)
            for a, b in [(a, b) for i, a in enumerate(spaces) for b in spaces[i + 1 :]]:
                both = (present[a] & present[b]).nonzero()[:_MOST_HELD_OUT, 0]
                if len(both) >= 2:
                    values.append(_symmetric_mrr(embedded[a][both] @ embedded[b][both].T))
        return sum(values) / len(values)

    def tensors(self) -> dict[str, Tensor]:
        """All that must survive a resume."""
        state: Mapping[str, Tensor] = getattr(self._objective, "state", dict)()
        return self.model.tensors() | {f"objective/{name}": tensor for name, tensor in state.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what ``tensors()`` was."""
        self.model.load(tensors)
        prefix = "objective/"
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if hasattr(self._objective, "load_state"):
            self._objective.load_state(own)

    def _parts(self, chosen: Mapping[str, Tensor], epoch: int, number: int) -> dict[str, Tensor]:
        key = (self._job.seed, epoch, number)
        inputs, present = self._inputs(chosen, key)
        views = [self._view(inputs, present, ("noise", *key), 0.0)]
        if self._job.augmentation:
            views.append(self._view(inputs, present, ("augmentation", *key), self._job.augmentation))
        step = Step(
            views[0], present, inputs, self.model.scales(), epoch, self._job.options.epochs,
            views[1] if len(views) > 1 else None, generator("objective", *key),
        )  # fmt: skip
        parts = dict(self._objective(step))
        if self._job.options.neighbourhood:
            parts["neighbourhood"] = self._job.options.neighbourhood * _neighbourhood(step)
        return parts

    def _inputs(self, chosen: Mapping[str, Tensor], key: tuple[Any, ...]) -> tuple[ByDataset, ByDataset]:
        """The rows of a batch, mixed if the options say so, and which there are."""
        inputs, present = {}, {}
        for name, numbers in chosen.items():
            vectors = {space: rows[numbers] for space, rows in self._rows.vectors[name].items()}
            masks = {space: mask[numbers] for space, mask in self._rows.present[name].items()}
            if self._job.options.mixing:
                vectors, masks = mix(vectors, masks, generator("mix", *key, name), self._job.options.mixing)
            inputs[name], present[name] = vectors, masks
        return inputs, present

    def _view(self, inputs: ByDataset, present: ByDataset, key: tuple[Any, ...], more: float) -> ByDataset:
        """A batch in the joint space, from every rank's share, after noise on the inputs."""
        runtime = self._job.context.runtime
        blocks: _Blocks = {}
        for name, by_space in inputs.items():
            for space, rows in by_space.items():
                own, noise = share(len(rows), runtime), math.hypot(self._noise[space], more)
                drawn = torch.randn(rows.shape, generator=generator(*key, name, space)) if noise else 0.0
                embedded = self.model.embed(space, (rows + noise * drawn)[own])
                blocks[name, space] = embedded * present[name][space][own, None]
        sizes = [len(inputs[name][space]) for name, space in blocks]
        whole = dict(zip(blocks, gathered(list(blocks.values()), sizes, runtime), strict=True))
        return {name: {space: whole[name, space] for space in by_space} for name, by_space in inputs.items()}

    def _embed_all(self) -> tuple[ByDataset, ByDataset]:
        """Every training row in the joint space, without gradient, and which there are."""
        with torch.no_grad():
            embedded = {
                name: {s: self.model.embed(s, rows) * self._rows.present[name][s][:, None] for s, rows in v.items()}
                for name, v in self._rows.vectors.items()
            }
        return embedded, self._rows.present


def _neighbourhood(step: Step) -> Tensor:
    losses = [
        neighbourhood_loss(step.inputs[name][space], embedded, step.present[name][space])
        for name, by_space in step.embedded.items()
        for space, embedded in by_space.items()
    ]
    return torch.stack(losses).mean()


def _symmetric_mrr(table: Tensor) -> float:
    truth = torch.arange(len(table))
    return float(sum((1 / ranks_from_scores(t, truth)).mean() for t in (table, table.T))) / 2


def _diverged(job: Job, epoch: int, values: Mapping[str, float]) -> UsageError:
    return UsageError(
        f"the training of {job.label} diverged", where=f"epoch {epoch + 1}",
        got=", ".join(f"{name} {value:g}" for name, value in values.items()), expected="finite losses",
        hint="lower the learning_rate, or raise the temperature",
    )  # fmt: skip
