"""The map from a space's vectors to the joint space, step by step, for whoever must write it down elsewhere.

A map is a tuple of steps, each a callable from (n, d) to (n, r) rows. Beside those here, the kernel features
(``anybind.features``) and the lookup of ``relative`` (``anybind.methods.memory``) are steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

Step: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Steps: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True)
class UnitLength:
    """Rows scaled to length 1; a row of zeros stays."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(rows, dim=1, eps=torch.finfo(rows.dtype).tiny)


@dataclass(frozen=True)
class Shift:
    """``rows + by``, by: (d,)."""

    by: torch.Tensor

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return rows + self.by.to(rows.dtype)


@dataclass(frozen=True)
class Linear:
    """``rows @ matrix``, matrix: (d, r)."""

    matrix: torch.Tensor

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.matrix.to(rows.dtype)


@dataclass(frozen=True)
class Gelu:
    """The Gaussian error linear unit of every number, exact."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(rows)


@dataclass(frozen=True)
class SideBySide:
    """The outcomes of several maps of the same rows, times ``scale``, one after the other in each row."""

    maps: tuple[Steps, ...]
    scale: float

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([run(steps, rows) for steps in self.maps], dim=1) * self.scale


def run(steps: Sequence[Step], rows: torch.Tensor) -> torch.Tensor:
    """(n, d) -> (n, r) float64, whatever some steps do in float32."""
    rows = rows.to(torch.float64)
    for step in steps:
        rows = step(rows).to(torch.float64)
    return rows
