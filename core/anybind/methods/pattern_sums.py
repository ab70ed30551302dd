"""Second moments of rows with missing spaces, per pattern of present spaces: what EM needs of the rows.

They add up, and they can be weighed, so rows may come in parts and old ones may be forgotten. Unlike
``anybind.moments`` they are of embeddings that change while heads are trained, and know no data sets or folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from anybind.errors import DataError, ShapeError

Pattern = tuple[str, ...]
Rows = Mapping[str, torch.Tensor]

# A space whose variance is below this share of its mean square differs by the rounding of float32 only.
_ROUNDING = 1e-13


def patterns_of(rows: Rows, present: Rows | None = None) -> Iterator[tuple[Pattern, torch.Tensor]]:
    """The distinct patterns of present spaces, spaces sorted by name, and the numbers of the rows that show each.

    Args:
        rows: Space -> (n, d).
        present: Space -> (n,) bool; a space that is not named is present in every row.

    Raises:
        ShapeError: numbers of rows differ, or a mask does not fit.
    """
    spaces = sorted(rows)
    n = len(rows[spaces[0]]) if spaces else 0
    everywhere = torch.ones(n, dtype=torch.bool)
    masks = [(present or {}).get(space, everywhere) for space in spaces]
    for space, mask in zip(spaces, masks, strict=True):
        if rows[space].ndim != 2 or len(rows[space]) != n or mask.shape != (n,):
            raise ShapeError(
                "the rows of a space do not fit", where=f"space {space!r}",
                got=f"rows {tuple(rows[space].shape)}, mask {tuple(mask.shape)}", expected=f"({n}, d) and ({n},)",
            )  # fmt: skip
    if not n:
        return
    found, number = torch.unique(torch.stack(masks, dim=1), dim=0, return_inverse=True)
    for i, held in enumerate(found.tolist()):
        yield tuple(s for s, has in zip(spaces, held, strict=True) if has), (number == i).nonzero().squeeze(1)


@dataclass(frozen=True)
class Sums:
    """What is kept of the rows of one pattern.

    Attributes:
        n: The rows' total weight.
        total: (D,) float64, their sum, spaces stacked by name.
        outer: (D, D) float64, the sum of their outer products.
    """

    n: float
    total: torch.Tensor
    outer: torch.Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.total + other.total, self.outer + other.outer)

    def scaled(self, weight: float) -> Sums:
        """As if every row weighed ``weight`` times as much."""
        return Sums(weight * self.n, weight * self.total, weight * self.outer)

    def centred(self, mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(D,) sum and (D, D) summed outer products of the rows minus ``mean``."""
        cross = torch.outer(self.total, mean)
        return self.total - self.n * mean, self.outer - cross - cross.T + self.n * torch.outer(mean, mean)


@dataclass(frozen=True)
class PatternSums:
    """Sufficient statistics of rows with missing spaces; they add up.

    Attributes:
        dims: Space -> length of its vectors.
        sums: Pattern of present spaces, sorted -> the statistics of its rows. Rows that show nothing are left out.
    """

    dims: Mapping[str, int]
    sums: Mapping[Pattern, Sums]

    @classmethod
    def of(cls, rows: Rows, present: Rows | None = None) -> PatternSums:
        """The statistics of rows.

        Args:
            rows: Space -> (n, d) float; what is not present is ignored.
            present: Space -> (n,) bool; a space that is not named is present in every row.

        Raises:
            ShapeError: numbers of rows differ, or a mask does not fit.
            DataError: a present row holds NaN or infinity.
        """
        sums = {}
        for pattern, numbers in patterns_of(rows, present):
            if pattern:
                stacked = torch.cat([rows[space][numbers].to(torch.float64) for space in pattern], dim=1)
                _require_finite(stacked, pattern)
                sums[pattern] = Sums(float(len(numbers)), stacked.sum(0), stacked.T @ stacked)
        return cls({space: matrix.shape[1] for space, matrix in rows.items()}, sums)

    def __add__(self, other: PatternSums) -> PatternSums:
        clash = sorted(s for s in self.dims.keys() & other.dims.keys() if self.dims[s] != other.dims[s])
        if clash:
            raise ShapeError(
                "a space has different dims in the two", where=f"space {clash[0]!r}",
                got=other.dims[clash[0]], expected=self.dims[clash[0]],
            )  # fmt: skip
        sums = dict(self.sums)
        for pattern, added in other.sums.items():
            sums[pattern] = sums[pattern] + added if pattern in sums else added
        return PatternSums({**self.dims, **other.dims}, sums)

    def scaled(self, weight: float) -> PatternSums:
        """As if every row weighed ``weight`` times as much."""
        return PatternSums(self.dims, {pattern: sums.scaled(weight) for pattern, sums in self.sums.items()})

    @property
    def spaces(self) -> tuple[str, ...]:
        """The spaces that some row shows, sorted."""
        return tuple(sorted({space for pattern in self.sums for space in pattern}))

    def components(self) -> tuple[tuple[str, ...], ...]:
        """The spaces in parts that chains of rows with several spaces join."""
        parts: list[set[str]] = []
        for pattern in self.sums:
            touched = [part for part in parts if part.intersection(pattern)]
            parts = [part for part in parts if part not in touched] + [set(pattern).union(*touched)]
        return tuple(sorted(tuple(sorted(part)) for part in parts))

    def pooled(self) -> tuple[dict[str, torch.Tensor], dict[str, float], dict[str, float]]:
        """Per space: (d,) mean over all rows that show it, mean variance of a dim, and the rows' weight."""
        means, variances, weights = {}, {}, {}
        for space in self.spaces:
            parts = [(s, columns_of(self.dims, p)[space]) for p, s in self.sums.items() if space in p]
            n = sum(sums.n for sums, _ in parts)
            mean = torch.stack([sums.total[own] for sums, own in parts]).sum(0) / n
            square = sum(float(sums.outer.diagonal()[own].sum()) for sums, own in parts) / n
            variance = square - float(mean @ mean)
            if variance <= _ROUNDING * square:
                raise DataError(
                    "a space does not vary", where=f"space {space!r}", got="all its rows are equal",
                    expected="vectors that differ between items",
                )  # fmt: skip
            means[space], variances[space], weights[space] = mean, variance / self.dims[space], n
        return means, variances, weights


def summed(parts: Sequence[PatternSums]) -> PatternSums:
    """The statistics of all parts together; at least one."""
    return sum(parts[1:], start=parts[0])


def columns_of(dims: Mapping[str, int], pattern: Sequence[str]) -> dict[str, slice]:
    """Where each space of a pattern stands in its stacked dims."""
    columns, start = {}, 0
    for space in pattern:
        columns[space] = slice(start, start + dims[space])
        start += dims[space]
    return columns


def _require_finite(stacked: torch.Tensor, pattern: Pattern) -> None:
    bad = int((~torch.isfinite(stacked).all(1)).sum())
    if bad:
        raise DataError(
            "a vector holds NaN or infinity", where=f"rows that show {', '.join(pattern)}",
            got=f"{bad} such rows among {len(stacked)}", expected="finite numbers in every row that is present",
        )  # fmt: skip
