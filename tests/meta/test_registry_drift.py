"""registry.yaml says the same of our own plugins as the plugins do when they are asked."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from anybind.catalogue import Catalogue, parse_catalogue
from anybind.plugins import discover
from anybind.registry import Entry, Registry
from anybind.specs import DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

ROOT = Path(__file__).parents[2]
REMEDY = "run: python scripts/registry_entries.py --write, and decide what it leaves open"
LITE = {"distribution": "anybind-lite", "published": False, "path": "plugins/anybind-lite"}
KNOWN = """\
version: 1

modalities:
  audio:
    description: "Sound."  # of any kind
    provided_by: anybind
    sources:
      - "https://example.org/audio"
  touch:
    description: "Touch."
    kind: image
    sources:
      - "https://example.org/touch"

encoders:
  hearer:
    modality: audio
    dim: 8
    licence: "MIT"
    weights: "somewhere"
    provided_by:
      distribution: anybind-lite
      published: false
      path: plugins/anybind-lite
    sources:
      modality: "https://example.org/hearer"
      dim: "https://example.org/hearer"
      licence: "https://example.org/hearer"

datasets:
  grasps:
    title: "Grasps"
    modalities: [touch, audio]
    sources:
      modalities: "https://example.org/grasps"
"""


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("registry_entries", ROOT / "scripts" / "registry_entries.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    path = ROOT / "registry.yaml"
    return parse_catalogue(path.read_text("utf-8"), str(path))


@pytest.fixture(scope="module")
def registry() -> Registry:
    """What is installed here, whatever the environment disables."""
    return discover(disabled=frozenset())[0]


def test_every_plugin_of_the_repository_is_installed_and_current(script: Any, registry: Registry) -> None:
    """Without this the comparison below would pass on nothing, or on an old installation."""
    kinds = ("modality", "encoder", "dataset")
    entries = [entry for kind in kinds for entry in registry.entries(kind).values()]
    assert script.our_plugins().items() <= {entry.distribution: entry.version for entry in entries}.items()


def test_the_file_says_what_the_plugins_do(script: Any, catalogue: Catalogue, registry: Registry) -> None:
    wrong = [entry for entry in script.compare(catalogue, registry) if not entry.in_order]
    assert wrong == [], REMEDY


def test_every_name_of_every_plugin_is_compared(script: Any, catalogue: Catalogue, registry: Registry) -> None:
    compared = {(entry.section, entry.name) for entry in script.compare(catalogue, registry)}
    for kind, section in script.SECTIONS.items():
        ours = {*script.our_plugins(), *(["anybind"] if kind == "modality" else [])}
        names = {name for name, entry in registry.entries(kind).items() if entry.distribution in ours}
        assert {(section, name) for name in names} <= compared
        assert names


def test_nothing_of_ours_counts_as_published_yet(catalogue: Catalogue) -> None:
    """A hint must not send people to a name on a package index that is not ours."""
    known = [*catalogue.encoders.values(), *catalogue.datasets.values()]
    assert not any(entry.provided_by.published for entry in known if entry.provided_by is not None)


def test_the_number_of_emoji_is_the_number_of_rows(catalogue: Catalogue, registry: Registry) -> None:
    assert len(registry.build_dataset("emoji", split="all")) == catalogue.datasets["emoji"].pairs


# ---------------------------------------------------------------------------- the script itself

AUDIO = ModalitySpec(name="audio", factory="x:Y")
HEARER = EncoderSpec(name="hearer", modality="audio", dim=8, factory="x:Y", weights="somewhere", revision="1",
                     licence="MIT")  # fmt: skip


def provided(*specs: Any, by: str = "anybind-lite") -> Registry:
    entries = [Entry(spec, "anybind" if isinstance(spec, ModalitySpec) else by, "1") for spec in specs]
    return Registry(entries, catalogue=Catalogue())


def findings(script: Any, *specs: Any) -> dict[str, Any]:
    found = script.compare(parse_catalogue(KNOWN, "r.yaml"), provided(*specs))
    return {entry.name: entry.added or entry.contradictions for entry in found if not entry.in_order}


def test_what_agrees_is_in_order(script: Any) -> None:
    assert findings(script, AUDIO, HEARER) == {}
    options = {"dim": OptionSpec(type="int")}
    left_open = HEARER.model_copy(update={"licence": "unknown", "weights": "none", "options": options, "dim": 9})
    assert findings(script, AUDIO, left_open) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dim": 9}, ["dim: the file says 8, the plugin 9"]),
        ({"licence": "X"}, ["licence: the file says MIT, the plugin X"]),
        ({"modality": "text"}, ["modality: the file says audio, the plugin text"]),
        ({"shared_space": "ear"}, {"shared_space": "ear"}),
        ({"weights": "elsewhere"}, {"weights": "elsewhere"}),
    ],
)
def test_every_fact_that_differs_is_found(script: Any, change: dict[str, Any], expected: Any) -> None:
    assert findings(script, AUDIO, HEARER.model_copy(update=change)) == {"hearer": expected}


def test_names_that_only_one_side_has_are_found(script: Any) -> None:
    nobody = ["provided_by: anybind-lite, which does not provide it"]
    assert findings(script, AUDIO) == {"hearer": nobody}
    assert findings(script, HEARER) == {"audio": ["provided_by: anybind, which does not provide it"]}
    touch = ModalitySpec(name="touch", kind="image", factory="x:Y")
    assert findings(script, AUDIO, HEARER, touch) == {"touch": {"provided_by": "anybind"}}
    plain = touch.model_copy(update={"kind": None})
    (found,) = [e for e in script.compare(parse_catalogue(KNOWN, "r.yaml"), provided(AUDIO, HEARER, plain))
                if not e.in_order]  # fmt: skip
    assert found.contradictions == ["kind: the file says image, the plugin None"]


def test_the_order_of_modalities_does_not_matter(script: Any) -> None:
    grasps = DatasetSpec(name="grasps", modalities=("audio", "touch"), factory="x:Y", licence="unknown")
    assert findings(script, AUDIO, HEARER, grasps) == {"grasps": {"provided_by": LITE}}
    other = grasps.model_copy(update={"modalities": ("audio",)})
    (found,) = [e for e in script.compare(parse_catalogue(KNOWN, "r.yaml"), provided(AUDIO, HEARER, other))
                if e.contradictions]  # fmt: skip
    assert found.contradictions == ["modalities: the file says ['touch', 'audio'], the plugin ['audio']"]


def test_what_is_written_is_found_in_order_and_nothing_else_changes(script: Any) -> None:
    specs = [
        AUDIO, ModalitySpec(name="touch", kind="image", factory="x:Y"),
        ModalitySpec(name="aroma", factory="x:Y", description="Smells."),
        HEARER.model_copy(update={"shared_space": "ear", "weights": "owner/ear"}),
        HEARER.model_copy(update={"name": "zebra", "weights": "owner/zebra"}),
        DatasetSpec(name="reader", modalities=None, factory="x:Y", licence="unknown", description="Reads rows."),
        DatasetSpec(name="grasps", modalities=("touch", "audio"), factory="x:Y", licence="CC0-1.0"),
    ]  # fmt: skip
    here = provided(*specs)
    text = KNOWN
    for entry in script.compare(parse_catalogue(KNOWN, "r.yaml"), here):
        if not entry.in_order:
            text = script.with_entry(text, entry.section, entry.name, script.completed(entry, here))
    again = parse_catalogue(text, "r.yaml")
    assert all(entry.in_order for entry in script.compare(again, here))
    for section in ("modalities", "encoders", "datasets"):
        assert list(getattr(again, section)) == sorted(getattr(again, section))
    gone = [line for line in KNOWN.splitlines() if line and line not in text.splitlines()]
    assert gone == ['    weights: "somewhere"']
    assert again.encoders["zebra"].sources["dim"] == "https://huggingface.co/owner/zebra"
    assert again.encoders["hearer"].sources["dim"] == "https://example.org/hearer"
    assert again.datasets["reader"].modalities is None
    assert text.count("TODO") == 2  # where the smells and the licence of the grasps were read
