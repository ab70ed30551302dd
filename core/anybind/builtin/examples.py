"""What the conformance kit tries the built-in modalities, encoders and data sets on."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anybind.builtin.audio import AudioClip
from anybind.builtin.depth import DepthMap
from anybind.builtin.imu import ImuClip
from anybind.testing import DatasetExample, EncoderExample, ModalityExample

_UNSAFE = '<script>alert("1")</script> & <img src=http://example.org/x onerror=alert(1)>'


def text(folder: Path) -> ModalityExample:
    """Texts as such, in a file and as bytes; some that no page should run."""
    file = folder / "a.txt"
    file.write_text("Schöne Grüße", encoding="utf-8")
    broken = [folder / "none.txt", b"\xff\xfe\xff"]
    return ModalityExample(sources=["a dog", _UNSAFE, file, "犬".encode()], broken=broken)


def image(folder: Path) -> ModalityExample:
    """Pictures of several modes, as objects, a file and bytes."""
    from PIL import Image

    ramp = Image.linear_gradient("L")
    file = folder / "a.png"
    ramp.convert("RGBA").save(file)
    content = file.read_bytes()
    return ModalityExample(
        sources=[ramp.convert("RGB"), ramp, file, content], broken=[folder / "none.png", content[:200], b"GIF89a"]
    )


def audio(folder: Path) -> ModalityExample:
    """A tone as a clip, a file and bytes."""
    file = folder / "a.wav"
    file.write_bytes(_tone_file(440))
    return ModalityExample(
        sources=[AudioClip(_tone(220), 8000), file, file.read_bytes()], broken=[folder / "none.wav", b"RIFF", b""]
    )


def video(folder: Path) -> ModalityExample:
    """A bar that moves, as frames and as an animated GIF."""
    from PIL import Image

    frames = np.zeros((4, 24, 32, 3), np.uint8)
    for step, frame in enumerate(frames):
        frame[:, 6 * step : 6 * step + 6] = (250, 40 * step, 90)
    file = folder / "a.gif"
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(file, save_all=True, append_images=rest, duration=100)
    return ModalityExample(sources=[frames, file, file.read_bytes()], broken=[folder / "none.mp4", b"no video", b""])


def depth(folder: Path) -> ModalityExample:
    """A slope, in metres and as a picture of 16 bits in millimetres."""
    from PIL import Image

    metres = np.linspace(0.5, 4, 48, dtype=np.float32).reshape(6, 8)
    file = folder / "a.png"
    Image.fromarray((metres * 1000).astype(np.uint16)).save(file)
    return ModalityExample(sources=[DepthMap(metres), metres, file], broken=[folder / "none.png", b"no picture"])


def imu(folder: Path) -> ModalityExample:
    """A shaken sensor, as a clip, an array and a CSV file."""
    samples = np.stack([_tone(5 * channel + 5)[:200] for channel in range(6)])
    file = folder / "a.csv"
    np.savetxt(file, samples.T, delimiter=",", header="ax,ay,az,gx,gy,gz", comments="")
    broken = [folder / "none.csv", b"a,b\n1,x\n"]
    return ModalityExample(sources=[ImuClip(samples, 100.0), samples, file], broken=broken)


def vector(folder: Path) -> ModalityExample:
    """Arrays, lists and a file."""
    file = folder / "a.npy"
    np.save(file, np.arange(5, dtype=np.float64))
    return ModalityExample(sources=[np.ones(3), [1, 2.5], file], broken=[folder / "none.npy", b"no array", "x", ["a"]])


def toy_text(folder: Path) -> EncoderExample:
    """Texts of several lengths."""
    return EncoderExample(samples=["a dog", "ein Zug", "雨", "rain " * 50], wrong=7)


def toy_image(folder: Path) -> EncoderExample:
    """Pictures of several colours and sizes."""
    from PIL import Image

    ramp = Image.linear_gradient("L").convert("RGB")
    return EncoderExample(samples=[ramp, ramp.rotate(90), Image.new("RGB", (40, 20), "red")], wrong="a.png")


def vectors(folder: Path) -> EncoderExample:
    """Vectors of one length, and one of another."""
    samples = np.random.default_rng(0).normal(size=(4, 6))
    return EncoderExample(samples=list(samples), options={"dim": 6}, wrong=np.ones(5, np.float32))


def manifest(folder: Path) -> DatasetExample:
    """Text, sound and vectors in JSON Lines; one row lacks the sound."""
    (folder / "a.wav").write_bytes(_tone_file(300))
    rows = [
        {"id": "one", "text": "a low tone", "audio": "a.wav", "vector": [1.0, 2.0], "scene": "s1"},
        {"id": "two", "text": "silence", "audio": None, "vector": [0.5, 0.25], "scene": "s1"},
    ]
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return DatasetExample(options={"path": str(path), "group_column": "scene"})


def files(folder: Path) -> DatasetExample:
    """Two sounds with their texts, and a text alone."""
    for name in ("audio", "text"):
        (folder / name).mkdir()
    for number, stem in enumerate(("low", "high")):
        (folder / "audio" / f"{stem}.wav").write_bytes(_tone_file(200 + 400 * number))
    for stem in ("low", "high", "none"):
        (folder / "text" / f"{stem}.txt").write_text(f"a tone: {stem}", encoding="utf-8")
    return DatasetExample(options={"path": str(folder)})


def arrays(folder: Path) -> DatasetExample:
    """One modality as an array file; the data set names modalities after files."""
    np.save(folder / "vector.npy", np.random.default_rng(0).normal(size=(3, 4)))
    (folder / "ids.txt").write_text("a\nb\nc\n", encoding="utf-8")
    return DatasetExample(options={"path": str(folder)})


def _tone(frequency: float) -> NDArray[np.float32]:
    """A quarter of a second at 8 kHz."""
    time = np.arange(2000) / 8000
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def _tone_file(frequency: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((_tone(frequency) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
