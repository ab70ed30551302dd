"""Every pair of a binder's spaces at a glance: measured where true pairs are known, forecast where they are not.

A pair is *direct* where some data set holds both spaces; else it is bound through one pivot or more. Rows that the
binder was fitted on say nothing about how good it is: give ``evaluation_matrix`` others only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anybind.bridging import dataset_edge
from anybind.errors import NoPathError, ShapeError, UsageError
from anybind.evaluation.evaluate import PairResult, Scorer, Vectors, evaluate, share_of_oracle
from anybind.graph import BridgeGraph

if TYPE_CHECKING:
    from anybind.artifact import Training
    from anybind.binder import Binder
    from anybind.forecasting.forecast import Forecast

Pair = tuple[str, str]
USUAL_GALLERY = 1000


@dataclass(frozen=True)
class PairedRows:
    """True pairs of two spaces; row i of both is one item.

    Attributes:
        vectors: Space -> (n, dim), of two spaces at least.
        ids: The items' ids, if they are known.
        dataset: Where the rows are from, for people.
        left_out: How many rows of that data set were left out, because they or others of their group were trained on.
    """

    vectors: Mapping[str, Vectors]
    ids: Sequence[str] | None = None
    dataset: str | None = None
    left_out: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))


@dataclass(frozen=True)
class MatrixRow:
    """One pair of spaces; fractions of 1.

    Attributes:
        pair: The two spaces.
        path: The spaces that join them, themselves included; empty where no chain of data sets does.
        result: What true pairs show, in both directions; None without any, or where the binder has no route.
        share_of_oracle: MRR as a share of that of the same method fitted on true pairs; None without an oracle.
        forecast: What to expect, at the gallery that was measured or else at the one asked for; None without any.
        dataset: Where the true pairs are from.
        left_out: How many rows of that data set were left out, because they were trained on.
    """

    pair: Pair
    path: tuple[str, ...]
    result: PairResult | None = None
    share_of_oracle: float | None = None
    forecast: Forecast | None = None
    dataset: str | None = None
    left_out: int = 0

    @property
    def pivots(self) -> int | None:
        """How many spaces stand between the two: 0 for a direct pair; None where nothing joins them."""
        return len(self.path) - 2 if self.path else None

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values; recall keys are strings."""
        found = self.result
        known = {
            "pair": list(self.pair), "path": list(self.path), "pivots": self.pivots, "dataset": self.dataset,
            "left_out": self.left_out, "n_queries": None, "mrr": None, "interval": None, "recall": None,
            "chance": None, "share_of_oracle": self.share_of_oracle,
            "forecast": None if self.forecast is None else self.forecast.to_dict(),
        }  # fmt: skip
        if found is None:
            return known
        return known | {
            "n_queries": found.n_queries, "mrr": found.mrr,
            "interval": None if found.interval is None else list(found.interval.mrr),
            "recall": {str(k): share for k, share in found.recall.items()}, "chance": found.chance.mrr,
        }  # fmt: skip


