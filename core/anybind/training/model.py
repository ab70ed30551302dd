"""What is trained: the heads and temperatures, with their optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anybind.training.batches import generator
from anybind.training.heads import Head, new_head, principal_head
from anybind.training.job import Job
from anybind.training.options import LARGEST_SCALE, scales_of
from anybind.training.ranks import sum_gradients
from anybind.training.rows import Prepared

_LARGEST_GRADIENT = 1.0
_WARM_UP = 0.05
# Shorter outputs are not scaled to unit length while training: their gradient would drown all others'.
_FLOOR = 1e-3


class Model:
    """Heads for scaled rows, a temperature per space, and AdamW over both."""

    def __init__(self, job: Job, rows: Prepared) -> None:
        self._units, self._runtime = rows.units, job.context.runtime
        heads = {space: _first_head(job, rows, space) for space in job.spaces}
        self._heads = self._runtime.broadcast({space: dict(head.weights) for space, head in heads.items()})
        self._log_scales = {
            space: torch.tensor(math.log(scale)) for space, scale in scales_of(job.options, job.spaces).items()
        }
        self._own = {
            f"head/{space}/{name}": tensor
            for space, weights in self._heads.items() if space not in job.frozen
            for name, tensor in weights.items()
        }  # fmt: skip
        learnt = self._log_scales if job.options.learn_temperature else {}
        self._shared = {f"log-scale/{space}": tensor for space, tensor in learnt.items()}
        self._optimizer = _adamw(job, self._own, self._shared)
        self._rate = job.options.learning_rate

    def embed(self, space: str, rows: Tensor) -> Tensor:
        """(n, d) scaled rows -> (n, r) unit rows, with gradient."""
        return Head(self._heads[space])(rows, floor=_FLOOR)

    def scales(self) -> dict[str, Tensor]:
        """Space -> () one over its temperature."""
        return {space: log.exp().clamp(max=LARGEST_SCALE) for space, log in self._log_scales.items()}

    def update(self, loss: Tensor, share_done: float) -> None:
        """One step against a loss, at the learning rate of a point of the schedule in [0, 1)."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients([*self._own.values()], [*self._shared.values()], self._runtime)
        torch.nn.utils.clip_grad_norm_([*self._own.values(), *self._shared.values()], _LARGEST_GRADIENT)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * _schedule(share_done)
        self._optimizer.step()

    def heads(self) -> dict[str, Head]:
        """The heads as they are now, for centred rows that are not scaled."""
        heads = {space: Head({name: t.detach().clone() for name, t in w.items()}) for space, w in self._heads.items()}
        return {space: head.after_dividing_by(self._units[space]) for space, head in heads.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and the optimiser's state, by name."""
        found: dict[str, Tensor] = {}
        for name, tensor in self._trained().items():
            found[name] = tensor
            state: Mapping[str, Tensor] = self._optimizer.state[tensor] if tensor in self._optimizer.state else {}
            found |= {f"optimizer/{part}/{name}": value for part, value in state.items()}
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what ``tensors()`` was."""
        with torch.no_grad():
            for name, tensor in self._trained().items():
                tensor.copy_(tensors[name])
                parts = ("step", "exp_avg", "exp_avg_sq")
                found = {part: tensors.get(f"optimizer/{part}/{name}") for part in parts}
                if all(value is not None for value in found.values()):
                    self._optimizer.state[tensor] = found

    def _trained(self) -> dict[str, Tensor]:
        return self._own | self._shared


def _first_head(job: Job, rows: Prepared, space: str) -> Head:
    """Heads that stay as they are keep the cosines of their rows; the others start at random."""
    options = job.options
    if space in job.frozen:
        return principal_head(rows.train.stacked(space), options.joint_dim)
    dim = rows.train.dim(space)
    draw = generator("head", job.seed, space)
    return new_head(options.head, dim, options.joint_dim, options.hidden_dim, draw)


def _adamw(job: Job, own: Mapping[str, Tensor], shared: Mapping[str, Tensor]) -> torch.optim.AdamW:
    """Weight decay on matrices only."""
    decayed: list[Tensor] = []
    others: list[Tensor] = []
    for tensor in [*own.values(), *shared.values()]:
        (decayed if tensor.ndim == 2 else others).append(tensor.requires_grad_())
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": job.options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=job.options.learning_rate)


def _schedule(share_done: float) -> float:
    """Share of the learning rate: a linear warm-up, then half a cosine down to 0."""
    return min(1.0, (share_done + 1e-3) / _WARM_UP) * (1 + math.cos(math.pi * share_done)) / 2
