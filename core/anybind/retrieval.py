"""Ranks of true items, with memory bounded at any gallery size; ``retrieval_metrics`` sums them up.

The rank of a query is 1 + (items scored above its true item) + half of (other items scored the same):
the mean rank over all orders of the tied items. So ties never help: where every item ties, every rank is
(n + 1) / 2.

Scores come in tiles, ``score_block(queries, gallery)`` with two slices, so that the full matrix never exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import torch

from anybind.errors import EvaluationError, ShapeError

ScoreBlock: TypeAlias = Callable[[slice, slice], torch.Tensor]

DEFAULT_MEMORY_LIMIT = 64 * 2**20
TILE_BYTES = 4 * 2**20  # a tile and what it is compared into stay in the processor's cache: two to three times as fast
# Equal items can get scores a few units in the last place apart, as matrix products round by block shape.
ROUNDING = 8 * torch.finfo(torch.float32).eps
_BYTES_PER_SCORE = 8  # a float32 score, and what it is compared into
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # of as many bytes as a float


def ranks_from_scores(
    scores: torch.Tensor, truth: torch.Tensor, *, tie_tolerance: float = 0.0
) -> torch.Tensor:
    """Ranks of the true items, from a whole score matrix.

    Args:
        scores: (n_queries, n_gallery), finite; higher means likelier the same item.
        truth: (n_queries,) integers, the gallery position of each query's true item.
        tie_tolerance: Scores within this share of the true item's score tie with it; 0 asks for equality.

    Returns:
        (n_queries,) float64 ranks in [1, n_gallery], whole or half numbers.

    Raises:
        ShapeError: the shapes do not fit, or there is nothing to rank.
        EvaluationError: a score is NaN or infinite, or a true position lies outside the gallery.
    """
    scores = _as_scores(scores)
    if scores.ndim != 2:
        raise ShapeError("The score matrix must have two dimensions.", got=tuple(scores.shape))
    truth = _checked_truth(truth, scores.shape[1])
    if len(truth) != len(scores):
        raise ShapeError("There must be one true position per query.", got=len(truth), expected=len(scores))
    return ranks_by_chunks(
        lambda queries, gallery: scores[queries, gallery],
        truth,
        n_gallery=scores.shape[1],
        tie_tolerance=tie_tolerance,
    )


def ranks_by_chunks(
    score_block: ScoreBlock,
    truth: torch.Tensor,
    *,
    n_gallery: int,
    memory_limit: int = TILE_BYTES,
    tie_tolerance: float = 0.0,
) -> torch.Tensor:
    """Ranks of the true items, scored tile by tile.

    Where the gallery does not fit one tile, the tiles that hold a true item are scored twice: once to learn
    its score, once to count. A true item is left out of the counts by its position, so that rounding
    which differs between the two never counts an item as beating itself.

    Args:
        score_block: Scores a slice of the queries against a slice of the gallery.
        truth: (n_queries,) integers, the gallery position of each query's true item.
        n_gallery: Size of the gallery.
        memory_limit: Bytes one tile may take, its masks included; the scorer's own needs come on top.
        tie_tolerance: As for ``ranks_from_scores``.

    Returns:
        (n_queries,) float64 ranks; the same at any memory limit, up to the scorer's rounding.

    Raises:
        ShapeError, EvaluationError: as for ``ranks_from_scores``.
    """
    truth = _checked_truth(truth, n_gallery)
    height, width = _tile_shape(len(truth), n_gallery, memory_limit)
    score = _checked(score_block)
    tally = _Tally(truth, tie_tolerance)
    for queries in _chunks(len(truth), height):
        if width == n_gallery:
            tile = score(queries, slice(0, n_gallery))
            tally.find_own(tile, queries, slice(0, n_gallery))
            tally.count(tile, queries, slice(0, n_gallery))
            continue
        for gallery in _chunks(n_gallery, width):
            if tally.holds_truth(queries, gallery):
                tally.find_own(score(queries, gallery), queries, gallery)
        for gallery in _chunks(n_gallery, width):
            tally.count(score(queries, gallery), queries, gallery)
    return tally.ranks()


def paired_ranks(
    score_block: ScoreBlock,
    n_items: int,
    *,
    memory_limit: int = TILE_BYTES,
    tie_tolerance: float = 0.0,
    block: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ranks in both directions for paired rows: row i's true item is column i, and the other way round.

    Every score is computed once. Blocks are visited in growing squares, and in each the diagonal tiles first: they
    hold the true scores of its rows and columns, which all other tiles are compared with.

    Args:
        score_block: Scores a slice of rows against a slice of columns.
        n_items: Number of rows and of columns.
        memory_limit, tie_tolerance: As for ``ranks_by_chunks``.
        block: Items whose tiles are visited together, for a scorer that prepares rows by the block; no tile
            reaches over a multiple of it. One tile's side if None.

    Returns:
        (n_items,) float64 ranks of the columns for each row, and of the rows for each column.

    Raises:
        ShapeError, EvaluationError: as for ``ranks_from_scores``.
    """
    truth = _checked_truth(torch.arange(n_items), n_items)
    side = min(_tile_shape(n_items, n_items, memory_limit))
    score = _checked(score_block)
    forward, backward = _Tally(truth, tie_tolerance), _Tally(truth, tie_tolerance)

    def visit(rows: slice, columns: slice) -> None:
        tile = score(rows, columns)
        if rows == columns:
            forward.find_own(tile, rows, columns)
            backward.find_own(tile.T, columns, rows)
        forward.count(tile, rows, columns)
        backward.count(tile, columns, rows, by_column=True)

    visited: list[list[slice]] = []
    for whole in _chunks(n_items, block or side):
        tiles = list(_chunks(whole.stop, side, whole.start))
        for own in tiles:
            visit(own, own)
        for rows, columns in _off_diagonal(tiles, visited):
            visit(rows, columns)
        visited.append(tiles)
    return forward.ranks(), backward.ranks()