def evaluation_matrix(
    binder: Binder,
    tests: Mapping[Pair, PairedRows],
    *,
    oracles: Mapping[Pair, Scorer] | None = None,
    gallery: int | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> tuple[MatrixRow, ...]:
    """One row for every pair of a binder's spaces: direct ones first, then by the number of pivots.

    Args:
        binder: A fitted binder.
        tests: Pair, named in either order -> true pairs that it was not fitted on; see ``paired_rows``.
        oracles: Pair -> the same method fitted on true pairs, other ones than these.
        gallery: Items in the gallery that unmeasured pairs are forecast for; as many as the largest test has, or
            1,000, if None. A measured pair is forecast for its own gallery, so that the two can be compared.
        n_boot, seed: Of the bootstrap, as in ``anybind.evaluate``.

    Raises:
        ShapeError, EvaluationError: as ``anybind.evaluate``.
        UsageError: the gallery is no whole number of at least 2.
    """
    if gallery is not None and (isinstance(gallery, bool) or not isinstance(gallery, int) or gallery < 2):
        raise UsageError("a gallery has a whole number of items", got=repr(gallery), expected="2 or more")
    rows = {frozenset(pair): given for pair, given in tests.items()}
    trained = {frozenset(pair): oracle for pair, oracle in (oracles or {}).items()}
    largest = max(map(len, rows.values()), default=USUAL_GALLERY)
    usual = largest if gallery is None else gallery
    found = []
    for pair, path in pair_paths(binder.spaces, binder.training).items():
        row = MatrixRow(pair, path)
        if path and frozenset(pair) in rows:
            row = _measured(row, binder, rows[frozenset(pair)], trained.get(frozenset(pair)), n_boot, seed)
        size = usual if row.result is None else row.result.n_queries
        found.append(replace(row, forecast=_forecast(binder, pair, size) if path else None))
    return tuple(sorted(found, key=lambda row: (not row.path, len(row.path))))


def paired_rows(
    spaces: Mapping[str, Vectors],
    *,
    present: Mapping[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    dataset: str | None = None,
    left_out: int = 0,
) -> dict[Pair, PairedRows]:
    """The true pairs of every two spaces of one data set; pairs that share fewer than two rows are left out.

    Args:
        spaces: Space -> (n, dim) array; row i of every space is the same item.
        present: Space -> (n,) booleans, where rows are missing.
        ids: The n items' ids.
        dataset, left_out: As of ``PairedRows``.

    Raises:
        ShapeError: spaces, masks or ids differ in length.
    """
    lengths = {name: len(rows) for name, rows in spaces.items()}
    masks = {name: np.asarray((present or {}).get(name, np.ones(n)), dtype=bool) for name, n in lengths.items()}
    sizes = {*lengths.values(), *(len(mask) for mask in masks.values()), *(() if ids is None else (len(ids),))}
    if len(sizes) > 1:
        raise ShapeError("Spaces, masks and ids of one data set must have as many rows.", got=sorted(sizes))
    found = {}
    for pair in combinations(spaces, 2):
        rows = np.flatnonzero(masks[pair[0]] & masks[pair[1]])
        if len(rows) > 1:
            known = None if ids is None else [ids[row] for row in rows.tolist()]
            found[pair] = PairedRows({name: _taken(spaces[name], rows) for name in pair}, known, dataset, left_out)
    return found


def pair_paths(spaces: Mapping[str, Any], training: Training) -> dict[Pair, tuple[str, ...]]:
    """Every pair of spaces with the path that joins it, targets first; an empty path where nothing does.

    A pair that was no target has no path of its own: it gets the best one that the data sets allow.
    """
    paths: dict[Pair, tuple[str, ...]] = {path.pair: path.spaces for path in training.paths}
    known = {frozenset(pair) for pair in paths}
    dims = {name: space.dim for name, space in spaces.items()}
    edges = [
        dataset_edge(name, a, b, min(info.rows[a], info.rows[b]), dims)
        for name, info in training.datasets.items()
        for a, b in combinations(info.rows, 2)
    ]
    graph = BridgeGraph(spaces, edges)
    for a, b in combinations(spaces, 2):
        if frozenset((a, b)) not in known:
            paths[a, b] = next((path.spaces for path in graph.plan(a, b, k=1).paths), ())
    return paths


def _measured(
    row: MatrixRow, binder: Scorer, given: PairedRows, oracle: Scorer | None, n_boot: int, seed: int
) -> MatrixRow:
    """The row with what true pairs show; as it was where the binder has no route for the pair."""
    try:
        (found,) = evaluate(binder, given.vectors, [row.pair], ids=given.ids, n_boot=n_boot, seed=seed)
    except NoPathError:
        return row
    share = None
    if oracle is not None:
        share = share_of_oracle(found, evaluate(oracle, given.vectors, [row.pair], n_boot=0)[0])
    return replace(row, result=found, share_of_oracle=share, dataset=given.dataset, left_out=given.left_out)


def _forecast(binder: Binder, pair: Pair, gallery: int) -> Forecast | None:
    """What the binder expects; None where its fit looked at no held-out rows, or at none of this pair."""
    try:
        return binder.forecast(*pair, gallery=gallery)
    except (NoPathError, UsageError):
        return None


def _taken(vectors: Vectors, rows: np.ndarray[Any, Any]) -> Vectors:
    if len(rows) == len(vectors):  # a memory-map stays on disk
        return vectors
    return vectors[torch.from_numpy(rows)] if isinstance(vectors, torch.Tensor) else vectors[rows]
