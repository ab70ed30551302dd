"""The shipped clips: complete, unchanged, sound, and made by the script that lies beside them."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from anybind_emoji import collection as emoji
from anybind_speech import collection

PLUGIN = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = PLUGIN / "scripts" / "build_data.py"
    if not path.is_file():
        pytest.skip("the script is not beside the tests")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("anybind_speech_script_build_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_sums_are_those_recorded() -> None:
    recorded = json.loads((collection.DATA / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    assert sorted(recorded) == ["clips.jsonl", "clips.zip"]
    for name, expected in recorded.items():
        assert hashlib.sha256((collection.DATA / name).read_bytes()).hexdigest() == expected
    assert sum(path.stat().st_size for path in collection.DATA.iterdir()) < 15_000_000


def test_collection_is_the_one_that_shipped() -> None:
    """Stores hold vectors under this name: new clips must come with a new name, on purpose."""
    assert collection.collection_name() == "espeak-93afbc589da6"


def test_every_emoji_is_said_by_its_name_and_every_voice_speaks() -> None:
    items = emoji.items()
    assert list(collection.spoken()) == list(collection.clips()) == list(items)
    assert all(clip.spoken == items[name].name for name, clip in collection.spoken().items())
    voices = [clip.voice for clip in collection.spoken().values()]
    counts = {voice: voices.count(voice) for voice in collection.manifest()["voices"]}
    assert sum(counts.values()) == 1644
    assert min(counts.values()) > 230


def test_every_clip_is_a_short_mono_flac_that_can_be_heard() -> None:
    seconds = []
    for name, data in collection.clips().items():
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            assert (file.format, file.samplerate, file.channels) == ("FLAC", 16_000, 1), name
            sound = file.read(dtype="int16")
        seconds.append(len(sound) / 16_000)
        assert abs(int(np.abs(sound.astype(int)).max()) - 0.9 * 2**15) <= 2**7, name
        assert not (sound % 2**7).any(), name
        assert np.abs(sound[:800].astype(int)).max() > 200, f"{name} begins with silence"
    assert 0.2 < min(seconds)
    assert max(seconds) < 5
    assert 0.7 < float(np.mean(seconds)) < 0.9


def test_voices_are_those_of_the_script(script: ModuleType) -> None:
    recorded = collection.manifest()["voices"]
    assert {name: vars(voice) for name, voice in script.VOICES.items()} == recorded
    assert {name: script.voice_of(name) for name in collection.spoken()} == {
        name: clip.voice for name, clip in collection.spoken().items()
    }


def test_script_says_the_same_again(script: ModuleType) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    if script.tools()["espeak-ng"] != collection.manifest()["tools"]["espeak-ng"]:
        pytest.skip("another version of espeak-ng is installed")
    for name in list(collection.spoken())[::137]:
        clip = collection.spoken()[name]
        made, shipped = (
            soundfile.read(io.BytesIO(data), dtype="int16")[0].astype(int)
            for data in (script.make_clip(clip.spoken, script.VOICES[clip.voice]), collection.clips()[name])
        )
        assert made.shape == shipped.shape, name
        assert np.abs(made - shipped).max() <= 2**7, name  # one step of 9 bits: torch may round otherwise elsewhere


def test_an_archive_of_the_same_clips_is_the_same_file(script: ModuleType, tmp_path: Path) -> None:
    script.write_clips(tmp_path / "again.zip", collection.clips())
    assert (tmp_path / "again.zip").read_bytes() == (collection.DATA / "clips.zip").read_bytes()
