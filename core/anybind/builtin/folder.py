"""The data set ``folder``: files that share stems, one row a stem."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from anybind.encoder_kit.datasets import (
    Faults,
    OnError,
    Skipped,
    chosen,
    collection_name,
    folder,
    inside,
    missing_file,
    pairs,
)
from anybind.errors import DataError, UsageError

_EXPECTED = "modality=pattern with one * for the stem, e.g. image=photo/*.png, audio=*.wav, depth=*_depth.png"
_ENDING = r"\.[^./]+"


class Folder:
    """Rows from the files of a folder: files with one stem are one item.

    Without ``files`` every subfolder is a modality of its name, and the files below it have as their stem their
    path there without the ending: ``image/a/1.png`` and ``text/a/1.txt`` are the row ``a/1``. With ``files`` each
    modality has a pattern with one ``*`` that stands for the stem: ``image=*.png``, ``depth=*_depth.png``,
    ``photo=photos/*`` (any ending). ``*`` also matches the names of folders. A file that fits two patterns goes to
    the longer one. Hidden files are passed over.
    A stem without a file for some modality is a row that lacks the modality. Text files are read as text.

    Args:
        path: The folder.
        modalities: The modalities to use; all if None.
        files: Which files are of which modality; each subfolder its own if None.
        on_error: ``fail`` refuses a folder in which two files claim one stem and modality, or links lead out;
            ``skip`` leaves such files out (of two with one stem the first by name is kept) and lists them.
        collection: A name for the items. If None it comes from the files' names, sizes and times.

    Raises:
        DataError: the folder is missing, or no two modalities share a stem.
        UsageError: a pattern cannot be read.
    """

    def __init__(
        self,
        *,
        path: str,
        modalities: Sequence[str] | None = None,
        files: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        root = folder(path, "a folder with a subfolder for each modality")
        names = list(_names(root))
        patterns = _patterns(files) if files is not None else _by_subfolder(names)
        self.modalities = chosen(list(patterns), modalities, root)
        files_found = list(_assigned(names, patterns))
        faults = Faults(on_error)
        self._rows: dict[str, dict[str, Path]] = {}
        for name, modality, stem in files_found:
            if modality in self.modalities:
                self._add(root / name, stem, modality, root, faults)
        self.skipped: Sequence[Skipped] = faults.settle()
        self.ids: Sequence[str] = tuple(sorted(self._rows))
        self._require_rows(root)
        self.collection = collection_name("folder", collection, root, *_marks(root, files_found))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Path]:
        """Modality -> path of its file."""
        row = self._rows[self.ids[index]]
        return {modality: row[modality] for modality in self.modalities if modality in row}

    def _add(self, path: Path, stem: str, modality: str, root: Path, faults: Faults) -> None:
        row = self._rows.get(stem, {})
        try:
            target = inside(root, str(path), path)
            if not target.is_file():
                raise missing_file(path)
            if modality in row:
                what = "two files have one stem and modality"
                raise DataError(what, where=path, got=row[modality].name, expected="one file")
        except DataError as error:
            faults.add(stem, error, modality)
        else:
            self._rows[stem] = {**row, modality: target}

    def _require_rows(self, root: Path) -> None:
        held = {name: sum(name in row for row in self._rows.values()) for name in self.modalities}
        empty = [name for name, count in held.items() if not count]
        if empty:
            raise DataError("a modality has no files", where=root, got=", ".join(empty), expected=_EXPECTED)
        if len(held) > 1 and not any(len(row) > 1 for row in self._rows.values()):
            got = ", ".join(f"{count} of {name}" for name, count in held.items())
            hint = "name files of one item alike, or give patterns with the option files"
            raise DataError("no two files share a stem", where=root, got=got, expected="pairs", hint=hint)


def _names(root: Path) -> Iterator[str]:
    """Every file below ``root``, in order, relative to it; hidden files and folders are passed over."""
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(parent, name).relative_to(root).as_posix()


class _Pattern(NamedTuple):
    """Which files are of a modality: a stem between two texts."""

    before: str
    after: str
    expression: re.Pattern[str]


def _assigned(names: Sequence[str], patterns: Mapping[str, _Pattern]) -> Iterator[tuple[str, str, str]]:
    """(file, modality, stem) of every file that fits a pattern."""
    longest_first = sorted(patterns.items(), key=lambda item: -len(item[1].before + item[1].after))
    for name in names:
        for modality, pattern in longest_first:
            if match := pattern.expression.fullmatch(name):
                yield name, modality, match["stem"]
                break


def _marks(root: Path, files: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """What changes when a file does, as far as can be told without reading it."""
    for name, modality, _ in files:
        path = root / name
        facts = path.stat() if path.exists() else None
        yield f"{modality}|{name}|{facts and (facts.st_size, facts.st_mtime_ns)}"


def _patterns(files: Sequence[str]) -> dict[str, _Pattern]:
    found: dict[str, _Pattern] = {}
    for modality, pattern in pairs("files", files, _EXPECTED):
        before, star, after = pattern.removeprefix("./").partition("*")
        if not star or "*" in after or modality in found:
            raise UsageError("an item of files cannot be read", got=f"{modality}={pattern}", expected=_EXPECTED)
        found[modality] = _pattern(before, after)
    return found


def _by_subfolder(names: Sequence[str]) -> dict[str, _Pattern]:
    return {top: _pattern(f"{top}/", "") for top in sorted({name.split("/")[0] for name in names if "/" in name})}


def _pattern(before: str, after: str) -> _Pattern:
    """Without a text after it, the ending is no part of the stem."""
    text = f"{re.escape(before)}(?P<stem>.+?){re.escape(after) or f'(?:{_ENDING})?'}"
    return _Pattern(before, after, re.compile(text))
