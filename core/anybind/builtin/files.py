"""What the file-based data sets share: choosing modalities and naming collections."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from anybind.errors import DataError


def chosen(available: Sequence[str], wanted: Sequence[str] | None, where: Path) -> tuple[str, ...]:
    """``wanted``, or all that is available.

    Raises:
        DataError: something wanted is not there, or there is nothing.
    """
    absent = [name for name in wanted or () if name not in available]
    if absent or not available:
        raise DataError(
            "a data set does not hold the modalities asked for", where=where,
            got=f"{', '.join(available) or 'none'}", expected=", ".join(wanted or ["at least one"]),
        )  # fmt: skip
    return tuple(wanted) if wanted is not None else tuple(available)


def first_repeated(ids: Iterable[str]) -> str | None:
    """The first id that occurs a second time."""
    seen: set[str] = set()
    for identifier in ids:
        if identifier in seen:
            return identifier
        seen.add(identifier)
    return None


def collection_name(kind: str, given: str | None, path: Path, *fingerprint: str | bytes) -> str:
    """The name given, or one that changes with the content, so that no vector outlives its sample."""
    if given:
        return given
    digest = hashlib.sha256()
    for part in fingerprint:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return f"{kind}:{path.stem}:{digest.hexdigest()[:16]}"
