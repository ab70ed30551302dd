"""What writers of data sets share: choosing modalities, paths that stay inside, faults, names of collections."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anybind.errors import AnybindError, DataError, UsageError

OnError = Literal["fail", "skip"]
Skipped = tuple[str, str, str]
"""(id, modality, reason) of something left out; the modality is empty when it is the whole row."""

_SHOWN = 3


class LazyRow(Mapping[str, Any]):
    """A row whose sources are read one by one, when asked for: telling what it holds costs nothing.

    Args:
        sources: Modality -> what gives its source.
    """

    def __init__(self, sources: Mapping[str, Callable[[], Any]]) -> None:
        self._sources = sources

    def __getitem__(self, modality: str) -> Any:
        return self._sources[modality]()

    def __contains__(self, modality: object) -> bool:
        return modality in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


@dataclass
class Faults:
    """What is wrong with the rows of a data set: all of it is refused together, or left out and listed.

    Args:
        on_error: ``fail`` or ``skip``, as the user chose.
        remedy: What a person can do about it, for the message, e.g. where the files come from.
    """

    on_error: OnError
    remedy: str = "repair them"
    _found: list[tuple[str, str, DataError]] = field(default_factory=list)

    def add(self, identifier: str, error: DataError, modality: str = "") -> None:
        """Note a fault of a row, or of one of its modalities."""
        self._found.append((identifier, modality, error))

    def settle(self) -> tuple[Skipped, ...]:
        """What was left out.

        Raises:
            DataError: something is wrong and the user chose ``fail``. It is the first fault, with the count of
                all and the places of the next ones.
        """
        if self._found and self.on_error == "fail":
            raise self._refusal()
        return tuple((identifier, modality, one_line(error)) for identifier, modality, error in self._found)

    def _refusal(self) -> DataError:
        first = self._found[0][2]
        rest = [f"{error.where}: {error.what}" for _, _, error in self._found[1 : 1 + _SHOWN]]
        more = "; …" if len(self._found) > 1 + _SHOWN else ""
        count = f"{len(self._found)} faults in all, the next: {'; '.join(rest)}{more}. " if rest else ""
        hint = f"{count}{self.remedy}, or leave such rows out: on_error: skip".removeprefix(" ")
        return DataError(first.what, where=first.where, got=first.got, expected=first.expected, hint=hint)


def chosen(available: Sequence[str], wanted: Sequence[str] | None, where: object) -> tuple[str, ...]:
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


def pairs(option: str, items: Iterable[str], expected: str) -> list[tuple[str, str]]:
    """``["image=jpg", ...]`` as ``[("image", "jpg"), ...]``: how a list of texts maps names to names.

    Args:
        option: The option's name, for messages.
        items: Its value.
        expected: What an item looks like, for messages, e.g. ``modality=column``.

    Raises:
        UsageError: an item has no ``=``, or nothing on one side of it.
    """
    found = []
    for item in items:
        name, sign, value = (part.strip() for part in item.partition("="))
        if not (name and sign and value):
            raise UsageError(f"an item of {option} cannot be read", got=repr(item), expected=expected)
        found.append((name, value))
    return found


def inside(root: Path, path: str, where: object) -> Path:
    """``path`` below ``root``, resolved; symbolic links count.

    Args:
        root: A resolved folder.
        path: Relative to it, or absolute.
        where: Where the path stands, for messages.

    Raises:
        DataError: it leads out of the folder, or cannot be followed.
    """
    try:
        target = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError("a path cannot be followed", where=where, got=error) from error
    if not target.is_relative_to(root):
        raise DataError(
            "a path leads out of the data set's folder", where=where, got=path,
            expected=f"a path inside {root}", hint="move the file, or what names it",
        )  # fmt: skip
    return target


def missing_file(path: Path) -> DataError:
    """The fault of a row whose file is not there."""
    return DataError("a file is missing", where=path, expected="a file")


def folder(path: str | Path, what: str) -> Path:
    """``path``, resolved, when it is a folder.

    Raises:
        DataError: it is none; ``what`` says what it should hold.
    """
    found = Path(path)
    if not found.is_dir():
        raise DataError("a data set's folder is missing", where=found, expected=what)
    return found.resolve()


def first_repeated(ids: Iterable[str]) -> str | None:
    """The first id that occurs a second time."""
    seen: set[str] = set()
    for identifier in ids:
        if identifier in seen:
            return identifier
        seen.add(identifier)
    return None


def file_mark(path: Path) -> str:
    """Changes whenever the file does, as far as can be told without reading it."""
    facts = path.stat()
    return f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"


def collection_name(kind: str, given: str | None, path: Path, *fingerprint: str | bytes) -> str:
    """The name given, or one that changes with the content, so that no vector outlives its sample."""
    if given:
        return given
    digest = hashlib.sha256()
    for part in fingerprint:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return f"{kind}:{path.stem}:{digest.hexdigest()[:16]}"


def one_line(error: Exception) -> str:
    """An error as a line of a list: what happened, with the place it names itself and what was found there."""
    if not isinstance(error, AnybindError):
        return f"{type(error).__name__}: {error}"
    place = f" ({error.where})" if error.where is not None else ""
    found = f": {error.got}" if error.got is not None else ""
    return f"{error.what}{place}{found}"
