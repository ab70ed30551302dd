"""FLIR ADAS: visible and thermal pictures from a car, version 1.3 and version 2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import anybind
from anybind.encoder_kit.datasets import OnError, inside
from anybind_paper.base import PaperDataset, Rows, Source, file, known_split, opened, read_json, text, wrong_content
from anybind_paper.labels import coco_labels

HOMEPAGE = "https://www.flir.com/oem/adas/adas-dataset-form/"
SPLITS = ("train", "val", "video", "all")
MODALITIES = ("image", "thermal", "text")

_MAP = "rgb_to_thermal_vid_map.json"
_VIDEO = re.compile(r"^video-(.+?)-frame-")


class FLIR(PaperDataset):
    """Pairs of pictures. Version 2 has pairs in its video alone, version 1.3 in all its parts.

    Args:
        root: The folder of version 2 (with ``rgb_to_thermal_vid_map.json``) or of version 1.3 (with ``train/``,
            ``val/``, ``video/``).
        split: ``train``, ``val`` (version 1.3), ``video``, or ``all``.
        modalities: Of image, thermal and text (the annotated objects, e.g. ``3 car, 1 person``); all that is there
            if None.
        on_error: Whether missing files are refused or left out.
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
        place, faults = opened(root, "FLIR ADAS", HOMEPAGE, on_error)
        rows: Rows = {}
        groups: dict[str, str] = {}
        if (place / _MAP).is_file():
            index = _second_version(place, split, rows, groups)
        else:
            index = _first_version(place, split, rows, groups)
        named = any("text" in row for row in rows.values())
        super().__init__(
            "flir", place, rows, offered=MODALITIES if named else MODALITIES[:-1], modalities=modalities,
            groups=groups, faults=faults, index=index, collection=collection,
        )  # fmt: skip


def _second_version(root: Path, split: str, rows: Rows, groups: dict[str, str]) -> list[Path]:
    """Adds the pairs of the map; returns the files that list them. A frame's group is its video."""
    if split not in ("video", "all"):
        raise anybind.DataError(
            "this split holds no pairs", where=root, got=split, expected="video",
            hint="in version 2 of FLIR ADAS the pictures of train and val were taken apart from each other",
        )  # fmt: skip
    content = read_json(root / _MAP)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
        raise wrong_content(root / _MAP, "names of visible frames -> names of thermal frames")
    labels, index = _labels(root / "video_thermal_test/coco.json")
    for visible, thermal in content.items():
        match = _VIDEO.match(visible)
        groups[visible] = match[1] if match else visible
        rows[visible] = _row(root, f"video_rgb_test/data/{visible}", f"video_thermal_test/data/{thermal}", labels)
    return [root / _MAP, *index]


def _first_version(root: Path, split: str, rows: Rows, groups: dict[str, str]) -> list[Path]:
    """Adds the thermal pictures of a split with the visible one of the same name, where there is one."""
    index: list[Path] = []
    for part in SPLITS[:-1] if split == "all" else (split,):
        labels, listed = _labels(root / part / "thermal_annotations.json")
        index += listed
        folder = root / part / "thermal_8_bit"
        for thermal in sorted(folder.iterdir()) if folder.is_dir() else ():
            key = f"{part}/{thermal.stem}"
            visible = f"{part}/RGB/{thermal.stem}.jpg"
            row = _row(root, visible, f"{part}/thermal_8_bit/{thermal.name}", labels)
            if not (root / visible).is_file():  # as published: some have none
                del row["image"]
            rows[key] = row
            groups[key] = "video" if part == "video" else key
    return index


def _row(root: Path, visible: str, thermal: str, labels: Mapping[str, str]) -> dict[str, Source]:
    where = f"{root}: {visible}"
    row = {"image": file(inside(root, visible, where)), "thermal": file(inside(root, thermal, where))}
    label = labels.get(Path(thermal).name)
    return {**row, "text": text(label)} if label else row


def _labels(path: Path) -> tuple[dict[str, str], list[Path]]:
    return (coco_labels(path), [path]) if path.is_file() else ({}, [])
