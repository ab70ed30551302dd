"""An affine map of one space's rows: subtract a mean, multiply by a matrix. What closed forms are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from anybind.errors import ArtifactError
from anybind.moments import Moments


@dataclass(frozen=True)
class SpaceMap:
    """``mean``: (d,) float64. ``matrix``: (d, r) float64."""

    mean: torch.Tensor
    matrix: torch.Tensor

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, r) float64."""
        return (vectors.to(torch.float64) - self.mean) @ self.matrix

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
