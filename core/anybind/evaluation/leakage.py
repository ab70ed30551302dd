"""Leakage: test items that the training data holds too, by id, by content or as a near-duplicate."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from anybind.array_input import Numbers, array_source, array_sources
from anybind.errors import DataError, ShapeError, UnknownNameError
from anybind.evaluation.leakage_report import Compared, Leak, Leakage, Why
from anybind.evaluation.near_duplicates import Chance, NearestRows, duplicate_distance
from anybind.options import did_you_mean
from anybind.rows import Batch, RowSource, Sampler, checked_batches, chosen_rows

_SAMPLE_ROWS = 2000


def leakage(
    training: Mapping[str, Mapping[str, Numbers]],
    test: Mapping[str, Numbers],
    *,
    ids: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    present: Mapping[str, Mapping[str, Any]] | None = None,
    test_ids: Sequence[str] | None = None,
    test_groups: Sequence[str] | None = None,
) -> Leakage:
    """Find the test items that training data holds too.

    By id, where ids are given for both: equal ids are taken for the same item. By content: vectors of a space that
    are equal, up to rounding. As near-duplicates: a cosine above a threshold that is estimated, for each space and
    training data set, from how close different items of the training data, and of the test, come to each other;
    see ``anybind.evaluation.near_duplicates.Chance``. And by family: where ``groups`` and ``test_groups``
    are given, items of one group are near-duplicates, and never count as different items.

    Args:
        training: Data set -> space -> (n, dim) array, as for ``anybind.fit``.
        test: Space -> (m, dim) array; row i of every space is the same item. Each space is in some data set.
        ids, groups, present: As for ``anybind.fit``.
        test_ids: The test items' ids; "test:0" and so on if None.
        test_groups: The group of near-duplicates each test item belongs to.

    Raises:
        UnknownNameError: a test space is in no training data set.
        ShapeError, DataError, UsageError: arrays, ids or groups do not fit, ids repeat, or a vector is not finite.
    """
    sources = array_sources(training, present=present, ids=ids, groups=groups)
    held = {space for source in sources for space in source.dims}
    source = array_source("test", test, ids=test_ids, groups=test_groups)
    for space in source.dims:
        if space not in held:
            raise UnknownNameError("a space of the test is in no training data set", got=space,
                                   expected=", ".join(sorted(held)), hint=did_you_mean(space, held))  # fmt: skip
    return find_leaks(
        sources, _joined(list(checked_batches(source))),
        same_ids=() if test_ids is None else ids or (), same_groups=() if test_groups is None else groups or (),
    )  # fmt: skip


def find_leaks(
    sources: Sequence[RowSource], test: Batch, *, same_ids: Collection[str], same_groups: Collection[str]
) -> Leakage:
    """``leakage`` for streams of rows; each is read twice, and of its rows only the ids stay in memory.

    Args:
        sources: The training data sets; spaces that the test lacks are not looked at.
        test: The test items, at least one.
        same_ids: Names of the data sets whose ids mean the same items as the test's.
        same_groups: Names of the data sets whose groups mean the same families as the test's.

    Raises:
        ShapeError: a space has other dims in the test. DataError: a vector is not finite, or an id repeats.
    """
    leaks: list[Leak] = []
    compared: list[Compared] = []
    for source in sources:
        named = _Named(source, test, source.name in same_ids, source.name in same_groups)
        comparisons = _comparisons(source, test)
        for batch in checked_batches(source):
            leaks += named.leaks(batch)
            for comparison in comparisons:
                comparison.offer(batch)
        for comparison in comparisons:
            report, found = comparison.finish()
            compared.append(report)
            leaks += found
    surest: dict[tuple[str, str], Leak] = {}
    for leak in sorted(leaks, key=lambda leak: leak.order):
        surest.setdefault((leak.test, leak.space), leak)
    return Leakage(len(test.ids), tuple(surest.values()), tuple(compared))


class _Named:
    """Finds of one data set by the names of items and of their families."""

    def __init__(self, source: RowSource, test: Batch, same_ids: bool, same_groups: bool) -> None:
        self._source, self._test = source, test
        self._ids = set(test.ids) if same_ids else set()
        self._members: dict[str, list[int]] = {}
        for row, group in enumerate(test.groups or () if same_groups else ()):
            self._members.setdefault(group, []).append(row)
        self._seen: set[tuple[str, str]] = set()  # (group, space): one training row stands for its family

    def leaks(self, batch: Batch) -> Iterator[Leak]:
        for row, item in enumerate(batch.ids):
            group = batch.groups[row] if batch.groups else None
            if item not in self._ids and group not in self._members:
                continue
            for space in self._spaces(batch, row):
                if item in self._ids:
                    yield Leak(item, item, self._source.name, space, "id")
                if group in self._members and (group, space) not in self._seen:
                    self._seen.add((group, space))
                    yield from self._relatives(batch, row, group, space)

    def _spaces(self, batch: Batch, row: int) -> list[str]:
        """The test's spaces that the row holds; if it holds none of them, the first that it does."""
        held = [space for space in batch.vectors if space not in batch.present or bool(batch.present[space][row])]
        return [space for space in held if space in self._test.vectors] or (held or list(self._source.dims))[:1]

    def _relatives(self, batch: Batch, row: int, group: str, space: str) -> Iterator[Leak]:
        for member in self._members[group]:
            cosine = None
            if space in self._test.vectors:
                pair = self._test.vectors[space][member].double(), batch.vectors[space][row].double()
                cosine = float(torch.nn.functional.cosine_similarity(*pair, dim=0))
            yield Leak(self._test.ids[member], batch.ids[row], self._source.name, space, "near-duplicate", cosine)


