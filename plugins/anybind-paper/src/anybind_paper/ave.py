"""AVE: 4,143 ten-second videos of audio-visual events in 28 categories (Tian et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anybind
from anybind.encoder_kit.datasets import Faults, OnError, inside
from anybind_paper.base import PaperDataset, Rows, first_file, known_split, of_video, opened, read_lines, text

HOMEPAGE = "https://github.com/YapengTian/AVE-ECCV18"
SPLITS = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt", "all": "Annotations.txt"}
MODALITIES = ("video", "image", "audio", "text")

_FORM = "Category&VideoID&Quality&StartTime&EndTime"


class AVE(PaperDataset):
    """Videos with their sound and the category of the event in them. A row is an event; its group is the video.

    Args:
        root: The folder with ``AVE/`` and the lists.
        split: ``train``, ``val``, ``test``, or ``all``: all that is annotated.
        modalities: Of video, image (the middle frame), audio (the sound track) and text; all if None.
        on_error: Whether faulty lines and missing videos are refused or left out.
        collection: A name for the items.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        modalities: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        known_split(split, SPLITS)
        place, faults = opened(root, "AVE", HOMEPAGE, on_error)
        listed = first_file(place, [SPLITS[split]], faults.remedy)
        rows: Rows = {}
        groups: dict[str, str] = {}
        for number, line in enumerate(read_lines(listed), start=1):
            if line != _FORM:
                _add(line, f"{listed}:{number}", place, rows, groups, faults)
        super().__init__(
            "ave", place, rows, offered=MODALITIES, modalities=modalities, groups=groups, faults=faults,
            index=[path for path in (place / "Annotations.txt",) if path.is_file()], collection=collection,
        )  # fmt: skip


def _add(line: str, where: str, root: Path, rows: Rows, groups: dict[str, str], faults: Faults) -> None:
    parts = [part.strip() for part in line.split("&")]
    if len(parts) != 5 or not all(parts):
        faults.add(where, anybind.DataError("a line cannot be read", where=where, got=line, expected=_FORM))
        return
    category, video, _, start, end = parts
    key = f"{video}/{start}-{end}/{category}"
    if key in rows:
        faults.add(key, anybind.DataError("an event is listed twice", where=where, got=line))
        return
    path = inside(root, f"AVE/{video}.mp4", where)
    rows[key] = {**of_video(path), "text": text(category)}
    groups[key] = video
