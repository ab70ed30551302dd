"""MSR-VTT: 10,000 short videos with 20 captions each (Xu et al., CVPR 2016)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anybind
from anybind.encoder_kit.datasets import OnError, inside
from anybind_paper.base import (
    PaperDataset,
    Rows,
    first_file,
    known_split,
    of_video,
    opened,
    read_json,
    text,
    wrong_content,
)

HOMEPAGE = (
    "https://www.microsoft.com/en-us/research/publication/"
    "msr-vtt-a-large-video-description-dataset-for-bridging-video-and-language/"
)
OFFICIAL = ("train", "validate", "test")
LISTS = {
    "train-7k": "MSRVTT_train.7k.csv", "train-9k": "MSRVTT_train.9k.csv", "test-1k": "MSRVTT_JSFUSION_test.csv",
}  # fmt: skip
MODALITIES = ("video", "image", "audio", "text")

_INFOS = ("train_val_videodatainfo.json", "test_videodatainfo.json", "MSRVTT_data.json")
_FOLDERS = ("", "train_val_annotation", "test_annotation", "annotation", "msrvtt_data")
_VIDEOS = ("TrainValVideo", "TestVideo", "videos/all", "videos", "all")
_FORM = "objects with videos (video_id, split) and sentences (video_id, sen_id, caption)"


class MSRVTT(PaperDataset):
    """Videos with captions. A row is a video with one caption; its group is the video.

    Args:
        root: The folder with the published files; see the README for the layout.
        split: ``train``, ``validate``, ``test`` (official), or ``train-7k``, ``train-9k``, ``test-1k`` (1k-A), which
            need the lists of that split.
        captions: Captions of a video to make rows of, the first ones; ``test-1k`` has one of its own.
        modalities: Of video, image (the middle frame), audio (the sound track) and text; all if None.
        on_error: Whether missing videos are refused or left out.
        collection: A name for the items.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        captions: int = 1,
        modalities: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        known_split(split, (*OFFICIAL, *LISTS))
        place, faults = opened(root, "MSR-VTT", HOMEPAGE, on_error)
        index = list(_found(place, _INFOS)) or [first_file(place, _INFOS, faults.remedy)]
        places = [f"{folder}/{LISTS.get(split)}".lstrip("/") for folder in _FOLDERS]
        used = [first_file(place, places, faults.remedy)] if split in LISTS else []
        if split == "test-1k":
            pairs = list(_sentences(used[0]))
        else:
            pairs = list(_captions(index, split, used, captions))
        rows: Rows = {}
        for video, number, caption in pairs:
            path = _video(place, video)
            rows[f"{video}/{number}"] = {**of_video(path), "text": text(caption)}
        groups = {key: key.partition("/")[0] for key in rows}
        super().__init__(
            "msr-vtt", place, rows, offered=MODALITIES, modalities=modalities, groups=groups, faults=faults,
            index=[*index, *used], collection=collection,
        )  # fmt: skip


def _found(root: Path, names: Sequence[str]) -> Iterator[Path]:
    return (root / folder / name for name in names for folder in _FOLDERS if (root / folder / name).is_file())


def _video(root: Path, name: str) -> Path:
    places = [root / folder / f"{name}.mp4" for folder in _VIDEOS]
    found = next((place for place in places if place.is_file()), places[0])
    return inside(root, str(found), f"{root}, video {name!r}")


def _captions(
    index: Sequence[Path], split: str, lists: Sequence[Path], most: int
) -> Iterator[tuple[str, str, str]]:
    """(video, number of the sentence, caption) of a split, in order."""
    wanted = {row["video_id"] for path in lists for row in _table(path, ("video_id",))}
    sentences: dict[str, dict[int, str]] = {}
    for path in index:
        content = read_json(path)
        try:
            videos = {str(video["video_id"]): video["split"] for video in content["videos"]}
            for video in videos:
                if video in wanted if lists else videos[video] == split:
                    sentences.setdefault(video, {})
            for sentence in content["sentences"]:
                if sentence["video_id"] in sentences:
                    sentences[sentence["video_id"]][int(sentence["sen_id"])] = str(sentence["caption"])
        except (KeyError, TypeError, ValueError) as error:
            raise wrong_content(path, f"{_FORM} ({error!r})") from error
    for video in sorted(sentences, key=_number):
        for number, caption in sorted(sentences[video].items())[:most]:
            yield video, str(number), caption


def _sentences(path: Path) -> Iterator[tuple[str, str, str]]:
    """(video, key, sentence) of the list of 1,000 pairs."""
    for row in _table(path, ("key", "video_id", "sentence")):
        yield row["video_id"], row["key"], row["sentence"]


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise anybind.DataError("a file cannot be read", where=path, got=error) from error
    if not rows or not all(rows[0].get(column) for column in columns):
        raise wrong_content(path, f"the columns {', '.join(columns)}")
    return rows


def _number(video: str) -> tuple[int, str]:
    digits = video.removeprefix("video")
    return (int(digits) if digits.isdecimal() else -1, video)
