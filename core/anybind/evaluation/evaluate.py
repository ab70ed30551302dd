"""Retrieval between paired rows of two spaces, both directions, with chance and bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch

from anybind.errors import EvaluationError, ShapeError, UnknownNameError, UsageError
from anybind.evaluation.bootstrap import bootstrap_intervals, check_resampling
from anybind.retrieval import DEFAULT_MEMORY_LIMIT, ROUNDING, TILE_BYTES, ScoreBlock, paired_ranks
from anybind.retrieval_metrics import (
    DEFAULT_KS,
    ChanceMetrics,
    RetrievalMetrics,
    chance_metrics,
    check_ks,
    metrics_from_ranks,
)

Vectors: TypeAlias = "torch.Tensor | np.ndarray[Any, Any]"
Postprocess: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
_ROWS_AT_ONCE = 65_536
_ROWS_EMBEDDED_AT_ONCE = 16_384


class Scorer(Protocol):
    """What evaluation needs of a binder.

    It may also have ``as_inner_product(space_a, space_b)``, as binder methods may: the score as one inner product of
    ``.left(a)`` and ``.right(b)``. Where the scores do not fit one tile, that saves embedding rows again for each.
    """

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor, /) -> torch.Tensor:
        """(n_a, n_b), higher means likelier the same item.

        A score depends on its two rows alone, unless ``scores_batches`` is there and true.
        """


@dataclass(frozen=True)
class Intervals:
    """Bootstrap intervals (low, high) over test items, the gallery held fixed."""

    confidence: float
    n_boot: int
    mrr: tuple[float, float]
    recall: Mapping[int, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """The intervals as plain JSON values; recall keys are strings."""
        return {
            "confidence": self.confidence,
            "n_boot": self.n_boot,
            "mrr": list(self.mrr),
            "recall": {str(k): list(interval) for k, interval in self.recall.items()},
        }


@dataclass(frozen=True)
class PairResult:
    """How well one space finds the other's rows: means of the two directions, as fractions of 1.

    Attributes:
        pair: The two spaces.
        n_queries: Number of paired rows: the queries of each direction, and its gallery.
        mrr, recall, median_rank, map: Means of the two directions; one true item per query, so map is mrr.
        chance: What a random order gives.
        interval: Bootstrap intervals of mrr and recall; None if none were asked for.
        directions: "a->b" and "b->a" -> metrics of that direction.
        reciprocal_ranks: (n_queries,) float64, mean of the two directions per item, for paired comparisons.
        ids: The items' ids, if they were given.
    """

    pair: tuple[str, str]
    n_queries: int
    mrr: float
    recall: Mapping[int, float]
    median_rank: float
    map: float
    chance: ChanceMetrics
    interval: Intervals | None
    directions: Mapping[str, RetrievalMetrics]
    reciprocal_ranks: torch.Tensor = field(repr=False, compare=False)
    ids: tuple[str, ...] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values, without the per-item parts; recall keys are strings."""
        return {
            "pair": list(self.pair),
            "n_queries": self.n_queries,
            "mrr": self.mrr,
            "recall": {str(k): share for k, share in self.recall.items()},
            "median_rank": self.median_rank,
            "map": self.map,
            "chance": self.chance.to_dict(),
            "interval": None if self.interval is None else self.interval.to_dict(),
            "directions": {name: metrics.to_dict() for name, metrics in self.directions.items()},
        }


def evaluate(
    binder: Scorer,
    spaces: Mapping[str, Vectors],
    pairs: Sequence[tuple[str, str]],
    *,
    ids: Sequence[str] | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    n_boot: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    postprocess: Postprocess | None = None,
) -> tuple[PairResult, ...]:
    """Retrieve each space's rows from the other's, for every pair, in both directions.

    Row i of one space is the same item as row i of the other. Scores are computed once, tile by tile. Ties
    count half; scores that differ only by float32 rounding are ties. The intervals are percentile
    bootstrap intervals over items: an item is drawn with both of its directions, its ranks are those within
    the whole gallery, so they tell the uncertainty over queries and not over galleries.

    Args:
        binder: Anything with ``score(space_a, a, space_b, b)``.
        spaces: Space -> (n, dim) numpy array, memory-map or tensor; read as float32.
        pairs: The pairs of spaces to evaluate.
        ids: The items' ids, one per row; unique.
        ks: The cut-offs of recall.
        n_boot: Bootstrap resamples; 0 leaves the intervals out.
        seed: Seeds the bootstrap.
        confidence: Level of the intervals, between 0 and 1.
        memory_limit: Bytes one tile of scores may take; all of them with ``postprocess``.
        postprocess: (n, n) scores -> (n, n) scores, such as ``anybind.postprocessing.csls``, for queries that come
            in batches. A result got so uses statistics of the test batch: report it as such.

    Returns:
        One result per pair, in order.

    Raises:
        UnknownNameError: a pair names a space that is not in ``spaces``.
        ShapeError: a space is not a matrix, is empty, or paired spaces or ids differ in length.
        EvaluationError: a vector or score is NaN or infinite, there is one row only, ids repeat, or an
            argument is out of range.
    """
    check_ks(ks)
    if postprocess is not None and not callable(postprocess):
        raise EvaluationError("postprocess must be a function of a score table.", got=repr(postprocess),
                              expected="for example anybind.postprocessing.csls")  # fmt: skip
    if n_boot:
        check_resampling(n_boot, seed, confidence)
    _check_pairs(spaces, pairs)
    names = dict.fromkeys(name for pair in pairs for name in pair)
    matrices = {name: Matrix(name, spaces[name]) for name in names}
    item_ids = None if ids is None else _unique_ids(ids)
    for a, b in pairs:
        _check_lengths(matrices[a], matrices[b], item_ids)
    results = []
    for a, b in pairs:
        ranks = _pair_ranks(binder, matrices[a], matrices[b], memory_limit, postprocess)
        interval = _intervals(*ranks, ks, n_boot, seed, confidence) if n_boot else None
        results.append(_pair_result((a, b), *ranks, ks, interval, item_ids))
    return tuple(results)


