"""AdamW over named tensors, with a schedule, and a state that can be saved by name."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

_LARGEST_GRADIENT = 1.0
_WARM_UP = 0.05
_PARTS = ("step", "exp_avg", "exp_avg_sq")


class Optimiser:
    """Steps against a loss.

    Args:
        tensors: What is trained, by name; gradients are switched on.
        rate: The learning rate after warm-up; it falls along half a cosine.
        weight_decay: AdamW's.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], rate: float, weight_decay: float) -> None:
        self._tensors = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
        self._adamw = torch.optim.AdamW([*self._tensors.values()], lr=rate, weight_decay=weight_decay)
        self._rate = rate

    def step(self, loss: torch.Tensor, share_done: float) -> None:
        """One step, at a point of the schedule in [0, 1)."""
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*self._tensors.values()], _LARGEST_GRADIENT)
        warm = min(1.0, (share_done + 1e-3) / _WARM_UP)
        for group in self._adamw.param_groups:
            group["lr"] = self._rate * warm * (1 + math.cos(math.pi * share_done)) / 2
        self._adamw.step()

    def state(self) -> dict[str, torch.Tensor]:
        """What is trained, and what AdamW remembers of it."""
        found = dict(self._tensors)
        for name, tensor in self._tensors.items():
            if tensor in self._adamw.state:
                found |= {f"adamw/{part}/{name}": self._adamw.state[tensor][part] for part in _PARTS}
        return found

    def load(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Go back to what ``state()`` was."""
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(saved[name])
                if f"adamw/step/{name}" in saved:
                    remembered = {part: saved[f"adamw/{part}/{name}"] for part in _PARTS}
                    self._adamw.state[tensor] = {
                        part: value if part == "step" else value.to(tensor.device) for part, value in remembered.items()
                    }
