"""The clips as they lie in this distribution: one read, checked against the recorded sums."""

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
_DISTRIBUTION = "anybind-speech"
ATTRIBUTION = "Spoken names: synthesised with eSpeak NG 1.51 (https://github.com/espeak-ng/espeak-ng)."


@dataclass(frozen=True)
class Spoken:
    """One clip.

    Attributes:
        id: The emoji's id.
        spoken: What is said: the emoji's English name.
        voice: Who says it.
    """

    id: str
    spoken: str
    voice: str


@cache
def manifest() -> Mapping[str, Any]:
    """What the data was built with, and the sums of the data files."""
    return read_manifest(DATA / "manifest.json", _DISTRIBUTION)


def _read(name: str) -> bytes:
    return read_checked(DATA / name, manifest()["sha256"][name], _DISTRIBUTION)


@cache
def collection_name() -> str:
    """A name that stands for exactly these clips: it changes whenever they do."""
    sums = "".join(manifest()["sha256"][name] for name in ("clips.jsonl", "clips.zip"))
    return f"espeak-{hashlib.sha256(sums.encode()).hexdigest()[:12]}"


@cache
def spoken() -> Mapping[str, Spoken]:
    """What is said in each clip, by the emoji's id."""
    text = _read("clips.jsonl").decode("utf-8")
    found = (Spoken(**json.loads(line)) for line in text.splitlines())
    return {clip.id: clip for clip in found}


@cache
def clips() -> Mapping[str, bytes]:
    """All clips by the emoji's id, as FLAC. Held in memory (12 MB), so that processes and threads can share them."""
    content = _read("clips.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.removesuffix(".flac"): archive.read(name) for name in archive.namelist()}