def share_of_oracle(result: PairResult, oracle: PairResult) -> float:
    """MRR of the result as a share of the oracle's: the same method fitted on as many true pairs.

    Raises:
        EvaluationError: the two were not measured on one pair and number of rows, or the oracle's MRR is 0.
    """
    if set(result.pair) != set(oracle.pair) or result.n_queries != oracle.n_queries:
        raise EvaluationError(
            "A share of the oracle compares results on the same test.",
            got=f"{result.pair} over {result.n_queries} rows, oracle {oracle.pair} over {oracle.n_queries}",
        )
    if not oracle.mrr > 0:
        raise EvaluationError("The oracle's MRR must be above 0.", got=oracle.mrr)
    return result.mrr / oracle.mrr


class Matrix:
    """One space's vectors, checked, and read as float32 slice by slice: a memory-map stays on disk."""

    def __init__(self, name: str, vectors: Vectors, where: str | None = None) -> None:
        where = where or f"space {name!r}"
        self.name = name
        self._vectors = _as_array(vectors, where)
        if self._vectors.ndim != 2 or 0 in self._vectors.shape:
            raise ShapeError("A space must be a matrix of vectors that is not empty.", where=where,
                             got=tuple(self._vectors.shape), expected="(n, dim)")
        if not _is_real(self._vectors):
            raise EvaluationError("Vectors must be real numbers.", where=where, got=self._vectors.dtype)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            bad = torch.nonzero(~torch.isfinite(self[start : start + _ROWS_AT_ONCE]).all(dim=1)).flatten()
            if len(bad):
                raise EvaluationError("A vector holds NaN or infinite values.", expected="finite float32",
                                      where=f"{where}, row {start + int(bad[0])}",
                                      hint="Leave the row out of all spaces.")

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        part = self._vectors[rows]
        if isinstance(part, torch.Tensor):
            return part.to("cpu", torch.float32)
        with np.errstate(over="ignore"):  # what overflows float32 is infinite, and reported as that
            return torch.from_numpy(np.array(part, dtype=np.float32))


def _as_array(vectors: Vectors, where: str) -> Vectors:
    if isinstance(vectors, torch.Tensor):
        return vectors.detach()
    try:
        return np.asanyarray(vectors)
    except ValueError as error:  # lists of rows that differ in length
        raise ShapeError("A space must be a matrix of vectors.", where=where, got=error) from error


def _is_real(vectors: Vectors) -> bool:
    if isinstance(vectors, torch.Tensor):
        return not vectors.is_complex() and vectors.dtype != torch.bool
    return vectors.dtype.kind in "fiu"


def _check_pairs(spaces: Mapping[str, Vectors], pairs: Sequence[tuple[str, str]]) -> None:
    if not pairs:
        raise EvaluationError("There is no pair to evaluate.", expected='pairs such as [("image", "audio")]')
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise EvaluationError("A pair is two different spaces.", got=pair)
        for name in pair:
            if name not in spaces:
                raise UnknownNameError("A pair names a space that has no vectors.", got=name,
                                       expected=", ".join(sorted(spaces)) or "any space")


def _unique_ids(ids: Sequence[str]) -> tuple[str, ...]:
    seen: set[str] = set()
    for row, item in enumerate(ids):
        if item in seen:
            raise EvaluationError("An id stands for two rows.", where=f"ids, row {row}", got=item,
                                  expected="one row per item")
        seen.add(item)
    return tuple(ids)


def _check_lengths(a: Matrix, b: Matrix, ids: tuple[str, ...] | None) -> None:
    where = f"spaces {a.name!r} and {b.name!r}"
    if len(a) != len(b):
        raise ShapeError("Paired spaces must have as many rows.", where=where,
                         got=f"{len(a)} and {len(b)} rows", expected="row i of both is the same item")
    if ids is not None and len(ids) != len(a):
        raise ShapeError("There must be one id per row.", where=where, got=f"{len(ids)} ids",
                         expected=f"{len(a)} ids")
    if len(a) == 1:
        raise EvaluationError("Retrieval over 1 item is meaningless: it is always found.", where=where,
                              got="1 row", expected="at least 2 rows")


