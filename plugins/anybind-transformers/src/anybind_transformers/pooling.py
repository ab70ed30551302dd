"""From hidden states to one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

import anybind


@dataclass(frozen=True)
class Pooling:
    """Which states of a network's output count, and how they become one vector.

    Attributes:
        encoder: The encoder's name, for messages.
        kind: "mean" over places, "cls" for the first, "last" for the last one that is no padding, or "pooler".
        layer: Index into the hidden states, of which 0 is the embeddings; None for the network's output.
    """

    encoder: str
    kind: str
    layer: int | None

    def __post_init__(self) -> None:
        if self.kind == "pooler" and self.layer is not None:
            raise self._wrong("pooling", "pooler with a layer", "pooler alone: it reads the network's output")

    def __call__(self, output: Any, mask: torch.Tensor | None) -> torch.Tensor:
        """Pool.

        Args:
            output: What a network of transformers returned.
            mask: (n, places) 1 where a place is no padding, None when nothing was padded.

        Returns:
            (n, dim).

        Raises:
            UsageError: the network has no such layer or no pooler, or its states have no places in order.
        """
        if self.kind == "pooler":
            return self._pooler(output)
        states = self._states(output)
        if states.ndim == 4:  # feature maps (n, dim, height, width)
            if self.kind != "mean":
                raise self._wrong("pooling", f"{self.kind} of feature maps", "mean or pooler")
            return states.mean((2, 3))
        if mask is None or mask.shape[1] != states.shape[1]:
            mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        return _pooled(self.kind, states, mask)

    def _states(self, output: Any) -> torch.Tensor:
        if self.layer is None:
            found: torch.Tensor = output.last_hidden_state
            return found
        layers = output.hidden_states
        if not -len(layers) <= self.layer < len(layers):
            raise self._wrong("layer", self.layer, f"{-len(layers)} to {len(layers) - 1}")
        chosen: torch.Tensor = layers[self.layer]
        return chosen

    def _pooler(self, output: Any) -> torch.Tensor:
        found = getattr(output, "pooler_output", None)
        if found is None:
            raise self._wrong("pooling", "pooler, which this network has not", "mean, cls or last")
        pooled: torch.Tensor = found.flatten(1)
        return pooled

    def _wrong(self, option: str, got: object, expected: str) -> anybind.UsageError:
        where = f"encoder {self.encoder}, option {option}"
        return anybind.UsageError("an option does not fit the checkpoint", where=where, got=got, expected=expected)


def _pooled(kind: str, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if kind == "cls":
        return states[:, 0]
    if kind == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
    weights = mask.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
