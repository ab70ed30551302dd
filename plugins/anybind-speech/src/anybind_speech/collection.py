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

import anybind

DATA = Path(__file__).parent / "data"
ATTRIBUTION = "Spoken names: synthesised with eSpeak NG 1.51 (https://github.com/espeak-ng/espeak-ng)."
_HINT = "install the distribution again: pip install --force-reinstall anybind-speech"


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


def read_checked(path: Path, sha256: str) -> bytes:
    """The content of a data file.

    Raises:
        anybind.DataError: the file is missing, or its sum is not ``sha256``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise anybind.DataError(
            "A data file of anybind-speech cannot be read.", where=path, got=error, hint=_HINT
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise anybind.DataError(
            "A data file of anybind-speech is damaged.", where=path, got=f"sha256 {found}",
            expected=f"sha256 {sha256}", hint=_HINT,
        )  # fmt: skip
    return content


@cache
def manifest() -> Mapping[str, Any]:
    """What the data was built with, and the sums of the data files."""
    path = DATA / "manifest.json"
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise anybind.DataError(
            "The manifest of anybind-speech cannot be read.", where=path, got=error, hint=_HINT
        ) from error
    return found


@cache
def collection_name() -> str:
    """A name that stands for exactly these clips: it changes whenever they do."""
    sums = "".join(manifest()["sha256"][name] for name in ("clips.jsonl", "clips.zip"))
    return f"espeak-{hashlib.sha256(sums.encode()).hexdigest()[:12]}"


@cache
def spoken() -> Mapping[str, Spoken]:
    """What is said in each clip, by the emoji's id."""
    text = read_checked(DATA / "clips.jsonl", manifest()["sha256"]["clips.jsonl"]).decode("utf-8")
    found = (Spoken(**json.loads(line)) for line in text.splitlines())
    return {clip.id: clip for clip in found}


@cache
def clips() -> Mapping[str, bytes]:
    """All clips by the emoji's id, as FLAC. Held in memory (12 MB), so that processes and threads can share them."""
    content = read_checked(DATA / "clips.zip", manifest()["sha256"]["clips.zip"])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.removesuffix(".flac"): archive.read(name) for name in archive.namelist()}
