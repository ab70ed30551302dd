"""Sound becomes one channel of float32, and broken or overlong files become errors."""

from __future__ import annotations

import base64
import io
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from anybind.builtin import audio
from anybind.builtin.audio import Audio, AudioClip
from anybind.errors import DataError, PluginError
from anybind.specs import ModalitySpec

AUDIO = Audio(ModalitySpec(name="audio", factory="anybind.builtin.audio:Audio"))
RATE = 8000
SINE = (0.5 * np.sin(np.arange(RATE) / 10)).astype(np.float32)


def sound_file(samples: np.ndarray, kind: str = "WAV", subtype: str = "FLOAT", rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def test_paths_bytes_and_clips_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(sound_file(SINE))
    loaded = AUDIO.load(path)
    AUDIO.check(loaded)
    assert (loaded.rate, loaded.seconds) == (RATE, 1.0)
    for source in (str(path), path.read_bytes(), loaded):
        np.testing.assert_array_equal(AUDIO.load(source).samples, SINE)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("WAV", "PCM_24"), ("OGG", "VORBIS")])
def test_formats(kind: str, subtype: str) -> None:
    clip = AUDIO.load(sound_file(SINE, kind, subtype))
    AUDIO.check(clip)
    np.testing.assert_allclose(clip.samples, SINE, atol=0.02)


def test_channels_are_averaged() -> None:
    stereo = np.stack([SINE, np.zeros_like(SINE)], axis=1)
    np.testing.assert_allclose(AUDIO.load(sound_file(stereo)).samples, SINE / 2, atol=1e-7)


@pytest.mark.parametrize("source", [b"", b"no sound", Path("nowhere.wav"), "nowhere.raw", 3, None])
def test_what_is_no_sound(source: Any) -> None:
    with pytest.raises(DataError):
        AUDIO.load(source)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.flac"
    path.write_bytes(sound_file(SINE, "FLAC", "PCM_16")[:30])
    with pytest.raises(DataError) as caught:
        AUDIO.load(path)
    assert caught.value.where == path


def test_overlong_files_are_refused_before_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    stereo = np.stack([SINE, SINE], axis=1)
    monkeypatch.setattr(audio, "MAX_VALUES", 2 * RATE)
    AUDIO.load(sound_file(stereo))
    monkeypatch.setattr(audio, "MAX_VALUES", 2 * RATE - 1)
    with pytest.raises(DataError, match="too long"):
        AUDIO.load(sound_file(stereo))


@pytest.mark.parametrize(
    "sample",
    [
        SINE,
        AudioClip(SINE[:0], RATE),
        AudioClip(SINE, 0),
        AudioClip(SINE.astype(np.float64), RATE),
        AudioClip(SINE[None], RATE),
        AudioClip(np.array([np.nan], dtype=np.float32), RATE),
        AudioClip([0.0], RATE),  # type: ignore[arg-type]
    ],
)
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        AUDIO.check(sample)


def test_the_preview_plays_the_beginning() -> None:
    clip = AudioClip(np.concatenate([np.full(RATE, 2.0, np.float32), np.tile(SINE, 20)]), RATE)
    html = AUDIO.preview(clip)
    assert html.startswith("<audio controls")
    content = base64.b64decode(html.split("base64,")[1].split('"')[0])
    with wave.open(io.BytesIO(content)) as shown:
        assert (shown.getframerate(), shown.getnframes(), shown.getnchannels()) == (RATE, 10 * RATE, 1)
        first = np.frombuffer(shown.readframes(1), dtype="<i2")
    assert first.tolist() == [32767], "what is louder than full scale is clipped, not wrapped"


def test_without_soundfile_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(PluginError) as caught:
        AUDIO.load(b"")
    assert caught.value.hint == "pip install \"soundfile>=0.12\" (extra 'audio' of anybind)"
