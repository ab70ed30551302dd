"""Second moments of paired embeddings: all that a closed-form fit needs to see of the data.

For every data set, missing-modality pattern and fold, ``Moments`` keeps the number of rows, their sum and
the sum of their outer products, in float64, over the stacked vectors of the spaces that are present.
Moments add up, so streams, machines, owners and later updates use one object, and leaving a fold out is
leaving its blocks out.

Accumulating raw second moments in float64 is exact enough even for strongly mean-shifted data (relative
error about 1e-6); the same in float32 is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from anybind.errors import DataError, MemoryLimitError, ShapeError, UnknownNameError

if TYPE_CHECKING:
    from anybind.distributed import Runtime

DEFAULT_MEMORY_LIMIT = 8 * 2**30


class BlockKey(NamedTuple):
    """Which rows a block sums: a data set, the spaces those rows have, and a fold."""

    dataset: str
    spaces: tuple[str, ...]
    fold: int


class Block:
    """Sufficient statistics of n stacked rows of width D.

    Few rows (n <= D) are kept as they are, since they are smaller than a D×D matrix; the outer
    products are formed when they are asked for or become the smaller of the two. So a block never takes
    more than min(n, D)·D numbers.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.n = 0
        self._rows: list[torch.Tensor] = []
        self._summed: tuple[torch.Tensor, torch.Tensor] | None = None

    def size(self, more: int = 0) -> int:
        """Bytes it takes with ``more`` rows added."""
        return 8 * self.width * min(self.n + more, self.width)

    @property
    def kept_rows(self) -> torch.Tensor | None:
        """(n, D) float64 while the rows are kept, None once only their sums are."""
        if self._summed is not None:
            return None
        return torch.cat([torch.zeros(0, self.width, dtype=torch.float64), *self._rows])

    def add_rows(self, rows: torch.Tensor) -> None:
        """Add (k, D) rows; converted to float64."""
        self.n += len(rows)
        self._rows.append(rows.to(torch.float64))
        if self._summed is not None or self.n > self.width:
            self._fold_rows_in()

    def add_sums(self, n: int, total: torch.Tensor, outer: torch.Tensor) -> None:
        """Add rows known only by their count, sum (D,) and summed outer products (D, D)."""
        self._fold_rows_in()
        self.n += n
        assert self._summed is not None  # noqa: S101 - set by _fold_rows_in
        self._summed[0].add_(total)
        self._summed[1].add_(outer)

    def add(self, other: Block) -> None:
        """Add another block's rows; ``other`` is not changed."""
        if other._summed is not None:
            total, outer = other.sums()
            self.add_sums(other.n, total, outer)
        else:
            for rows in other._rows:
                self.add_rows(rows)

    def sums(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(D,) sum and (D, D) summed outer products, float64; do not modify them."""
        rows = self.kept_rows
        if rows is not None:
            return rows.sum(0), rows.T @ rows
        assert self._summed is not None  # noqa: S101 - no rows are kept
        return self._summed

    def _fold_rows_in(self) -> None:
        if self._summed is None:
            empty = torch.zeros(self.width, dtype=torch.float64)
            self._summed = (empty, torch.zeros(self.width, self.width, dtype=torch.float64))
        for rows in self._rows:
            self._summed[0].add_(rows.sum(0))
            self._summed[1].addmm_(rows.T, rows)
        self._rows = []


@dataclass(frozen=True)
class Group:
    """The rows of one data set that have the same spaces, as statistics centred per data set.

    ``covariance`` is (D, D) float64: the mean outer product of the stacked rows minus ``mean``, where
    ``mean`` (D,) holds each space's mean over *all* rows of the data set that have it.
    """

    dataset: str
    spaces: tuple[str, ...]
    n: int
    mean: torch.Tensor
    covariance: torch.Tensor
    columns: Mapping[str, slice] = field(repr=False)

    def block(self, a: str, b: str) -> torch.Tensor:
        """(d_a, d_b) covariance between two of the group's spaces."""
        return self.covariance[self.columns[a], self.columns[b]]


class Moments:
    """Mergeable second moments per data set, pattern of present spaces, and fold.

    Args:
        dims: Space -> length of its vectors, for every space that may occur.
        folds: Number of folds; every row belongs to one.
        memory_limit: Refuse to grow beyond this many bytes.
    """

    def __init__(
        self, dims: Mapping[str, int], *, folds: int = 5, memory_limit: int = DEFAULT_MEMORY_LIMIT
    ) -> None:
        self.dims = dict(dims)
        self.folds = folds
        self.memory_limit = memory_limit
        self._blocks: dict[BlockKey, Block] = {}
        self._bytes = 0

    # ---------------------------------------------------------------- adding

    def update(
        self,
        dataset: str,
        vectors: Mapping[str, torch.Tensor],
        folds: torch.Tensor,
        present: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        """Add rows of one data set.

        Args:
            dataset: The data set's name.
            vectors: Space -> (n, dim) float tensor; row i of every space is the same item.
            folds: (n,) integers in [0, folds).
            present: Space -> (n,) bool; a space that is not named is present in every row.

        Raises:
            UnknownNameError: a space is not among ``dims``.
            ShapeError: row counts, dims or masks do not fit.
            DataError: a present row holds NaN or infinity, or a fold is out of range.
            MemoryLimitError: the statistics would outgrow ``memory_limit``.
        """
        spaces = tuple(sorted(vectors))
        masks = self._checked(dataset, vectors, folds, present or {})
        if not spaces or not len(folds):
            return
        codes = torch.stack([*(masks[space].long() for space in spaces), folds.long()], dim=1)
        blocks, block_of = torch.unique(codes, dim=0, return_inverse=True)
        for number, (*pattern, fold) in enumerate(blocks.tolist()):
            held = tuple(space for space, has in zip(spaces, pattern, strict=True) if has)
            if held:
                rows = (block_of == number).nonzero().squeeze(1)
                stacked = torch.cat([vectors[space][rows].to(torch.float64) for space in held], dim=1)
                self._block(BlockKey(dataset, held, fold), len(rows)).add_rows(stacked)

    def add_sums(self, key: BlockKey, n: int, total: torch.Tensor, outer: torch.Tensor) -> None:
        """Add n rows known only by their sum (D,) and summed outer products (D, D), float64; errors as ``update``."""
        self._block(key, self._width(key.spaces)).add_sums(n, total, outer)

    @property
    def fewest_rows(self) -> int:
        """Rows of the smallest block: what the sums can tell of single rows depends on it."""
        return min((block.n for block in self._blocks.values() if block.n), default=0)

    def merge(self, other: Moments) -> Moments:
        """The moments of both together, as a new object.

        Raises:
            ShapeError: a space has different dims in the two, or the numbers of folds differ.
        """
        shared = self.dims.keys() & other.dims.keys()
        clash = sorted(space for space in shared if self.dims[space] != other.dims[space])
        if clash or self.folds != other.folds:
            raise ShapeError(
                "these moments cannot be merged",
                got=f"dims differ for {clash}" if clash else f"{self.folds} and {other.folds} folds",
                expected="the same dims per space and the same number of folds",
            )
        merged = Moments({**self.dims, **other.dims}, folds=self.folds, memory_limit=self.memory_limit)
        for source in (self, other):
            for key, block in source._blocks.items():
                merged._block(key, block.n).add(block)
        return merged

    def all_reduce(self, runtime: Runtime) -> None:
        """Replace the moments by their sum over all ranks; nothing to do with one rank.

        Raises:
            MemoryLimitError: the statistics of all ranks together would outgrow ``memory_limit``.
        """
        if runtime.world == 1:
            return
        counts: Counter[BlockKey] = Counter()
        for ours in runtime.all_gather_object({key: block.n for key, block in self._blocks.items()}):
            counts.update(ours)
        mine = {key: self._blocks.get(key) or Block(self._width(key.spaces)) for key in sorted(counts)}
        # what is rare on all ranks together stays rows
        rare = {key: block.kept_rows for key, block in mine.items() if counts[key] <= block.width}
        gathered = runtime.all_gather_object(rare)
        self._blocks, self._bytes = {}, 0
        for key, block in mine.items():
            summed = self._block(key, counts[key])
            if key not in rare:
                summed.add_sums(counts[key], *_summed_over_ranks(block, runtime))
            for rows in (part[key] for part in gathered if key in rare):
                summed.add_rows(cast("torch.Tensor", rows))

    # --------------------------------------------------------------- reading

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets that contributed rows, sorted."""
        return tuple(sorted({key.dataset for key in self._blocks}))

    def spaces_of(self, dataset: str) -> tuple[str, ...]:
        """The spaces that occur in a data set, sorted."""
        return tuple(sorted({s for key in self._blocks if key.dataset == dataset for s in key.spaces}))

    def pairs(self, a: str, b: str, dataset: str | None = None) -> int:
        """Number of rows that have both spaces, over all data sets or in one."""
        return sum(
            block.n for key, block in self._blocks.items()
            if a in key.spaces and b in key.spaces and dataset in (None, key.dataset)
        )  # fmt: skip

    def edges(self) -> list[tuple[str, str, str]]:
        """(data set, space, space) for every two spaces that some row of the data set has together."""
        found = {
            (key.dataset, a, b)
            for key, block in self._blocks.items()
            if block.n
            for i, a in enumerate(key.spaces)
            for b in key.spaces[i + 1 :]
        }
        return sorted(found)

    def groups(self, *, without_fold: int | None = None, only_fold: int | None = None) -> list[Group]:
        """Centred covariances per data set and pattern, over all folds, all but one, or one."""
        sums = self._summed_over_folds(without_fold, only_fold)
        means = self._means(sums)
        groups = []
        for (dataset, spaces), (n, total, outer) in sorted(sums.items()):
            mean = torch.cat([means[dataset, space] for space in spaces])
            cross = torch.outer(total, mean)
            covariance = (outer - cross - cross.T) / n + torch.outer(mean, mean)
            groups.append(Group(dataset, spaces, n, mean, covariance, self._columns(spaces)))
        return groups

    def means(self, *, without_fold: int | None = None) -> dict[tuple[str, str], torch.Tensor]:
        """(data set, space) -> (d,) float64 mean over the data set's rows that have the space."""
        return self._means(self._summed_over_folds(without_fold, None))

    def projected(self, maps: Mapping[str, torch.Tensor]) -> Moments:
        """Moments of the projected vectors, exact: each space's vectors times ``maps[space]`` (d, p)."""
        maps = {space: maps[space].to(torch.float64) for space in self.dims}
        dims = {space: matrix.shape[1] for space, matrix in maps.items()}
        result = Moments(dims, folds=self.folds, memory_limit=self.memory_limit)
        for key, block in self._blocks.items():
            stacked = torch.block_diag(*[maps[space] for space in key.spaces])  # type: ignore[no-untyped-call]
            target = result._block(key, block.n)
            rows = block.kept_rows
            if rows is not None:
                target.add_rows(rows @ stacked)
            else:
                total, outer = block.sums()
                target.add_sums(block.n, total @ stacked, stacked.T @ outer @ stacked)
        return result

    def without_fold(self, fold: int) -> Moments:
        """The moments of the rows of all other folds; shares its sums with this object, so add to neither."""
        result = Moments(self.dims, folds=self.folds, memory_limit=self.memory_limit)
        result._blocks = {key: block for key, block in self._blocks.items() if key.fold != fold}
        result._bytes = self._bytes
        return result

    def __iter__(self) -> Iterator[tuple[BlockKey, Block]]:
        return iter(sorted(self._blocks.items()))

    # -------------------------------------------------------------- internal

    def _summed_over_folds(
        self, without_fold: int | None, only_fold: int | None
    ) -> dict[tuple[str, tuple[str, ...]], tuple[int, torch.Tensor, torch.Tensor]]:
        sums: dict[tuple[str, tuple[str, ...]], Block] = {}
        for key, block in self._blocks.items():
            if key.fold == without_fold or (only_fold is not None and key.fold != only_fold) or not block.n:
                continue
            sums.setdefault((key.dataset, key.spaces), Block(block.width)).add(block)
        return {key: (block.n, *block.sums()) for key, block in sums.items()}

    def _means(
        self, sums: Mapping[tuple[str, tuple[str, ...]], tuple[int, torch.Tensor, torch.Tensor]]
    ) -> dict[tuple[str, str], torch.Tensor]:
        totals: dict[tuple[str, str], torch.Tensor] = {}
        counts: dict[tuple[str, str], int] = {}
        for (dataset, spaces), (n, total, _) in sums.items():
            for space, columns in self._columns(spaces).items():
                key = (dataset, space)
                totals[key] = totals[key] + total[columns] if key in totals else total[columns]
                counts[key] = counts.get(key, 0) + n
        return {key: totals[key] / counts[key] for key in totals}

    def _columns(self, spaces: tuple[str, ...]) -> dict[str, slice]:
        columns, start = {}, 0
        for space in spaces:
            columns[space] = slice(start, start + self.dims[space])
            start += self.dims[space]
        return columns

    def _width(self, spaces: Iterable[str]) -> int:
        return sum(self.dims[space] for space in spaces)

    def _block(self, key: BlockKey, rows: int) -> Block:
        """The block of ``key``, new if need be, once it is sure that ``rows`` more rows fit."""
        block = self._blocks.get(key) or Block(self._width(key.spaces))
        estimate = self._bytes + block.size(rows) - block.size()
        if estimate > self.memory_limit:
            raise MemoryLimitError(
                "the second moments would not fit into memory",
                where=f"data set {key.dataset!r}, spaces {list(key.spaces)}",
                got=f"{estimate / 2**30:.3g} GiB for {len(self._blocks.keys() | {key})} blocks",
                expected=f"at most {self.memory_limit / 2**30:.3g} GiB",
                hint="project the spaces to fewer dims, use fewer folds, or raise memory_limit",
            )
        self._bytes = estimate
        self._blocks[key] = block
        return block

    def _checked(
        self,
        dataset: str,
        vectors: Mapping[str, torch.Tensor],
        folds: torch.Tensor,
        present: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        n = len(folds)
        if n and not 0 <= int(folds.min()) <= int(folds.max()) < self.folds:
            raise DataError(
                "a fold is out of range",
                where=f"data set {dataset!r}",
                got=f"{int(folds.min())} to {int(folds.max())}",
                expected=f"0 to {self.folds - 1}",
            )
        masks = {}
        for space, rows in vectors.items():
            where = f"data set {dataset!r}, space {space!r}"
            if space not in self.dims:
                raise UnknownNameError("these moments have no such space", where=where, expected=[*self.dims])
            _require_shape("the vectors have the wrong shape", where, rows, (n, self.dims[space]))
            masks[space] = present.get(space, torch.ones(n)).bool()
            _require_shape("a presence mask has the wrong shape", where, masks[space], (n,))
            bad = (~torch.isfinite(rows).all(1) & masks[space]).nonzero()
            if len(bad):
                raise DataError(
                    "a vector holds NaN or infinity",
                    where=f"{where}, row {bad[0].item()}",
                    got=f"{len(bad)} such rows of {len(rows)}",
                    expected="finite numbers in every row that is present",
                )
        return masks


def _require_shape(what: str, where: str, tensor: torch.Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != expected:
        raise ShapeError(what, where=where, got=tuple(tensor.shape), expected=expected)


def _summed_over_ranks(block: Block, runtime: Runtime) -> tuple[torch.Tensor, torch.Tensor]:
    """The (D,) sums and (D, D) summed outer products of all ranks' blocks of one key."""
    total, outer = block.sums()
    flat = runtime.all_reduce_sum_(torch.cat([total, outer.flatten()]))
    return flat[: block.width], flat[block.width :].view(block.width, block.width)
