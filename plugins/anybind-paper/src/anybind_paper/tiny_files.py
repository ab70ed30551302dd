"""Writing tiny files of the kinds that the data sets hold, for the examples and tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RATE = 8000
FRAMES = 8


def picture(path: Path, shade: int) -> None:
    """8 × 6 pixels of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(path)


def tone(hertz: float, seconds: float = 0.5) -> NDArray[np.float32]:
    """(samples,) float32 of a sine at half of full scale."""
    time = np.arange(int(RATE * seconds)) / RATE
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def sound(path: Path, hertz: float) -> None:
    """Half a second of a tone, 16 bits."""
    import soundfile  # type: ignore[import-untyped,unused-ignore]

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), tone(hertz), RATE, subtype="PCM_16")


def video(path: Path, shade: int, hertz: float | None) -> None:
    """8 frames that grow brighter from ``shade``, 16 a second, with a tone unless ``hertz`` is None."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=2 * FRAMES)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        pictures.options = {"sc_threshold": "1000000000"}  # one whole frame, then differences to the one before
        track = None if hertz is None else container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade + 10 * number, np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        if track is not None and hertz is not None:
            samples = av.AudioFrame.from_ndarray(tone(hertz)[None, :], format="fltp", layout="mono")
            samples.sample_rate = RATE
            container.mux(track.encode(samples))
            container.mux(track.encode())


def turned_depth(path: Path, millimetres: NDArray[np.uint16]) -> None:
    """A depth map as SUN RGB-D stores it: 16 bits, turned left by three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((millimetres << 3) | (millimetres >> 13)).save(path)


def document(path: Path, content: Any) -> None:
    """Text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
