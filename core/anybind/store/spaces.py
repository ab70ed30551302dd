"""The store as its users see it: folders of spaces, found by what their vectors are."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from anybind.distributed import Runtime
from anybind.errors import StoreError, UsageError
from anybind.store.claims import ClaimBoard
from anybind.store.files import storing, sweep, write_whole
from anybind.store.filling import Embed, Filler, FillReport, check_vectors, unique_ids
from anybind.store.shards import SCHEMA_VERSION, Shards, shard_name

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SpaceKey:
    """Everything that decides what a stored vector is. Keys that differ in anything share no folder.

    Attributes:
        collection: The items themselves, without split, seed or subset.
        modality: The modality's name.
        encoder: The encoder's registered name.
        revision: The exact version of its weights.
        dim: Length of the vectors.
        options: (name, JSON value) of the encoder's options that affect its output; sorted on construction.
        dtype: ``float32``, the only one for now.
    """

    collection: str
    modality: str
    encoder: str
    revision: str
    dim: int
    options: tuple[tuple[str, Any], ...] = ()
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype != "float32" or self.dim < 1:
            got = f"{self.dtype}, dim {self.dim}"
            raise UsageError(
                "a space cannot be stored", where=self.label, got=got, expected="float32, dim >= 1"
            )
        options = {name: _frozen(value) for name, value in self.options}
        object.__setattr__(self, "options", tuple((name, options[name]) for name in sorted(options)))
        try:
            self._canonical()
        except (TypeError, ValueError) as error:
            raise UsageError("an encoder option is no JSON value", where=self.label, got=error) from error

    @property
    def label(self) -> str:
        """The space for people: ``image by efficientnet-lite0 over emoji``."""
        return f"{self.modality} by {self.encoder} over {self.collection}"

    @property
    def folder_name(self) -> Path:
        """``<collection slug+hash>/<space slug+hash>``, the same on every machine."""
        outer = f"{_slug(self.collection)}-{_digest(self.collection)}"
        return Path(outer) / f"{_slug(f'{self.modality}-{self.encoder}')}-{_digest(self._canonical())}"

    def settings(self) -> dict[str, Any]:
        """The key as plain JSON values, options as a mapping with their hash beside it."""
        options = json.loads(json.dumps(dict(self.options)))
        return {**asdict(self), "options": options, "options_sha256": _digest(_json(options), 64)}

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> SpaceKey:
        """The key that `settings` came from."""
        names = ("collection", "modality", "encoder", "revision", "dim", "dtype")
        return cls(**{name: settings[name] for name in names}, options=tuple(settings["options"].items()))

    def _canonical(self) -> str:
        return _json(self.settings())


class SpaceFolder:
    """The vectors of one space over one collection. Obtained from `EmbeddingStore.folder`.

    Attributes:
        key: What the vectors are.
        path: Where they lie; need not exist yet.
    """

    def __init__(self, root: Path, key: SpaceKey, *, stale_after: float = 60.0) -> None:
        self.key = key
        self.path = root / key.folder_name
        self._root = root
        self._stale_after = stale_after
        self._shards = Shards(self.path, key.dim)

    def ids(self) -> list[str]:
        """The ids that have a vector, in shard and row order."""
        self._refresh()
        index = self._shards.index
        return sorted(index, key=index.__getitem__)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` that have no vector yet, in the order given."""
        self._refresh()
        return [identifier for identifier in ids if identifier not in self._shards.index]

    def read(self, ids: Sequence[str]) -> torch.Tensor:
        """Read vectors. The first read of a shard in a process checks its sha256.

        Returns:
            (len(ids), dim) float32 on the CPU, in the order asked.

        Raises:
            StoreError: ids are missing; the error counts them and names the first.
            DamagedShardError: a shard needed here does not match its sum.
        """
        missing = self.missing(ids)
        if missing:
            self.raise_if_damaged()
            shown = ", ".join(repr(identifier) for identifier in missing[:5])
            raise StoreError(
                "vectors are missing in the store", where=self.path,
                got=f"{len(missing)} of {len(ids)} ids missing, first {shown}", hint="run the extraction",
            )  # fmt: skip
        with storing("read the store", self.path):
            return self._shards.read(ids)

    def raise_if_damaged(self) -> None:
        """Raise DamagedShardError when the last look at the folder met a shard that is broken."""
        if self._shards.damaged:
            raise self._shards.damage(min(self._shards.damaged))

    def verify(self) -> list[str]:
        """Check every shard's sum in full and return the names of the damaged ones."""
        self._refresh()
        with storing("read the store", self.path):
            return [shard_name(number) for number in self._shards.verify()]

    def fill(
        self,
        ids: Sequence[str],
        embed: Embed,
        *,
        shard_size: int = 512,
        runtime: Runtime | None = None,
        progress: Callable[[int], None] | None = None,
        unreadable: Collection[str] = (),
    ) -> FillReport:
        """Embed those of ``ids`` that are missing and write them as new shards.

        Several processes may fill one space at a time: each id is embedded once. Damaged shards met on the
        way are removed and their rows embedded again. A killed run loses the shard it was in, no more.
        With ``runtime.world`` > 1 every rank must call this with the same ids; the files come out the same.

        Args:
            ids: Unique strings.
            embed: Called with up to ``shard_size`` ids; returns (n, dim) float32 in their order, without
                the rows of those ids it adds to ``unreadable``.
            shard_size: Rows in a full shard, >= 1. The first fill of a space settles it for good.
            runtime: The ranks that work together; without it this process works alone.
            progress: Called with a number of rows whenever a shard is finished, by whomever.
            unreadable: Ids that cannot be embedded; ``embed`` may add to it.

        Raises:
            DataError: ids are not unique strings, or the encoder returned a wrong shape, type, NaN or Inf.
            StoreError: the store cannot be written; finished shards are kept.
        """
        wanted = unique_ids(ids)
        if shard_size < 1:
            raise UsageError("the shard size is too small", got=shard_size, expected="1 or more")
        runtime = runtime or Runtime()
        with storing("create a store folder", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        settled_size = runtime.broadcast(self._settle(shard_size) if runtime.rank == 0 else 0)
        self._refresh()
        check = partial(_check, self.key)
        with ClaimBoard(self.path, stale_after=self._stale_after) as board:
            filler = Filler(
                self._shards, board, embed=embed, check=check, shard_size=settled_size,
                progress=progress or _ignore, unreadable=unreadable,
            )  # fmt: skip
            return filler.fill(wanted, runtime)

    def _settle(self, shard_size: int) -> int:
        """Write the manifest if there is none; return the shard size it holds."""
        with storing("write the store", self.path):
            sweep(self.path, self._stale_after)
            if not (self.path / _MANIFEST).exists():
                settings = {"schema_version": SCHEMA_VERSION, **self.key.settings(), "shard_size": shard_size}
                content = json.dumps(settings, indent=1, ensure_ascii=False, sort_keys=True).encode()
                write_whole(self.path, {_MANIFEST: content}, uuid.uuid4().hex)
        settled: int = _read_manifest(self.path)["shard_size"]
        return settled

    def _refresh(self) -> None:
        """Look at the folder again, and make sure that it is what it is taken for."""
        if self._root.exists() and not self._root.is_dir():
            raise StoreError(
                "the store is not a folder", where=self._root, expected="a folder, or nothing yet"
            )
        if (self.path / _MANIFEST).exists():
            self._check_manifest()
        with storing("read the store", self.path):
            self._shards.refresh()

    def _check_manifest(self) -> None:
        found, expected = _read_manifest(self.path), self.key.settings()
        differing = sorted(name for name in expected if found.get(name) != expected[name])
        if differing:
            raise StoreError(
                "a store folder holds another space than its name says", where=self.path / _MANIFEST,
                got={name: found.get(name) for name in differing},
                expected={name: expected[name] for name in differing},
                hint="the folder was renamed, copied or edited: move it away and run again",
            )  # fmt: skip


class EmbeddingStore:
    """A folder of embeddings that many runs, splits and processes share.

    Args:
        root: The store's folder; made when something is written first.
        stale_after: Seconds without a sign of life after which a run that claimed work on another machine
            is taken for dead. Runs that died on this machine are noticed at once.
    """

    def __init__(self, root: Path | str, *, stale_after: float = 60.0) -> None:
        if stale_after <= 0:
            raise UsageError("stale_after is not positive", got=stale_after, expected="seconds, above 0")
        self.root = Path(root)
        self._stale_after = stale_after
        self._folders: dict[SpaceKey, SpaceFolder] = {}

    def folder(self, key: SpaceKey) -> SpaceFolder:
        """The folder of a space. The same object each time, so that sums are checked once."""
        if key not in self._folders:
            self._folders[key] = SpaceFolder(self.root, key, stale_after=self._stale_after)
        return self._folders[key]

    def spaces(self) -> list[SpaceKey]:
        """What lies in the store, in the order of folder names."""
        with storing("read the store", self.root):
            folders = sorted(path.parent for path in self.root.glob(f"*/*/{_MANIFEST}"))
        return [SpaceKey.from_settings(_read_manifest(folder)) for folder in folders]


def _check(key: SpaceKey, vectors: object, ids: Sequence[str]) -> Any:
    return check_vectors(vectors, ids, dim=key.dim, encoder=key.encoder, space=key.label)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        with storing("read the store", path):
            manifest: dict[str, Any] = json.loads(path.read_bytes())
        version, size = manifest["schema_version"], manifest["shard_size"]
        if version == SCHEMA_VERSION and (not isinstance(size, int) or size < 1):
            raise ValueError(f"shard_size {size!r}")
        if version == SCHEMA_VERSION:
            SpaceKey.from_settings(manifest)
    except (ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
        raise StoreError(
            "a store manifest is damaged", where=path, got=error, hint="move the folder away and run again"
        ) from error
    if version != SCHEMA_VERSION:
        raise StoreError(
            "a store folder was written by another version of anybind", where=path, got=version,
            expected=SCHEMA_VERSION, hint="upgrade anybind, or choose another store folder",
        )  # fmt: skip
    return manifest


def _ignore(_: int) -> None:
    """Report progress to nobody."""


def _frozen(value: Any) -> Any:
    """Lists as tuples, so that a key can be hashed; JSON writes both alike."""
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(text: str, length: int = 12) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text)[:40].strip("-.") or "unnamed"
