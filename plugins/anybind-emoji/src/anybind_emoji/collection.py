"""The items as they lie in this distribution: one read, checked against the recorded sums."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from anybind.encoder_kit.package_files import read_checked, read_manifest

DATA = Path(__file__).parent / "data"
_DISTRIBUTION = "anybind-emoji"
LANGUAGES = ("en", "ja", "de", "es", "fr", "it", "ko", "nl", "pl", "pt", "ru", "th", "zh", "zh-hant")
MODALITIES = ("image", *(f"text_{language}" for language in LANGUAGES))
ATTRIBUTION = (
    "Emoji pictures: OpenMoji 17.0.0 (https://openmoji.org), CC BY-SA 4.0 "
    "(https://creativecommons.org/licenses/by-sa/4.0/), rendered to PNG at 128 pixels on white. "
    "Names and keywords: emojibase-data 17.0.0 (https://emojibase.dev), MIT, from Unicode CLDR, "
    "Unicode License v3."
)


@dataclass(frozen=True)
class Item:
    """One emoji.

    Attributes:
        id: Its code points in hexadecimal, joined by hyphens.
        emoji: The emoji as text.
        name: Its English name.
        group: OpenMoji's group, e.g. ``food-drink``.
        subgroup: OpenMoji's subgroup, e.g. ``food-fruit``.
        family: The id of the first of its near-duplicates; its own id when it has none.
        text: Language -> ``name: keyword, keyword``.
    """

    id: str
    emoji: str
    name: str
    group: str
    subgroup: str
    family: str
    text: Mapping[str, str]


@cache
def manifest() -> Mapping[str, Any]:
    """What the data was built from, and the sums of the data files."""
    return read_manifest(DATA / "manifest.json", _DISTRIBUTION)


def _read(name: str) -> bytes:
    return read_checked(DATA / name, manifest()["sha256"][name], _DISTRIBUTION)


@cache
def collection_name() -> str:
    """A name that stands for exactly these pictures and texts: it changes whenever they do."""
    sums = "".join(manifest()["sha256"][name] for name in ("items.jsonl", "pictures.zip"))
    return f"openmoji-17.0.0-{hashlib.sha256(sums.encode()).hexdigest()[:12]}"


@cache
def items() -> Mapping[str, Item]:
    """All items by id, in Unicode's order."""
    text = _read("items.jsonl").decode("utf-8")
    found = (Item(**json.loads(line)) for line in text.splitlines())
    return {item.id: item for item in found}


@cache
def pictures() -> Mapping[str, bytes]:
    """All pictures by id, as PNG. Held in memory (3 MB), so that processes and threads can share them."""
    content = _read("pictures.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.removesuffix(".png"): archive.read(name) for name in archive.namelist()}
