"""An affine map of one space's rows: subtract a mean, multiply by a matrix. What closed forms are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from anybind.errors import ArtifactError, DataError
from anybind.moments import Group, Moments
from anybind.steps import Linear, Shift, Steps

# Rows that differ by less than this share of their mean square differ by the rounding of float32 only.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class SpaceMap:
    """``mean``: (d,) float64. ``matrix``: (d, r) float64."""

    mean: torch.Tensor
    matrix: torch.Tensor

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, r) float64."""
        return (vectors.to(torch.float64) - self.mean) @ self.matrix

    def embedding_steps(self) -> Steps:
        """The map, step by step."""
        return Shift(-self.mean), Linear(self.matrix)

    def tensors(self, space: str) -> dict[str, torch.Tensor]:
        """The two tensors by name, for saving."""
        return {f"{space}/mean": self.mean, f"{space}/map": self.matrix}

    @classmethod
    def restore(cls, space: str, tensors: Mapping[str, torch.Tensor], width: int | None = None) -> SpaceMap:
        """The map saved for ``space``; ``width`` is the number of output dims it must have."""
        mean, matrix = tensors[f"{space}/mean"], tensors[f"{space}/map"]
        if mean.ndim != 1 or matrix.ndim != 2 or len(mean) != len(matrix) or width not in (None, matrix.shape[1]):
            raise ArtifactError(
                "a space's tensors have the wrong shape", where=f"space {space!r}",
                got=f"mean {tuple(mean.shape)}, map {tuple(matrix.shape)}", expected=f"(d,) and (d, {width or 'r'})",
            )  # fmt: skip
        return cls(mean, matrix)


def pooled_means(moments: Moments) -> dict[str, torch.Tensor]:
    """Each space's mean over all data sets that hold it, every data set counting by its rows."""
    totals: dict[str, torch.Tensor] = {}
    counts: dict[str, int] = {}
    for (dataset, space), mean in moments.means().items():
        rows = moments.pairs(space, space, dataset)
        totals[space] = totals.get(space, torch.zeros_like(mean)) + rows * mean
        counts[space] = counts.get(space, 0) + rows
    return {space: total / counts[space] for space, total in totals.items()}


def require_variance(groups: Sequence[Group], space: str) -> None:
    """Refuse a space whose rows are equal, up to rounding, within every group.

    Raises:
        DataError: no group holds the space, or it does not vary.
    """
    holding = [g for g in groups if space in g.spaces]
    varying = sum(g.n * float(g.block(space, space).trace()) for g in holding)
    level = sum(g.n * float(g.mean[g.columns[space]].square().sum()) for g in holding)
    if varying <= _ROUNDING * (varying + level):
        raise DataError(
            "a space does not vary", where=f"space {space!r}", got="all its rows are equal" if holding else "no rows",
            expected="vectors that differ between items", hint="check the encoder, or leave the space out",
        )  # fmt: skip
