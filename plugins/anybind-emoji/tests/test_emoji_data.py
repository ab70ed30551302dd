"""The shipped data: complete, unchanged, and made by the script that lies beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from anybind_emoji import collection
from PIL import Image

PLUGIN = Path(__file__).parents[1]
SOURCES = ("ANYBIND_EMOJI_OPENMOJI", "ANYBIND_EMOJI_EMOJIBASE")


def load_script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = PLUGIN / "scripts"
    if not folder.is_dir():
        pytest.skip("the scripts are not beside the tests")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location(f"anybind_emoji_script_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def zip_of_pngs(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_sums_are_those_recorded() -> None:
    recorded = json.loads((collection.DATA / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    assert sorted(recorded) == ["items.jsonl", "pictures.zip"]
    for name, expected in recorded.items():
        assert hashlib.sha256((collection.DATA / name).read_bytes()).hexdigest() == expected


def test_collection_is_the_one_that_shipped() -> None:
    """Stores hold vectors under this name: new pictures or texts must come with a new name, on purpose."""
    assert collection.collection_name() == "openmoji-17.0.0-8c3715d84bf0"


def test_every_picture_decodes_to_128_pixels_on_white() -> None:
    assert list(collection.pictures()) == list(collection.items())
    for name, data in collection.pictures().items():
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.format == "PNG"
            assert picture.size == (128, 128), name
            assert picture.mode in ("RGB", "P"), name
            assert "transparency" not in picture.info, name
            colours = picture.convert("RGB").getcolors(128 * 128)
        assert colours is not None
        assert len(colours) > 1, f"{name} is blank"
        assert any(colour == (255, 255, 255) for _, colour in colours), name


def test_every_item_has_a_text_in_every_language() -> None:
    assert len(collection.items()) == 1644
    assert len(collection.LANGUAGES) >= 8
    for item in collection.items().values():
        assert tuple(item.text) == collection.LANGUAGES
        for language, text in item.text.items():
            name, _, keywords = text.rpartition(": ")
            assert name.strip(), (item.id, language)
            assert keywords.strip(), (item.id, language)
    for language in collection.LANGUAGES:
        assert len({item.text[language] for item in collection.items().values()}) == 1644


def test_flags_skin_tones_and_mere_parts_are_left_out() -> None:
    skin_tones = {f"{code:X}" for code in range(0x1F3FB, 0x1F400)}
    regional = {f"{code:X}" for code in range(0x1F1E6, 0x1F200)}
    for item in collection.items().values():
        assert item.group not in ("flags", "component")
        assert not set(item.id.split("-")) & (skin_tones | regional)
        assert item.emoji.replace("\ufe0f", "") == "".join(
            chr(int(code, 16)) for code in item.id.split("-") if code != "FE0F"
        )


def test_families_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script("families", monkeypatch)
    assert {item.id: item.family for item in collection.items().values()} == script.families(
        collection.items()
    )


def test_every_variant_named_in_the_script_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script("families", monkeypatch)
    sizes: dict[str, int] = {}
    for name in map(script.family_name, collection.items()):
        sizes[name] = sizes.get(name, 0) + 1
    for name, members in script.SETS.items():
        assert sizes.get(name, 0) >= len(members), name
        assert sizes[name] > 1, name


def test_script_builds_the_shipped_data_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [os.environ.get(name) for name in SOURCES]
    if not all(folders):
        pytest.skip(f"{' and '.join(SOURCES)} do not name the unpacked npm packages")
    pytest.importorskip("resvg_py", reason="the renderer is not installed: pip install anybind-emoji[build]")
    script = load_script("build_data", monkeypatch)
    made = script.build(Path(str(folders[0])), Path(str(folders[1])), tmp_path)
    assert (tmp_path / "items.jsonl").read_bytes() == (collection.DATA / "items.jsonl").read_bytes()
    new, shipped = zip_of_pngs(tmp_path / "pictures.zip"), zip_of_pngs(collection.DATA / "pictures.zip")
    assert list(new) == list(shipped)
    for name, data in new.items():
        with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(shipped[name])) as two:
            assert one.convert("RGB").tobytes() == two.convert("RGB").tobytes(), name
    assert made["inputs"] == collection.manifest()["inputs"]
    if made["tools"] == collection.manifest()["tools"]:
        assert made == collection.manifest()
