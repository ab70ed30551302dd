"""Texts made of the objects that annotations name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from anybind_paper.base import read_json, read_lines, wrong_content

# Enough of PASCAL VOC's XML for the names of objects, without a parser that follows entities.
_OBJECT = re.compile(r"<object>.*?<name>([^<]*)</name>", re.DOTALL)


def label_text(names: Iterable[str]) -> str:
    """``2 person, 1 car``: the most frequent first; empty without objects."""
    counts = Counter(name.strip() for name in names if name.strip())
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def voc_labels(path: Path) -> str:
    """The objects in an annotation of PASCAL VOC, as text. Raises DataError when the file cannot be read."""
    return label_text(_OBJECT.findall("\n".join(read_lines(path))))


def coco_labels(path: Path) -> dict[str, str]:
    """Name of a picture's file -> the objects in it, as text, from an annotation file of COCO.

    Raises:
        DataError: it cannot be read, or has another form.
    """
    content = read_json(path)
    try:
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        names: dict[object, list[str]] = {}
        for annotation in content["annotations"]:
            names.setdefault(annotation["image_id"], []).append(categories[annotation["category_id"]])
        pictures = {image["id"]: str(image["file_name"]) for image in content["images"]}
    except (KeyError, TypeError) as error:
        raise wrong_content(path, f"images, annotations and categories ({error!r} is missing)") from error
    return {Path(name).name: label_text(names.get(key, ())) for key, name in pictures.items()}
