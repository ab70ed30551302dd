"""Filling a space: embed the ids that are missing, one shard at a time, beside other processes."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray

from anybind.distributed import Runtime
from anybind.errors import DataError, ShapeError, StoreError
from anybind.store.claims import Claim, ClaimBoard
from anybind.store.files import storing
from anybind.store.shards import Shards, shard_name, write_shard

Embed = Callable[[Sequence[str]], torch.Tensor]
Plan = list[tuple[int, list[str]]]

_POLL_SECONDS = 0.1
_BACKOFF_SECONDS = 0.05
_JITTER = random.SystemRandom()  # spreads processes in time; leaves the seeded generators alone


@dataclass(frozen=True)
class FillReport:
    """What a fill did, in rows.

    Attributes:
        written: Rows embedded and written, by all ranks of this run together.
        reused: Rows that were there at the start.
        shared: Rows that other runs wrote meanwhile.
        repaired: Names of damaged shards that were removed; their rows count as written.
    """

    written: int
    reused: int
    shared: int
    repaired: tuple[str, ...] = ()


def check_vectors(
    vectors: object, ids: Sequence[str], *, dim: int, encoder: str, space: str
) -> NDArray[np.float32]:
    """Check what an encoder returned for ``ids``.

    Returns:
        (len(ids), dim) float32, contiguous.

    Raises:
        ShapeError: the shape is not (len(ids), dim).
        DataError: not a tensor, not float32, or NaN or Inf in a row; ``where`` names the space and the id.
    """
    blame = f"encoder '{encoder}'"
    if not isinstance(vectors, torch.Tensor):
        raise DataError(
            f"{blame} returned no tensor", where=space, got=type(vectors).__name__, expected="torch.Tensor"
        )
    expected = (len(ids), dim)
    if tuple(vectors.shape) != expected:
        raise ShapeError(
            f"{blame} returned the wrong shape", where=space, got=tuple(vectors.shape), expected=expected
        )
    if vectors.dtype != torch.float32:
        raise DataError(
            f"{blame} returned the wrong type of numbers", where=space, got=vectors.dtype, expected="float32"
        )
    array: NDArray[np.float32] = np.ascontiguousarray(vectors.detach().cpu().numpy())
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = array[row][~np.isfinite(array[row])][0]
        raise DataError(
            f"{blame} returned a vector that is not finite", where=f"{space}, id {ids[row]!r}",
            got=f"{value} in {int(bad.sum())} of {len(ids)} rows", expected="finite numbers",
        )  # fmt: skip
    return array


class Filler:
    """One run of filling one space.

    Args:
        shards: The space's shards, just refreshed.
        board: The claims of the same folder, entered.
        embed: Ids -> (n, dim) float32 vectors; rows of ids it adds to ``unreadable`` are left out.
        check: (vectors, ids) -> array; raises DataError.
        shard_size: Rows in a full shard.
        progress: Called with a number of rows whenever a shard is finished, by whomever.
        unreadable: Ids that `embed` found it cannot embed; `embed` may add to it.
    """

    def __init__(
        self,
        shards: Shards,
        board: ClaimBoard,
        *,
        embed: Embed,
        check: Callable[[object, Sequence[str]], NDArray[np.float32]],
        shard_size: int,
        progress: Callable[[int], None],
        unreadable: Collection[str],
    ) -> None:
        self._shards, self._board = shards, board
        self._embed, self._check, self._size = embed, check, shard_size
        self._progress, self._unreadable = progress, unreadable
        self._todo: dict[str, None] = {}
        self._written = 0
        self._finished = 0

    def fill(self, wanted: Sequence[str], runtime: Runtime) -> FillReport:
        """Write the rows of ``wanted`` that are missing. With several ranks, every rank calls this."""
        repaired = self._remove_damaged(wanted) if runtime.rank == 0 else []
        repaired = runtime.broadcast(repaired)
        self._shards.refresh()
        self._todo = dict.fromkeys(
            identifier for identifier in wanted if identifier not in self._shards.index
        )
        reused = len(wanted) - runtime.broadcast(len(self._todo))
        if runtime.world > 1:
            self._fill_as_rank(runtime)
        else:
            self._fill_alone()
        written = sum(runtime.all_gather_object(self._written))
        shared = max(0, self._finished - written)
        return FillReport(written, reused, shared, tuple(shard_name(number) for number in repaired))

    def _fill_alone(self) -> None:
        while self._todo:
            others = self._look()
            taken = frozenset[str]().union(*(claim.ids for claim in others))
            ids = list(
                islice((identifier for identifier in self._todo if identifier not in taken), self._size)
            )
            if ids:
                number = next(self._free_numbers(others))
                self._try([(number, ids)])
            elif self._todo:  # what is left is in other hands: wait for it, or for those hands to go still
                time.sleep(_POLL_SECONDS)
        self._look()

    def _try(self, plan: Plan) -> None:
        claim = self._claim(plan)
        if claim is None:
            time.sleep(_JITTER.uniform(0, _BACKOFF_SECONDS))
            return
        try:
            self._write(plan, claim)
        finally:
            self._board.withdraw(claim)

    def _fill_as_rank(self, runtime: Runtime) -> None:
        """Rank 0 claims everything at once; shard k of the plan goes to rank k mod world.

        The plan does not depend on the number of ranks, so the files do not either.
        """
        claim, plan = self._claim_everything() if runtime.rank == 0 else (None, [])
        plan = runtime.broadcast(plan)
        failure: Exception | None = None
        try:
            self._write(plan[runtime.rank :: runtime.world], claim)
        except Exception as error:  # told to the other ranks, then raised
            failure = error
        failures = runtime.all_gather_object(None if failure is None else str(failure))
        if claim is not None:
            self._board.withdraw(claim)
        if failure is not None:
            raise failure
        for rank, text in enumerate(failures):
            if text is not None:
                raise StoreError("another rank failed", where=f"rank {rank} of {runtime.world}", got=text)
        self._look()

    def _claim_everything(self) -> tuple[Claim | None, Plan]:
        while True:
            others = self._look()
            if not self._todo:
                return None, []
            if any(not claim.ids.isdisjoint(self._todo) for claim in others):
                time.sleep(_POLL_SECONDS)
                continue
            ids = list(self._todo)
            chunks = [ids[start : start + self._size] for start in range(0, len(ids), self._size)]
            plan = list(zip(self._free_numbers(others), chunks, strict=False))
            claim = self._claim(plan)
            if claim is not None:
                return claim, plan
            time.sleep(_JITTER.uniform(0, _BACKOFF_SECONDS))

    def _look(self) -> list[Claim]:
        """Claims of others, then what all have finished. This order matters: see `claims`."""
        with storing("read the store", self._shards.folder):
            others = self._board.others()
            fresh = self._shards.refresh(recheck=False)
        before = len(self._todo)
        for identifier in fresh:
            self._todo.pop(identifier, None)
        finished = before - len(self._todo)
        if finished:
            self._finished += finished
            self._progress(finished)
        return others

    def _free_numbers(self, others: Sequence[Claim]) -> Iterator[int]:
        taken = self._shards.numbers.union(*(claim.numbers for claim in others))
        return (number for number in count() if number not in taken)

    def _claim(self, plan: Plan) -> Claim | None:
        """Announce the plan, then look; None when it overlaps with what somebody else does or has done."""
        ids = [identifier for _, chunk in plan for identifier in chunk]
        with storing("write a claim", self._shards.folder):
            claim = self._board.announce((number for number, _ in plan), ids)
        others = self._look()
        done = any(identifier not in self._todo for identifier in ids)
        used = not claim.numbers.isdisjoint(self._shards.numbers)
        if done or used or any(claim.overlaps(other) for other in others):
            self._board.withdraw(claim)
            return None
        return claim

    def _write(self, plan: Plan, claim: Claim | None) -> None:
        for number, ids in plan:
            vectors = self._embed(ids)
            kept = [identifier for identifier in ids if identifier not in self._unreadable]
            array = self._check(vectors, kept)
            if claim is not None and not self._board.holds(claim):
                return  # this process stood still for so long that another one does these rows now
            if kept:
                write_shard(self._shards.folder, number, kept, array, uuid.uuid4().hex)
            for identifier in set(ids) - set(kept):
                self._todo.pop(identifier, None)
            self._written += len(kept)
            if len(plan) > 1:
                self._look()

    def _remove_damaged(self, wanted: Sequence[str]) -> list[int]:
        """Remove shards that are broken, or hold wanted rows under a wrong sum; return their numbers."""
        index = self._shards.index
        self._shards.verify(sorted({index[identifier][0] for identifier in wanted if identifier in index}))
        return [number for number in sorted(self._shards.damaged) if self._remove_if_damaged(number)]

    def _remove_if_damaged(self, number: int) -> bool:
        """Under a claim on its number, so that the shard another process put in its place is safe."""
        with storing("write a claim", self._shards.folder):
            claim = self._board.announce([number], [])
        try:
            if any(claim.overlaps(other) for other in self._board.others()):
                return False
            self._shards.refresh()
            self._shards.verify([number] if number in self._shards.numbers else [])
            if number not in self._shards.damaged:
                return False
            self._shards.remove(number)
            return True
        finally:
            self._board.withdraw(claim)


def unique_ids(ids: Sequence[str], *, where: str | None = None) -> list[str]:
    """``ids`` as a list; ``where`` names them in errors.

    Raises:
        DataError: an id is not a non-empty string that UTF-8 can hold, or occurs twice.
    """
    listed = list(ids)
    for identifier in listed:
        if not isinstance(identifier, str) or not identifier or not _is_encodable(identifier):
            got, expected = repr(identifier), "a non-empty string"
            raise DataError("an id is not a plain string", where=where, got=got, expected=expected)
    if len(set(listed)) != len(listed):
        twice = [identifier for identifier, times in Counter(listed).items() if times > 1]
        got = f"{len(twice)} repeated, first {twice[:3]}"
        raise DataError("ids occur more than once", where=where, got=got, expected="unique ids")
    return listed


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
