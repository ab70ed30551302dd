"""What all readers share: rows of sources, files that must be there, and where the data set is obtained."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anybind
from anybind.encoder_kit.datasets import (
    Faults,
    LazyRow,
    OnError,
    Skipped,
    chosen,
    collection_name,
    file_mark,
    folder,
    inside,
    missing_file,
)
from anybind_paper.media import middle_frame, sound_of

MAX_INDEX = 500_000_000


class Source(NamedTuple):
    """What gives a modality's source, and the file that must be there for it."""

    read: Callable[[], Any]
    path: Path | None = None


Rows = dict[str, dict[str, Source]]


class PaperDataset:
    """Rows of a published data set that lies in a folder.

    Args:
        name: Its name.
        homepage: Where it is obtained, for messages.
        root: The folder, resolved.
        rows: Id -> modality -> source, for all modalities that the data set offers.
        offered: These modalities.
        modalities: Those to use; all if None.
        groups: Id -> group of near-duplicates.
        faults: What was wrong with the files that list the rows; missing files are added.
        index: The files that list the rows: a change of them is another collection.
        collection: A name for the items; made from ``root`` and ``index`` if None.

    Raises:
        DataError: there are no rows, or files are missing and the user chose ``fail``.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        rows: Rows,
        *,
        offered: Sequence[str],
        modalities: Sequence[str] | None,
        groups: Mapping[str, str],
        faults: Faults,
        index: Sequence[Path] = (),
        collection: str | None = None,
    ) -> None:
        self.modalities = chosen(offered, modalities, root)
        self._rows = {key: self._present(key, row, faults) for key, row in rows.items()}
        self._rows = {key: row for key, row in self._rows.items() if row}
        self.skipped: Sequence[Skipped] = faults.settle()
        self.ids: Sequence[str] = tuple(self._rows)
        if not self.ids:
            hint = f"{faults.remedy}; the README of anybind-paper shows the layout"
            raise anybind.DataError(f"no rows of {name} are there", where=root, got="none", hint=hint)
        self.groups: Sequence[str] = tuple(groups[key] for key in self.ids)
        marks = [file_mark(path) for path in sorted(index)]
        self.collection = collection_name(name, collection, root, str(root), *marks)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Modality -> source; what has to be taken out of a larger file is read when it is asked for."""
        row = self._rows[self.ids[index]]
        return LazyRow({modality: source.read for modality, source in row.items()})

    def _present(self, key: str, row: Mapping[str, Source], faults: Faults) -> dict[str, Source]:
        found = {}
        for modality in self.modalities:
            source = row.get(modality)
            if source is not None and source.path is not None and not source.path.is_file():
                faults.add(key, missing_file(source.path), modality)
            elif source is not None:
                found[modality] = source
        return found


def text(value: str) -> Source:
    """Text that is known already."""
    return Source(lambda: value)


def file(path: Path) -> Source:
    """A file that the modality itself reads."""
    return Source(lambda: path, path)


def of_video(path: Path) -> dict[str, Source]:
    """What a video file gives: ``video`` itself, ``image`` its middle frame, ``audio`` its sound."""
    return {
        "video": file(path), "image": Source(partial(middle_frame, path), path),
        "audio": Source(partial(sound_of, path), path),
    }  # fmt: skip


def opened(root: str, name: str, homepage: str, on_error: OnError) -> tuple[Path, Faults]:
    """The data set's folder, resolved, and where to note faults.

    Raises:
        DataError: there is no such folder; the hint says where the data set is obtained.
    """
    remedy = f"get {name} at {homepage}"
    try:
        return folder(root, f"the folder of {name}"), Faults(on_error, remedy)
    except anybind.DataError as error:
        error.hint = remedy
        raise


def known_split(split: str, known: Iterable[str]) -> None:
    """Raise UsageError unless the data set has this split."""
    names = list(known)
    if split not in names:
        raise anybind.UsageError("a data set has no such split", got=split, expected=f"one of {', '.join(names)}")


def first_file(root: Path, places: Sequence[str], remedy: str) -> Path:
    """The first of several places below ``root`` at which a file is.

    Raises:
        DataError: it is at none of them.
    """
    for place in places:
        if (root / place).is_file():
            return inside(root, place, root / place)
    expected = " or ".join(places)
    raise anybind.DataError("a file of the data set is missing", where=root, expected=expected, hint=remedy)


def read_json(path: Path) -> Any:
    """The content of a JSON file of at most 500 MB.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.stat().st_size > MAX_INDEX:
            raise anybind.DataError("a file is too large", where=path, expected=f"at most {MAX_INDEX} bytes")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise anybind.DataError("a file is no JSON", where=path, got=error) from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        DataError: it is missing or not UTF-8.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise anybind.DataError("a file cannot be read", where=path, got=error, expected="UTF-8 text") from error


def wrong_content(path: Path, expected: str) -> anybind.DataError:
    """The error for a file that lists rows in another form than the published one."""
    return anybind.DataError("a file is not as it was published", where=path, expected=expected)
