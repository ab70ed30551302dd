"""The shards of one space: their format, their index, and the check of their sums.

A shard is two files: ``shard-00000.safetensors`` holds ``vectors`` (rows, dim) float32 and the ids as UTF-8
bytes with offsets; ``shard-00000.json`` holds rows, bytes and sha256 of the first, and its presence says
that the shard is complete. The index is derived by listing; nothing else has to be kept in step.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from anybind.errors import DamagedShardError, StoreError
from anybind.store.files import storing, write_whole

SCHEMA_VERSION = 1
_REPAIR = "run the extraction again: damaged shards are removed and their rows embedded again"


def shard_name(number: int) -> str:
    """The name of both files of a shard, without ending."""
    return f"shard-{number:05d}"


def write_shard(
    folder: Path, number: int, ids: Sequence[str], vectors: NDArray[np.float32], token: str
) -> None:
    """Write one shard whole. The same ids and vectors always give the same bytes.

    Args:
        folder: An existing folder.
        number: The shard's number; an unfinished shard of that number is replaced.
        ids: One per row, unique.
        vectors: (len(ids), dim) float32.
        token: Unique to the writer.

    Raises:
        StoreError: the disk is full or cannot be written.
    """
    encoded = [identifier.encode() for identifier in ids]
    tensors: dict[str, NDArray[Any]] = {
        "vectors": np.ascontiguousarray(vectors),
        "ids": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
    }
    content = save(tensors)
    facts = {
        "schema_version": SCHEMA_VERSION,
        "rows": len(ids),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    name = shard_name(number)
    with storing("write a shard", folder / f"{name}.safetensors"):
        contents = {f"{name}.safetensors": content, f"{name}.json": json.dumps(facts, indent=1).encode()}
        write_whole(folder, contents, token)


@dataclass(frozen=True)
class _Shard:
    """A complete shard as far as its size and header tell."""

    ids: list[str]
    sha256: str


class Shards:
    """The shards lying in one folder. Not safe for use by several threads at once.

    Attributes:
        index: id -> (shard number, row). Damaged shards are not in it.
        damaged: Shard number -> what is wrong with it.
        numbers: The numbers that are taken, damaged ones included.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self.index: dict[str, tuple[int, int]] = {}
        self.damaged: dict[int, str] = {}
        self._dim = dim
        self._shards: dict[int, _Shard] = {}
        self._signatures: dict[int, tuple[object, ...]] = {}
        self._verified: set[int] = set()

    @property
    def numbers(self) -> set[int]:
        return self._shards.keys() | self.damaged.keys()

    def refresh(self, *, recheck: bool = True) -> list[str]:
        """List the folder again and take in what is new.

        Args:
            recheck: Also look whether known shards, sound or damaged, were removed, replaced or written to.

        Returns:
            The ids that became known by this call, in shard order.
        """
        listed = _listed(self.folder)
        if recheck:
            self._forget(
                {number for number in self.numbers if self._signatures[number] != self._signature(number)}
            )
        return [
            identifier for number in sorted(listed - self.numbers) for identifier in self._take_in(number)
        ]

    def verify(self, numbers: Iterable[int] | None = None) -> list[int]:
        """Check sums in full, once for each shard and process, and return the numbers that are damaged.

        Args:
            numbers: The shards to check; without it all of them, also those checked before.
        """
        if numbers is None:
            self._verified.clear()
            numbers = sorted(self.numbers)
        wrong = [number for number in numbers if not self._sum_is_right(number)]
        newly = {number: self._signatures[number] for number in wrong if number in self._shards}
        self._forget(newly.keys())
        self._signatures.update(newly)
        self.damaged.update(dict.fromkeys(newly, "its sha256 does not match"))
        return wrong

    def read(self, ids: Sequence[str]) -> torch.Tensor:
        """Vectors of ``ids``, all of which are in the index.

        Returns:
            (len(ids), dim) float32, in the order asked.

        Raises:
            DamagedShardError: a shard's sum is wrong.
        """
        result = np.empty((len(ids), self._dim), dtype=np.float32)
        if not ids:
            return torch.from_numpy(result)
        places = np.array([self.index[identifier] for identifier in ids], dtype=np.int64)
        order = np.argsort(places[:, 0], kind="stable")
        starts = np.flatnonzero(np.diff(places[order, 0])) + 1
        for positions in np.split(order, starts):
            number, rows = int(places[positions[0], 0]), places[positions, 1]
            if self.verify([number]):
                raise self.damage(number)
            result[positions] = self._vectors(number)[rows]
        return torch.from_numpy(result)

    def damage(self, number: int) -> DamagedShardError:
        """The error to raise for a damaged shard."""
        path = self._path(number, "safetensors")
        return DamagedShardError("a shard is damaged", where=path, got=self.damaged.get(number), hint=_REPAIR)

    def remove(self, number: int) -> None:
        """Remove a shard: first the file that says it is complete."""
        with storing("remove a damaged shard", self._path(number, "safetensors")):
            for ending in ("json", "safetensors"):
                self._path(number, ending).unlink(missing_ok=True)
        self._forget({number})

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{shard_name(number)}.{ending}"

    def _signature(self, number: int) -> tuple[object, ...]:
        """Changes whenever one of the shard's files is removed, replaced or written to."""
        return tuple(_facts_of(self._path(number, ending)) for ending in ("json", "safetensors"))

    def _forget(self, numbers: Set[int]) -> None:
        """Drop shards from the index; a shard that holds the same id again takes its place."""
        if not numbers:
            return
        for number in numbers:
            self._shards.pop(number, None)
            self.damaged.pop(number, None)
            self._signatures.pop(number, None)
        self._verified -= numbers
        self.index.clear()
        for number, shard in sorted(self._shards.items()):
            self._enter(number, shard)

    def _enter(self, number: int, shard: _Shard) -> None:
        for row, identifier in enumerate(shard.ids):
            self.index.setdefault(identifier, (number, row))

    def _take_in(self, number: int) -> list[str]:
        self._signatures[number] = self._signature(number)
        try:
            shard = self._opened(number)
        except FileNotFoundError:  # removed by another process since it was listed
            if self._path(number, "json").exists():
                self.damaged[number] = "its vectors file is missing"
            return []
        except (DamagedShardError, SafetensorError, ValueError, LookupError, TypeError) as error:
            self.damaged[number] = str(error).splitlines()[0]
            return []
        fresh = [identifier for identifier in shard.ids if identifier not in self.index]
        self._shards[number] = shard
        self._enter(number, shard)
        return fresh

    def _opened(self, number: int) -> _Shard:
        """Check all that is cheap to check: the facts, the size, the header, and that the ids add up."""
        path = self._path(number, "safetensors")
        facts = json.loads(self._path(number, "json").read_bytes())
        if facts["schema_version"] != SCHEMA_VERSION:
            raise StoreError(
                "a shard was written by another version of anybind", where=path, got=facts["schema_version"],
                expected=SCHEMA_VERSION, hint="upgrade anybind, or choose another store folder",
            )  # fmt: skip
        size, rows = path.stat().st_size, facts["rows"]
        if size != facts["bytes"]:
            raise DamagedShardError(f"its size is {size} bytes, not {facts['bytes']}")
        with safe_open(path, framework="numpy") as file:
            vectors = file.get_slice("vectors")
            if vectors.get_shape() != [rows, self._dim] or vectors.get_dtype() != "F32":
                raise DamagedShardError(f"its vectors are {vectors.get_shape()} {vectors.get_dtype()}")
            ids = _decoded(file.get_tensor("ids"), file.get_tensor("offsets"))
        if len(ids) != rows or len(set(ids)) != rows:
            raise DamagedShardError(f"it holds {len(set(ids))} ids for {rows} rows")
        return _Shard(ids, str(facts["sha256"]))

    def _sum_is_right(self, number: int) -> bool:
        if number in self._verified:
            return True
        shard = self._shards.get(number)
        if shard is None:
            return False
        try:
            with self._path(number, "safetensors").open("rb") as file:
                right = hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
        except OSError:
            return False
        if right:
            self._verified.add(number)
        return right

    def _vectors(self, number: int) -> NDArray[np.float32]:
        """(rows, dim) float32 view of the file, mapped into memory: only the rows used are read."""
        path = self._path(number, "safetensors")
        try:
            with safe_open(path, framework="pt") as file:
                vectors: NDArray[np.float32] = file.get_tensor("vectors").numpy()
        except (OSError, SafetensorError) as error:
            raise DamagedShardError("a shard is damaged", where=path, got=error, hint=_REPAIR) from error
        return vectors


def _listed(folder: Path) -> set[int]:
    """Numbers of the complete shards."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return set()
    stems = [name[6:-5] for name in names if name.startswith("shard-") and name.endswith(".json")]
    return {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}


def _facts_of(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _decoded(joined: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[str]:
    if offsets.ndim != 1 or offsets[0] != 0 or offsets[-1] != len(joined) or (np.diff(offsets) < 0).any():
        raise DamagedShardError("its id offsets do not add up")
    text, cuts = joined.tobytes(), offsets.tolist()
    return [text[start:stop].decode() for start, stop in pairwise(cuts)]