def average_precision(scores: torch.Tensor, relevant: torch.Tensor) -> torch.Tensor:
    """Average precision of each query when several gallery items may be relevant to it.

    The precision at a relevant item is (its rank among the relevant items) / (its rank among all), and ties
    count half in both. Without ties this is the usual average precision; with one relevant item it is
    the reciprocal rank.

    Args:
        scores: (n_queries, n_gallery), finite.
        relevant: (n_queries, n_gallery) bool.

    Returns:
        (n_queries,) float64 in (0, 1].

    Raises:
        ShapeError: the shapes do not fit, or there is nothing to rank.
        EvaluationError: a score is NaN or infinite, or a query has no relevant item.
    """
    scores = _as_scores(scores)
    relevant = torch.as_tensor(relevant).to(scores.device, torch.bool)
    if scores.ndim != 2 or scores.shape != relevant.shape or scores.numel() == 0:
        raise ShapeError("Scores and relevance must be two matrices of one shape.",
                         got=f"{tuple(scores.shape)} and {tuple(relevant.shape)}")
    _require_finite(scores)
    without = torch.nonzero(~relevant.any(dim=1)).flatten().tolist()
    if without:
        raise EvaluationError("Average precision needs a relevant item.", where=f"query {without[0]}",
                              got=f"{len(without)} queries without one")
    height = max(1, DEFAULT_MEMORY_LIMIT // (8 * _BYTES_PER_SCORE * scores.shape[1]))
    parts = [_average_precision(scores[rows], relevant[rows]) for rows in _chunks(len(scores), height)]
    return torch.cat(parts).cpu()


class _Tally:
    """For each query, the gallery items above its true item and those not below it, counted tile by tile."""

    def __init__(self, truth: torch.Tensor, tie_tolerance: float) -> None:
        if not 0.0 <= tie_tolerance < 1.0:
            raise EvaluationError("The tie tolerance is a share of a score.", got=tie_tolerance,
                                  expected="at least 0 and below 1")
        self._truth = truth
        self._tolerance = tie_tolerance
        self._own = torch.zeros(len(truth), dtype=torch.float64)
        self._others = torch.zeros(len(truth), dtype=torch.int64)

    def holds_truth(self, queries: slice, gallery: slice) -> bool:
        return len(self._own_entries(queries, gallery)[0]) > 0

    def find_own(self, tile: torch.Tensor, queries: slice, gallery: slice) -> None:
        """Take the true items' scores from the tile; it must come before ``count`` of these queries."""
        rows, columns = self._own_entries(queries, gallery)
        self._own[queries.start + rows] = tile[rows, columns].to("cpu", torch.float64)

    def count(self, tile: torch.Tensor, queries: slice, gallery: slice, *, by_column: bool = False) -> None:
        """Count a tile whose rows are these queries; its columns, with ``by_column``."""
        own = self._own[queries]
        slack = self._tolerance * own.abs()
        above, below = (own + slack).to(tile), (own - slack).to(tile)
        counts = _above_and_not_below(tile, above, below, by_column)
        rows, columns = self._own_entries(queries, gallery)
        if len(rows):
            selves = tile[columns, rows] if by_column else tile[rows, columns]
            counts[rows] -= (selves > above[rows]).int() + (selves >= below[rows]).int()
        self._others[queries] += counts.cpu()

    def ranks(self) -> torch.Tensor:
        # An item above is counted twice and a tie once, so half of the count is what the rank adds to 1.
        return 1.0 + 0.5 * self._others.to(torch.float64)

    def _own_entries(self, queries: slice, gallery: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """(rows, columns) within the tile at which its queries' true items stand."""
        truth = self._truth[queries]
        rows = torch.nonzero((truth >= gallery.start) & (truth < gallery.stop)).flatten()
        return rows, truth[rows] - gallery.start


def _above_and_not_below(
    tile: torch.Tensor, above: torch.Tensor, below: torch.Tensor, by_column: bool
) -> torch.Tensor:
    """For every row (or column): how many scores are > above, plus how many are >= below; int32.

    Signs of differences say the same as comparisons, in half the time. Zeros have signs too: 0 - 0 is +0 as long as
    not (-0) - (+0), so the limits get the sign that avoids it.
    """
    above, below = above + 0.0, -(0.0 - below)
    dim, height = 0 if by_column else 1, max(1, TILE_BYTES // (_BYTES_PER_SCORE * tile.shape[1]))
    counts = torch.zeros(len(above), dtype=torch.int32, device=tile.device)
    scratch = torch.empty((min(height, len(tile)), tile.shape[1]), dtype=tile.dtype, device=tile.device)
    for rows in _chunks(len(tile), height):
        scores, own = tile[rows], slice(None) if by_column else rows
        room = scratch[: len(scores)]
        over = _negative(torch.sub(above[own].unsqueeze(dim), scores, out=room), dim)
        under = _negative(torch.sub(scores, below[own].unsqueeze(dim), out=room), dim)
        counts[own] += over + scores.shape[dim] - under
    return counts


def _negative(values: torch.Tensor, dim: int) -> torch.Tensor:
    """How many are negative along a dimension, -0 among them; overwrites the values."""
    bits = values.view(_INTEGERS[values.element_size()])
    return -bits.bitwise_right_shift_(8 * values.element_size() - 1).sum(dim, dtype=torch.int32)


def _average_precision(scores: torch.Tensor, relevant: torch.Tensor) -> torch.Tensor:
    rank = _half_ranks(scores, scores)
    rank_among_relevant = _half_ranks(scores.masked_fill(~relevant, -math.inf), scores)
    precision = torch.where(relevant, rank_among_relevant / rank, 0.0)
    return precision.sum(dim=1) / relevant.sum(dim=1)


def _half_ranks(gallery: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Ranks, ties half, of scores that stand in the gallery themselves; row by row."""
    ascending = gallery.sort(dim=1).values
    below = torch.searchsorted(ascending, scores.contiguous(), right=False)
    not_above = torch.searchsorted(ascending, scores.contiguous(), right=True)
    return 0.5 + gallery.shape[1] - 0.5 * (below + not_above).to(torch.float64)


def _as_scores(scores: Any) -> torch.Tensor:
    """Scores as a float tensor without gradient; arrays are copied, as they may be read-only."""
    if not isinstance(scores, torch.Tensor):
        array = np.array(scores)
        if array.dtype.kind not in "fiub":
            raise EvaluationError("Scores must be real numbers.", got=array.dtype)
        return torch.from_numpy(array.astype(np.float64))
    if scores.is_complex():
        raise EvaluationError("Scores must be real numbers.", got=scores.dtype)
    return scores.detach() if scores.is_floating_point() else scores.detach().to(torch.float64)


def _checked(score_block: ScoreBlock) -> ScoreBlock:
    """The scorer, whose tiles are finite float tensors of the shape that was asked for."""

    def score(queries: slice, gallery: slice) -> torch.Tensor:
        tile = _as_scores(score_block(queries, gallery))
        expected = (queries.stop - queries.start, gallery.stop - gallery.start)
        if tuple(tile.shape) != expected:
            where = f"queries {queries.start}:{queries.stop}, gallery {gallery.start}:{gallery.stop}"
            raise ShapeError("A block of scores has the wrong shape.", where=where, got=tuple(tile.shape),
                             expected=expected)
        _require_finite(tile, queries.start, gallery.start)
        return tile

    return score


def _require_finite(tile: torch.Tensor, first_query: int = 0, first_item: int = 0) -> None:
    # min and max carry NaN through, and need no mask of the tile's size.
    if not all(math.isfinite(extreme) for extreme in torch.aminmax(tile)):
        query, item = torch.nonzero(~torch.isfinite(tile))[0].tolist()
        raise EvaluationError("A score is NaN or infinite.", got=tile[query, item].item(),
                              where=f"query {first_query + query}, gallery item {first_item + item}")


def _checked_truth(positions: Any, n_gallery: int) -> torch.Tensor:
    truth: torch.Tensor = torch.as_tensor(positions).detach().cpu()
    if truth.ndim != 1:
        raise ShapeError("There must be one true position per query.", got=tuple(truth.shape),
                         expected="(n_queries,)")
    if len(truth) == 0 or n_gallery < 1:
        raise ShapeError("There is nothing to rank.", got=f"{len(truth)} queries, {n_gallery} gallery items")
    if truth.is_floating_point() or truth.is_complex() or truth.dtype == torch.bool:
        raise EvaluationError("True positions must be integers.", got=truth.dtype)
    outside = torch.nonzero((truth < 0) | (truth >= n_gallery)).flatten()
    if len(outside):
        query = int(outside[0])
        raise EvaluationError("A true position lies outside the gallery.", where=f"query {query}",
                              got=int(truth[query]), expected=f"0 to {n_gallery - 1}")
    return truth.to(torch.int64)


def _tile_shape(n_queries: int, n_gallery: int, memory_limit: int) -> tuple[int, int]:
    """(queries, gallery items) of a tile: as square as it can be while it fills the limit."""
    scores = memory_limit // _BYTES_PER_SCORE
    if scores < 1:
        raise EvaluationError("The memory limit leaves no room for one score.", got=f"{memory_limit} bytes",
                              expected=f"at least {_BYTES_PER_SCORE} bytes")
    height = min(n_queries, max(math.isqrt(scores), scores // n_gallery))
    return height, min(n_gallery, scores // height)


def _off_diagonal(block: list[slice], earlier: list[list[slice]]) -> Iterator[tuple[slice, slice]]:
    """The block's other tiles with itself, then with every earlier block: all as its rows, then all as its columns."""
    yield from ((rows, columns) for rows in block for columns in block if rows != columns)
    for other in earlier:
        yield from product(block, other)
        yield from product(other, block)


def _chunks(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    return (slice(first, min(first + size, stop)) for first in range(start, stop, size))


