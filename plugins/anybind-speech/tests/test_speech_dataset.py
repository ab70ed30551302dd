"""The data set as the core and a user see it, and what the distribution says of itself."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from anybind_emoji import collection as emoji_collection
from anybind_emoji.dataset import EmojiDataset
from anybind_speech import collection, plugin
from anybind_speech.dataset import SpokenEmoji

import anybind

PLUGIN = Path(__file__).parents[1]


def test_rows_hold_a_picture_a_text_and_the_name_as_sound() -> None:
    dataset = SpokenEmoji(split="all")
    assert len(dataset) == 1644
    index = dataset.ids.index("1F436")
    row = dataset[index]
    assert tuple(row) == dataset.modalities == ("image", "text_en", "speech")
    assert row["text_en"].startswith("dog face: ")
    assert row["speech"] == collection.clips()["1F436"]
    assert dataset.voices[index] == collection.spoken()["1F436"].voice


@pytest.mark.parametrize("modalities", [("speech",), ("speech", "image"), ("text_en", "speech"), ("image",)])
def test_modalities_choose_and_order_what_rows_hold(modalities: tuple[str, ...]) -> None:
    dataset = SpokenEmoji(split="d1", modalities=modalities)
    assert dataset.modalities == tuple(dataset[3]) == modalities


@pytest.mark.parametrize("seed", [0, 5])
def test_splits_are_those_of_the_emoji(seed: int) -> None:
    for split in ("d1", "d2", "test", "oracle"):
        spoken = SpokenEmoji(split=split, pairs=100, seed=seed)
        pictures = EmojiDataset(split=split, pairs=100, seed=seed)
        assert spoken.ids == pictures.ids
        assert spoken.groups == pictures.groups
        assert spoken[9]["image"] == pictures[9]["image"]
        assert spoken[9]["text_en"] == pictures[9]["text_en"]
        assert spoken.collection == SpokenEmoji(split="all").collection != pictures.collection


def test_every_voice_is_in_every_split() -> None:
    for split in ("d1", "d2", "test"):
        assert set(SpokenEmoji(split=split).voices) == set(collection.manifest()["voices"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_unseen_words_are_in_no_name_of_the_training_parts(seed: int) -> None:
    whole = SpokenEmoji(split="test", seed=seed)
    unseen = SpokenEmoji(split="test", seed=seed, words="unseen")
    assert set(unseen.ids) < set(whole.ids)
    assert 80 < len(unseen) == len(unseen.groups) == len(unseen.voices) < 110
    names = emoji_collection.items()
    trained = " ".join(
        names[name].name.lower() for part in ("d1", "d2") for name in EmojiDataset(split=part, seed=seed).ids
    )
    for index, name in enumerate(unseen.ids):
        assert unseen[index]["speech"] == collection.clips()[name]
        assert unseen[index]["text_en"].startswith(names[name].name)
        for word in re.findall(r"\w{4,}", names[name].name.lower()):
            assert word == "with" or not re.search(rf"\b{word}\b", trained), (name, word)
    left_out = set(whole.ids) - set(unseen.ids)
    assert any("face" in names[name].name for name in left_out)


def test_more_parts_leave_fewer_words_unseen() -> None:
    some = SpokenEmoji(split="test", words="unseen", pairs=50)
    assert len(some) > len(SpokenEmoji(split="test", words="unseen"))
    assert len(SpokenEmoji(split="test", words="unseen", pairs=50, parts=4)) < len(some)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({}, "split"),
        ({"split": "tset"}, "split"),
        ({"split": "d1", "pairs": 673}, "pairs"),
        ({"split": "d1", "words": "unseen"}, "words"),
        ({"split": "test", "words": "new"}, "words"),
        ({"split": "test", "modalities": ["speech", "text_ja"]}, "modalities"),
        ({"split": "test", "modalities": ["speech", "speech"]}, "modalities"),
        ({"split": "test", "modalities": []}, "modalities"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], option: str) -> None:
    with pytest.raises(anybind.UsageError) as caught:
        SpokenEmoji(**options)  # type: ignore[arg-type]
    assert f"option {option}" in str(caught.value.where)
    assert caught.value.got
    assert caught.value.expected


def test_iteration_ends_and_pickling_works() -> None:
    dataset = SpokenEmoji(split="d1", pairs=10)
    assert len(list(dataset)) == len(dataset) == 10
    assert pickle.loads(pickle.dumps(dataset))[7] == dataset[7]


@pytest.mark.parametrize("change", ["damage", "remove"])
def test_damaged_or_missing_clips_are_an_error_that_says_what_to_do(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in collection.DATA.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    target = tmp_path / "clips.zip"
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    if change == "remove":
        target.unlink()
    monkeypatch.setattr(collection, "DATA", tmp_path)
    collection.clips.cache_clear()
    try:
        dataset = SpokenEmoji(split="d1", modalities=("speech",))
        with pytest.raises(anybind.DataError) as caught:
            dataset[0]
    finally:
        collection.clips.cache_clear()
    assert caught.value.where == target
    assert caught.value.hint == "install anybind-speech again, from where it was installed before"


def test_hooks_name_the_data_set_and_the_modality() -> None:
    (spec,) = plugin.anybind_datasets()
    assert (spec.name, spec.modalities) == ("spoken-emoji", ("image", "text_en", "speech"))
    (modality,) = plugin.anybind_modalities()
    assert (modality.name, modality.kind) == ("speech", "audio")
    module, _, name = spec.factory.partition(":")
    options = {key: option.default for key, option in spec.options.items()}
    dataset = getattr(importlib.import_module(module), name)(**{**options, "split": "d1"}, modalities=None)
    assert (len(dataset), dataset.modalities) == (672, spec.modalities)


def test_hook_module_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import sys; from anybind_speech import plugin; "
        "plugin.anybind_datasets(); plugin.anybind_modalities(); plugin.anybind_examples(); "
        "bad = {'torch', 'numpy', 'PIL', 'soundfile', 'anybind_emoji'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_licences_have_their_texts_and_attribution_names_the_sources() -> None:
    attribution = SpokenEmoji(split="d1").attribution
    assert all(part in attribution for part in ("eSpeak NG", "OpenMoji", "CC BY-SA 4.0"))
    if not (PLUGIN / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in the distribution's source")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND MIT"
    assert {"anybind>=0.1,<0.2", "anybind-emoji>=0.1,<0.2"} <= set(project["dependencies"])
    first_words = {"Apache-2.0": "Apache License", "MIT": "MIT License", "Unicode-3.0": "UNICODE LICENSE V3"}
    for name, words in first_words.items():
        assert words in (PLUGIN / "LICENSES" / f"{name}.txt").read_text(encoding="utf-8")[:200]
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    for name, voice in collection.manifest()["voices"].items():
        assert f"| `{name}` | `{voice['voice']}` | {voice['speed']} | {voice['pitch']} |" in readme
