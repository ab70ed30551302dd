"""How several processes share the work on one folder: announce, then look.

A claim is a file with a name nobody else ever uses, holding the shard numbers and ids that its owner is
about to write. The rule that keeps two owners apart: write the claim first, look at everybody else's
claims after, and withdraw when any of them overlaps. Of two overlapping claims the later one sees the
earlier one, so at most one stays (both may withdraw; they try again after a random pause).
Looking at claims comes before looking at shards, because an owner writes its shard before it withdraws.

The owner touches its claims from a thread. A claim that has not been touched for ``stale_after`` seconds,
or whose process has ended on this machine, is removed by whoever meets it; its unique name makes sure that
nobody's newer claim is removed by mistake.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from anybind.errors import StoreError
from anybind.store.files import clock_of, write_whole


@dataclass(frozen=True)
class Claim:
    """What one owner is about to write."""

    path: Path
    numbers: frozenset[int]
    ids: frozenset[str]

    def overlaps(self, other: Claim) -> bool:
        """Whether both would write the same shard number or the same id."""
        return not (self.numbers.isdisjoint(other.numbers) and self.ids.isdisjoint(other.ids))


class ClaimBoard:
    """The claims of one folder, as one process sees them. Use it as a context: leaving it withdraws all.

    Args:
        folder: An existing folder.
        stale_after: Seconds without a heartbeat after which a claim may be taken over.
    """

    def __init__(self, folder: Path, *, stale_after: float) -> None:
        self._folder = folder
        self._stale_after = stale_after
        self._held: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="anybind-claims", daemon=True)

    def __enter__(self) -> ClaimBoard:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for path in list(self._held):
            self._drop(path)

    def announce(self, numbers: Iterable[int], ids: Iterable[str]) -> Claim:
        """Write a claim. It counts only after a look at `others` has shown no overlap."""
        token = uuid.uuid4().hex
        claim = Claim(self._folder / f"claim-{token}.json", frozenset(numbers), frozenset(ids))
        content = {"owner": _this_process(), "numbers": sorted(claim.numbers), "ids": sorted(claim.ids)}
        self._held.add(claim.path)
        try:
            write_whole(self._folder, {claim.path.name: json.dumps(content).encode()}, token, lasting=False)
        except BaseException:
            self._held.discard(claim.path)
            raise
        return claim

    def others(self) -> list[Claim]:
        """Everybody else's live claims. Stale ones are removed on the way."""
        paths = [self._folder / name for name in os.listdir(self._folder) if _is_claim(name)]
        foreign = [path for path in paths if path not in self._held]
        if not foreign:
            return []
        now = clock_of(self._folder)
        found = [self._live(path, now) for path in sorted(foreign)]
        return [claim for claim in found if claim is not None]

    def holds(self, claim: Claim) -> bool:
        """False when another process took the claim over, because this one stood still for too long."""
        return claim.path.exists()

    def withdraw(self, claim: Claim) -> None:
        """Remove a claim of this process."""
        self._drop(claim.path)

    def _drop(self, path: Path) -> None:
        self._held.discard(path)
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def _live(self, path: Path, now: float) -> Claim | None:
        try:
            age = now - path.stat().st_mtime
            content = json.loads(path.read_bytes())
            claim = Claim(path, frozenset(content["numbers"]), frozenset(content["ids"]))
            owner = content["owner"]
        except FileNotFoundError:  # withdrawn between listing and reading
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                "a claim file cannot be read",
                where=path,
                got=error,
                hint="no run is writing it: delete the file",
            ) from error
        if age > self._stale_after or _has_ended(owner):
            path.unlink(missing_ok=True)
            return None
        return claim

    def _beat(self) -> None:
        while not self._stop.wait(self._stale_after / 6):
            for path in list(self._held):
                with suppress(OSError):  # taken over, or the disk is away: `holds` will tell
                    os.utime(path)


def _is_claim(name: str) -> bool:
    return name.startswith("claim-") and name.endswith(".json")


def _this_process() -> dict[str, str | int]:
    return {"host": _host(), "pid": os.getpid()}


@cache
def _host() -> str:
    """Names the machine, its boot and its process namespace: where a process number has a meaning."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _has_ended(owner: object) -> bool:
    """True only when the owner certainly ran here and certainly runs no more."""
    if os.name != "posix" or not isinstance(owner, dict) or owner.get("host") != _host():
        return False
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
