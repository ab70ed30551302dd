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

import anybind

DATA = Path(__file__).parent / "data"
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


def read_checked(path: Path, sha256: str) -> bytes:
    """The content of a data file.

    Raises:
        anybind.DataError: the file is missing, or its sum is not ``sha256``.
    """
    hint = "install the distribution again: pip install --force-reinstall anybind-emoji"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise anybind.DataError(
            "A data file of anybind-emoji cannot be read.", where=path, got=error, hint=hint
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise anybind.DataError(
            "A data file of anybind-emoji is damaged.",
            where=path,
            got=f"sha256 {found}",
            expected=f"sha256 {sha256}",
            hint=hint,
        )
    return content


@cache
def manifest() -> Mapping[str, Any]:
    """What the data was built from, and the sums of the data files."""
    path = DATA / "manifest.json"
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise anybind.DataError(
            "The manifest of anybind-emoji cannot be read.",
            where=path,
            got=error,
            hint="install the distribution again: pip install --force-reinstall anybind-emoji",
        ) from error
    return found


@cache
def collection_name() -> str:
    """A name that stands for exactly these pictures and texts: it changes whenever they do."""
    sums = "".join(manifest()["sha256"][name] for name in ("items.jsonl", "pictures.zip"))
    return f"openmoji-17.0.0-{hashlib.sha256(sums.encode()).hexdigest()[:12]}"


@cache
def items() -> Mapping[str, Item]:
    """All items by id, in Unicode's order."""
    text = read_checked(DATA / "items.jsonl", manifest()["sha256"]["items.jsonl"]).decode("utf-8")
    found = (Item(**json.loads(line)) for line in text.splitlines())
    return {item.id: item for item in found}


@cache
def pictures() -> Mapping[str, bytes]:
    """All pictures by id, as PNG. Held in memory (3 MB), so that processes and threads can share them."""
    content = read_checked(DATA / "pictures.zip", manifest()["sha256"]["pictures.zip"])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.removesuffix(".png"): archive.read(name) for name in archive.namelist()}