class _Comparison:
    """One space of the test held against one data set: equal vectors, and near ones.

    Args:
        dataset, space: Which.
        test: The test items.
        sample: Rows of the data set whose distances to its other rows tell how near different items come.
    """

    def __init__(self, dataset: str, space: str, test: Batch, sample: Batch) -> None:
        self.dataset, self.space, self._test = dataset, space, test
        self._rows = 0
        self._equal: dict[int, str] = {}
        self._by_content: dict[bytes, list[int]] = {}
        for row, digest in enumerate(_digests(test.vectors[space])):
            self._by_content.setdefault(digest, []).append(row)
        self._nearest = NearestRows(test.vectors[space])
        self._usual = NearestRows(sample.vectors[space], sample.groups or sample.ids)

    def offer(self, batch: Batch) -> None:
        if self.space in batch.present:
            batch = chosen_rows(batch, batch.present[self.space])
        vectors = batch.vectors[self.space]
        self._rows += len(vectors)
        for item, digest in zip(batch.ids, _digests(vectors), strict=True):
            for row in self._by_content.pop(digest, ()):  # one training row stands for all of that content
                self._equal[row] = item
        self._nearest.offer(vectors, batch.ids)
        self._usual.offer(vectors, batch.ids, batch.groups)

    def finish(self) -> tuple[Compared, list[Leak]]:
        """What was compared, and the finds."""
        distances, equal, copies = self._nearest.distances(), self._nearest.equal(), self._usual.equal()
        equal[list(self._equal)] = True
        limit = self._limit(distances[~equal])
        threshold = None if limit is None else 1 - limit**2 / 2
        leaks = [self._leak(row, item, "content", 1.0) for row, item in self._equal.items()]
        for row in torch.nonzero(equal | (distances < (limit or 0.0))).flatten().tolist():
            if row not in self._equal:
                why: Why = "content" if equal[row] else "near-duplicate"
                leaks.append(self._leak(row, self._nearest.ids[row], why, 1 - float(distances[row]) ** 2 / 2))
        repeated = float(copies.double().mean()) if len(copies) else 0.0
        return Compared(self.dataset, self.space, self._rows, threshold, repeated), leaks

    def _leak(self, row: int, training: str, why: Why, cosine: float) -> Leak:
        return Leak(self._test.ids[row], training, self.dataset, self.space, why, cosine)

    def _limit(self, distances: torch.Tensor) -> float | None:
        """The distance below which an item is a near-duplicate; ``distances`` are those of items that are no copies.

        The test's own distances count as well: items of a narrow field are all near each other, and so to the few
        of that field in broad training data.
        """
        chance = Chance.of(self._usual.distances(), self._rows)
        if chance is None or not len(distances):
            return None
        rows = self._test.vectors[self.space]
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:_SAMPLE_ROWS]
        names = self._test.groups or self._test.ids
        within = NearestRows(rows[chosen], [names[row] for row in chosen.tolist()])
        within.offer(rows, self._test.ids, self._test.groups)
        among_test = Chance.of(within.distances(), len(rows))
        return duplicate_distance(distances, self._rows, [chance] if among_test is None else [chance, among_test])


def _comparisons(source: RowSource, test: Batch) -> list[_Comparison]:
    """One for each space that a data set and the test have in common."""
    dims = {space: dim for space, dim in source.dims.items() if space in test.vectors}
    for space, dim in dims.items():
        width = test.vectors[space].shape[1]
        if width != dim:
            raise ShapeError("a space has other dims in the test than in the training data",
                             where=f"data set {source.name!r}, space {space!r}", got=width, expected=dim)  # fmt: skip
    if not dims:
        return []
    sampler = Sampler(_SAMPLE_ROWS, seed=0)
    groups: dict[str, str] = {}
    for batch in checked_batches(source):
        no_folds = torch.zeros(len(batch.ids), dtype=torch.long)
        sampler.offer(batch, {space: batch.vectors[space] for space in dims}, no_folds)
        groups |= dict(zip(batch.ids, batch.groups or batch.ids, strict=True))
    sample = sampler.sample(dims, dims)
    rows = Batch(sample.ids, sample.vectors, sample.present, tuple(groups[item] for item in sample.ids))
    return [_Comparison(source.name, space, test, chosen_rows(rows, rows.present[space])) for space in dims]


def _digests(vectors: torch.Tensor) -> Iterator[bytes]:
    """A hash of every row's content; a negative zero is a zero."""
    for row in (vectors + 0.0).numpy():
        yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def _joined(batches: Sequence[Batch]) -> Batch:
    if not batches:
        raise DataError("the test has no rows", expected="at least one item to check")
    first = batches[0]
    vectors = {space: torch.cat([batch.vectors[space] for batch in batches]) for space in first.vectors}
    ids = tuple(item for batch in batches for item in batch.ids)
    groups = None if first.groups is None else tuple(name for batch in batches for name in batch.groups or ())
    return replace(first, ids=ids, vectors=vectors, groups=groups)
