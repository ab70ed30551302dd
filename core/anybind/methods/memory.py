"""A memory of paired rows: a row of one space is carried to another through the stored rows it resembles."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.hops import unit_rows

_ROWS_AT_ONCE = 4096

Pair = tuple[str, str]


@dataclass(frozen=True)
class Memory:
    """Stored pairs and how they are looked up.

    Attributes:
        near: (n, d_a) float32 unit rows of the space carried from.
        far: (n, d_b) float32 unit rows of the same items in the space carried to.
        neighbours: At most this many stored rows count for a row.
        power: Similarities below zero count nothing, others to this power.
    """

    near: torch.Tensor
    far: torch.Tensor
    neighbours: int
    power: float

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, d_a) unit rows -> (n, d_b) unit rows; zeros where nothing stored is similar at all."""
        parts = [self._carried(rows[i : i + _ROWS_AT_ONCE]) for i in range(0, len(rows), _ROWS_AT_ONCE)]
        return torch.cat(parts) if parts else torch.zeros(0, self.far.shape[1])

    def _carried(self, rows: torch.Tensor) -> torch.Tensor:
        similar = (rows.to(self.near.dtype) @ self.near.T).clamp(min=0)
        # the largest is made 1, lest high powers of small numbers vanish
        similar = similar / similar.amax(1, keepdim=True).clamp(min=torch.finfo(similar.dtype).tiny)
        return unit_rows(sparse(similar, self.neighbours) ** self.power @ self.far)


def sparse(table: torch.Tensor, count: int) -> torch.Tensor:
    """A (n, m) table of non-negative numbers with all but the ``count`` largest of every row set to zero."""
    if count >= table.shape[1]:
        return table
    values, columns = table.topk(count, dim=1)
    return torch.zeros_like(table).scatter(1, columns, values)


def stored_rows(
    data: FitData, hop: Pair, count: int, seed: int, without_fold: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sampled rows that have both spaces of a hop, each centred by the means of its data set.

    Args:
        data: Gives the samples and their means.
        hop: The two spaces.
        count: At most this many rows of all data sets together, drawn at random.
        seed: Seeds the draw, which is the same in either direction of the hop.
        without_fold: Leave this fold out, and its part of the means.

    Returns:
        (n, d_a) and (n, d_b) float64.

    Raises:
        SelectionError: no such rows were kept.
    """
    means = data.means(without_fold=without_fold)
    found, folds = [], []
    for name, sample in sorted(data.samples.items()):
        if all(space in sample.vectors and (name, space) in means for space in hop):
            both = sample.present[hop[0]] & sample.present[hop[1]]
            found.append([sample.vectors[space][both].to(torch.float64) - means[name, space] for space in hop])
            folds.append(sample.folds[both])
    if not sum(map(len, folds)):
        raise SelectionError(
            "no paired rows were kept to serve as anchors", where=f"{hop[0]!r} and {hop[1]!r}",
            hint="this method stores training rows; where rows may not leave, take another",
        )  # fmt: skip
    fold = torch.cat(folds)
    drawn = torch.randperm(len(fold), generator=torch.Generator().manual_seed(seed))[:count].sort().values
    kept = drawn[fold[drawn] != (-1 if without_fold is None else without_fold)]
    near, far = (torch.cat(side)[kept] for side in zip(*found, strict=True))
    return near, far
