"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from anybind.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOT_A_FOLDER = {errno.ENOTDIR, errno.EEXIST}


@contextmanager
def storing(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError in the block into a StoreError that names ``path``.

    Args:
        action: What is being done, after "cannot": ``"write a shard"``.
        path: The file or folder it is done to.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot {action}", where=path, got=error.strerror or repr(error), hint=_hint(error.errno)
        ) from error


def _hint(code: int | None) -> str:
    if code in _FULL:
        return "free some space and run again: finished shards are kept, nothing half-written is left"
    if code in _DENIED:
        return "make the store writable, or choose another store folder"
    if code in _NOT_A_FOLDER:
        return "a file stands where a folder is needed; move it away, or choose another store folder"
    return "check the disk and run again: finished shards are kept"


def write_whole(folder: Path, contents: Mapping[str, bytes], token: str, *, lasting: bool = True) -> None:
    """Write several files of one folder: all temporary files first, then all renames, in order.

    A reader that takes the last name as the sign of completeness never sees a part. When anything fails,
    neither a temporary nor a renamed file is left.

    Args:
        folder: An existing folder.
        contents: File name -> content; the last one completes the set.
        token: Unique to the writer; part of the temporary names.
        lasting: Have the contents on the disk before the renames, so that a power cut leaves no empty file.

    Raises:
        OSError: the disk is full, read-only, or failing.
    """
    temporary = {name: folder / f".{name}.{token}.tmp" for name in contents}
    renamed: list[Path] = []
    try:
        for name, content in contents.items():
            _write(temporary[name], content, lasting)
        for name, path in temporary.items():
            os.replace(path, folder / name)
            renamed.append(folder / name)
    except BaseException:
        for path in [*temporary.values(), *reversed(renamed)]:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes, lasting: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if lasting:
            file.flush()
            os.fsync(file.fileno())


def clock_of(folder: Path) -> float:
    """The present time by the clock that stamps this folder's files, which may be another machine's."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-", suffix=".tmp") as probe:
        return os.stat(probe.name).st_mtime


def sweep(folder: Path, older_than: float) -> None:
    """Remove temporary files that a killed writer left ``older_than`` seconds ago or earlier."""
    leftovers = list(folder.glob(".*.tmp"))
    now = clock_of(folder) if leftovers else 0.0
    for path in leftovers:
        with suppress(OSError):
            if now - path.stat().st_mtime > older_than:
                path.unlink(missing_ok=True)