def _pair_ranks(
    binder: Scorer, a: Matrix, b: Matrix, memory_limit: int, postprocess: Postprocess | None
) -> tuple[torch.Tensor, torch.Tensor]:
    def score_block(rows: slice, columns: slice) -> torch.Tensor:
        return binder.score(a.name, a[rows], b.name, b[columns])

    try:
        if postprocess is not None or getattr(binder, "scores_batches", False):
            table = _whole_table(score_block, a, b, memory_limit, postprocess)
            return paired_ranks(lambda rows, columns: table[rows, columns], len(a), memory_limit=memory_limit)
        products = _as_products(binder, a, b) if 8 * len(a) ** 2 > memory_limit else None
        if products is not None:
            limit = min(memory_limit, TILE_BYTES)
            return paired_ranks(products, len(a), memory_limit=limit, tie_tolerance=ROUNDING,
                                block=_ROWS_EMBEDDED_AT_ONCE)  # fmt: skip
        return paired_ranks(score_block, len(a), memory_limit=memory_limit, tie_tolerance=ROUNDING)
    except (ShapeError, EvaluationError) as error:
        place = f"scores of {a.name!r} against {b.name!r}"
        error.where = place if error.where is None else f"{place}, {error.where}"
        raise


def _as_products(binder: Scorer, a: Matrix, b: Matrix) -> ScoreBlock | None:
    """Scores as inner products of rows that are embedded a block at a time; None where the binder tells none."""
    told = getattr(binder, "as_inner_product", None)
    if told is None:
        return None
    try:
        similarity = told(a.name, b.name)
    except UsageError:  # a method whose score is no inner product
        return None
    left, right = _Embedded(a, similarity.left), _Embedded(b, similarity.right)
    return lambda rows, columns: left[rows] @ right[columns].T


class _Embedded:
    """A space's rows as embedded, of which one block at a time is held."""

    def __init__(self, matrix: Matrix, embed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._matrix, self._embed = matrix, embed
        self._start, self._held = -1, torch.empty(0)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        start = rows.start - rows.start % _ROWS_EMBEDDED_AT_ONCE
        if start != self._start:
            self._start, self._held = start, self._embed(self._matrix[start : start + _ROWS_EMBEDDED_AT_ONCE])
        return self._held[rows.start - start : rows.stop - start]


def _whole_table(
    score_block: Callable[[slice, slice], torch.Tensor],
    a: Matrix,
    b: Matrix,
    memory_limit: int,
    postprocess: Postprocess | None,
) -> torch.Tensor:
    needed = 2 * 4 * len(a) * len(b)
    if needed > memory_limit:
        raise EvaluationError(
            "The scores to postprocess do not fit into memory.", got=f"{needed / 2**30:.3g} GiB",
            expected=f"at most {memory_limit / 2**30:.3g} GiB", hint="Take fewer rows, or raise memory_limit.",
        )  # fmt: skip
    everything = slice(None)
    table = score_block(everything, everything)
    scores = table if postprocess is None else postprocess(table)
    if tuple(scores.shape) != tuple(table.shape):
        raise ShapeError("A postprocessed table must keep its shape.", got=tuple(scores.shape),
                         expected=tuple(table.shape))  # fmt: skip
    return scores


def _intervals(
    forward: torch.Tensor,
    backward: torch.Tensor,
    ks: Sequence[int],
    n_boot: int,
    seed: int,
    confidence: float,
) -> Intervals:
    columns = [_mean_reciprocal(forward, backward)]
    columns += [((forward <= k).double() + (backward <= k).double()) / 2 for k in ks]
    table = torch.stack(columns, dim=1)
    mrr, *recall = bootstrap_intervals(table, n_boot=n_boot, seed=seed, confidence=confidence)
    return Intervals(confidence, n_boot, mrr, dict(zip(ks, recall, strict=True)))


def _pair_result(
    pair: tuple[str, str],
    forward: torch.Tensor,
    backward: torch.Tensor,
    ks: Sequence[int],
    interval: Intervals | None,
    ids: tuple[str, ...] | None,
) -> PairResult:
    a, b = pair
    n_items = len(forward)
    there, back = metrics_from_ranks(forward, n_items, ks), metrics_from_ranks(backward, n_items, ks)
    return PairResult(
        pair=(a, b),
        n_queries=n_items,
        mrr=(there.mrr + back.mrr) / 2,
        recall={k: (there.recall[k] + back.recall[k]) / 2 for k in ks},
        median_rank=(there.median_rank + back.median_rank) / 2,
        map=(there.map + back.map) / 2,
        chance=chance_metrics(n_items, ks),
        interval=interval,
        directions={f"{a}->{b}": there, f"{b}->{a}": back},
        reciprocal_ranks=_mean_reciprocal(forward, backward),
        ids=ids,
    )


def _mean_reciprocal(forward: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    return (1 / forward + 1 / backward) / 2
