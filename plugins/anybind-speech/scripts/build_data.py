"""Build the shipped clips of anybind-speech: the English names of anybind-emoji, spoken by espeak-ng.

    apt-get install espeak-ng=1.51*
    pip install anybind-emoji soundfile==0.14.0
    python scripts/build_data.py --output src/anybind_speech/data

Three files come out. With the same versions of the tools they are the same each time:

- ``clips.zip``: one FLAC per emoji, 16 kHz, one channel, uncompressed inside the archive;
- ``clips.jsonl``: one emoji a line, with what is said and by which voice;
- ``manifest.json``: versions and SHA-256 sums of what went in and of what came out.

Which voice says a name is drawn from the hash of the emoji's id. A clip is cut to what can be heard, scaled to one
loudness and rounded to 9 bits, which halves its size and leaves a noise some 40 dB below the voice.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from anybind_emoji import collection

from anybind.encoder_kit.sound import resample

RATE = 16_000
BITS = 9
PEAK = 0.9
HEARD = 0.01  # of the peak; what is softer at both ends is cut off, but for MARGIN
MARGIN = RATE // 100
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Voice:
    """How espeak-ng is called: its voice and variant, words a minute, and pitch (0 to 99)."""

    voice: str
    speed: int
    pitch: int


VOICES = {
    "american": Voice("en-us", 190, 50),
    "american-high": Voice("en-us+f3", 200, 55),
    "american-low": Voice("en-us+m7", 195, 35),
    "british": Voice("en-gb-x-rp+m3", 200, 40),
    "caribbean": Voice("en-029+f4", 200, 70),
    "scottish": Voice("en-gb-scotland+f2", 185, 60),
}


def voice_of(identifier: str) -> str:
    """The voice that says an emoji's name: the same on every machine."""
    drawn = int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big")
    return sorted(VOICES)[drawn % len(VOICES)]


def speak(text: str, voice: Voice) -> tuple[Any, int]:
    """What espeak-ng says: (frames,) float32 and the rate."""
    command = ["espeak-ng", "-v", voice.voice, "-s", str(voice.speed), "-p", str(voice.pitch), "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=True)
    sound, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return sound, rate


def trimmed(sound: Any) -> Any:
    """What can be heard, scaled so that the loudest frame is PEAK."""
    level = np.abs(sound) / np.abs(sound).max()
    heard = np.flatnonzero(level > HEARD)
    return PEAK * (sound / np.abs(sound).max())[max(0, heard[0] - MARGIN) : heard[-1] + MARGIN]


def flac(sound: Any) -> bytes:
    """FLAC of sound rounded to BITS bits; the lower bits are zero, which costs FLAC nothing."""
    rounded = np.round(sound * 2 ** (BITS - 1)) * 2 ** (16 - BITS)
    buffer = io.BytesIO()
    soundfile.write(buffer, rounded.astype(np.int16), RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return buffer.getvalue()


def make_clip(text: str, voice: Voice) -> bytes:
    """The FLAC of one spoken name."""
    sound, rate = speak(text, voice)
    return flac(trimmed(resample(sound, rate, RATE).numpy()))


def write_clips(path: Path, clips: Mapping[str, bytes]) -> None:
    """An archive with fixed dates and order, so that the same clips make the same file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in clips.items():
            info = zipfile.ZipInfo(f"{name}.flac", date_time=ZIP_TIME)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, data)


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tools() -> dict[str, str]:
    """Versions of what makes the sound."""
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, check=True, text=True).stdout
    found = re.search(r"text-to-speech: (\S+)", said)
    return {
        "espeak-ng": found[1] if found else "unknown",
        "soundfile": soundfile.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
    }


def build(output: Path) -> dict[str, Any]:
    """Write the three data files into ``output`` and return the manifest."""
    output.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": item.id, "spoken": item.name, "voice": voice_of(item.id)} for item in collection.items().values()
    ]
    write_clips(output / "clips.zip", {row["id"]: make_clip(row["spoken"], VOICES[row["voice"]]) for row in rows})
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    (output / "clips.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    manifest = {
        "schema_version": 1,
        "items": len(rows),
        "clip": {"format": "FLAC", "rate": RATE, "channels": 1, "bits": BITS},
        "voices": {name: asdict(voice) for name, voice in VOICES.items()},
        "tools": tools(),
        "inputs": {"anybind-emoji": collection.collection_name()},
        "sha256": {name: sha256(output / name) for name in ("clips.jsonl", "clips.zip")},
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (output / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    return manifest


def main() -> None:
    """Read the command line, build, and say what was built."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write the data files into")
    args = parser.parse_args()
    manifest = build(args.output)
    print(f"{manifest['items']} clips in {len(manifest['voices'])} voices -> {args.output}")


if __name__ == "__main__":
    main()
