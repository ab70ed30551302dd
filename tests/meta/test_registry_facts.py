"""registry.yaml: what the seed papers use is there, and every fact names where it comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from anybind.builtin import plugin as builtin
from anybind.catalogue import parse_catalogue

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "registry.yaml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SOURCE = re.compile(r"https?://[^\s/]+\.[^\s/]+(/\S*)?|arXiv:\d{4}\.\d{4,5}")
SECTIONS = ("modalities", "encoders", "datasets")
FACTS = {
    "encoders": ("modality", "dim", "shared_space", "licence"),
    "datasets": ("modalities", "pairs", "licence"),
}
BUILT_IN = {spec.name for spec in builtin.anybind_modalities()}
SEED_PAPERS = {"brokenbind", "centrobind", "calmrl"}
# Removing entries must be a decision, not an accident.
AT_LEAST = {"modalities": 81, "encoders": 42, "datasets": 163}

PAPER_DATASETS = {
    "msr-vtt": {"brokenbind", "calmrl"},
    "ave": {"brokenbind"},
    "objectfolder": {"brokenbind"},
    "objectfolder-real": {"brokenbind"},
    "nyu-d": {"brokenbind"},
    "sun-d": {"brokenbind"},
    "llvip": {"brokenbind"},
    "flir": {"brokenbind"},
    "audiocaps": {"calmrl"},
    "vast-150k": {"calmrl"},
    "mustard": {"centrobind"},
    "audioset": {"centrobind"},
}
PAPER_SPACES = {
    "imagebind": {"image", "video", "text", "audio", "depth", "thermal", "imu"},
    "languagebind": {"image", "video", "text", "audio", "depth", "thermal"},
    "videoclip": {"video", "text"},
    "clap": {"audio", "text"},
    "tvl": {"image", "text", "touch"},
}


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader takes the last of two equal keys; here a second one is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: a key stands twice in {keys}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def registry() -> dict[str, Any]:
    loaded = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _entries(registry: dict[str, Any], *sections: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for section in sections:
        for name, entry in registry[section].items():
            yield section, name, entry


def _modalities_of(entry: dict[str, Any]) -> list[str]:
    return (entry["modalities"] or []) if "modalities" in entry else [entry["modality"]]


def test_anybind_reads_it() -> None:
    catalogue = parse_catalogue(FILE.read_text(encoding="utf-8"), FILE.name)
    assert catalogue.datasets["emoji"].provided_by is not None


def test_no_key_stands_twice_and_there_are_no_aliases() -> None:
    text = FILE.read_text(encoding="utf-8")
    yaml.load(text, Loader=_UniqueKeys)
    assert not [token for token in yaml.scan(text) if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_sorted_named_well_and_not_shrunk(registry: dict[str, Any], section: str) -> None:
    names = list(registry[section])
    assert names == sorted(names)
    assert [name for name in names if not NAME.fullmatch(name)] == []
    assert len(names) >= AT_LEAST[section]


@pytest.mark.parametrize(("name", "papers"), PAPER_DATASETS.items())
def test_data_sets_of_the_seed_papers_are_there(
    registry: dict[str, Any], name: str, papers: set[str]
) -> None:
    assert set(registry["datasets"][name]["papers"]) == papers


def test_only_data_sets_of_the_seed_papers_name_them(registry: dict[str, Any]) -> None:
    named = {name: set(entry["papers"]) for name, entry in registry["datasets"].items() if "papers" in entry}
    assert set().union(*named.values()) == SEED_PAPERS
    assert set(named) == set(PAPER_DATASETS)


@pytest.mark.parametrize(("space", "modalities"), PAPER_SPACES.items())
def test_backbones_of_the_seed_papers_are_there(
    registry: dict[str, Any], space: str, modalities: set[str]
) -> None:
    towers = {
        name: entry["modality"]
        for name, entry in registry["encoders"].items()
        if entry.get("shared_space") == space
    }
    assert towers == {f"{space}-{modality}": modality for modality in modalities}


def test_every_fact_has_a_source_and_every_source_a_fact(registry: dict[str, Any]) -> None:
    for section, name, entry in _entries(registry, "encoders", "datasets"):
        facts = {fact for fact in FACTS[section] if entry.get(fact) is not None}
        assert set(entry["sources"]) == facts, f"{section}.{name}"


def test_every_modality_has_a_source(registry: dict[str, Any]) -> None:
    assert [name for name, entry in registry["modalities"].items() if not entry["sources"]] == []


def test_sources_and_homepages_are_pages_or_papers(registry: dict[str, Any]) -> None:
    cited = [
        (f"{section}.{name}", url)
        for section, name, entry in _entries(registry, *SECTIONS)
        for url in (entry["sources"] if section == "modalities" else entry["sources"].values())
    ]
    cited += [
        (f"datasets.{name}", entry["homepage"]) for name, entry in registry["datasets"].items() if "homepage" in entry
    ]
    ours = [(name, url) for name, url in cited if not SOURCE.fullmatch(url)]
    assert [(name, path) for name, path in ours if not (ROOT / path).is_file()] == []


def test_modalities_are_declared_and_used(registry: dict[str, Any]) -> None:
    used = {
        modality
        for _, _, entry in _entries(registry, "encoders", "datasets")
        for modality in _modalities_of(entry)
    }
    declared = set(registry["modalities"])
    assert used - declared == set()
    assert declared - used <= BUILT_IN


def test_kinds_are_declared_and_end(registry: dict[str, Any]) -> None:
    modalities = registry["modalities"]
    for start in modalities:
        seen = [start]
        while (kind := modalities[seen[-1]].get("kind")) is not None:
            assert kind not in seen, f"{start}: its kinds form a loop"
            seen.append(kind)


def test_built_in_modalities_are_ours(registry: dict[str, Any]) -> None:
    ours = {name for name, entry in registry["modalities"].items() if entry.get("provided_by") == "anybind"}
    assert ours == BUILT_IN


def test_data_sets_pair_different_modalities_under_their_own_title(registry: dict[str, Any]) -> None:
    entries = registry["datasets"]
    readers = {name for name, entry in entries.items() if entry["modalities"] is None}
    assert all("provided_by" in entries[name] for name in readers)  # else it says nothing at all
    titles = Counter(entry["title"].casefold() for entry in entries.values())
    assert [title for title, count in titles.items() if count > 1] == []
    modalities = {name: entry["modalities"] for name, entry in entries.items() if entry["modalities"] is not None}
    assert [
        name for name, held in modalities.items() if len(set(held)) < 2 or len(set(held)) < len(held)
    ] == []
    assert [name for name, entry in entries.items() if not entry.get("pairs", 1) > 0] == []


def test_towers_of_one_space_can_be_compared(registry: dict[str, Any]) -> None:
    spaces: dict[str, list[dict[str, Any]]] = {}
    for entry in registry["encoders"].values():
        if "shared_space" in entry:
            spaces.setdefault(entry["shared_space"], []).append(entry)
    for space, towers in spaces.items():
        assert len(towers) > 1, f"{space} has a single tower"
        assert len({tower["dim"] for tower in towers if "dim" in tower}) <= 1, f"{space} mixes lengths"


def test_providers_are_in_this_repository(registry: dict[str, Any]) -> None:
    providers = [
        (f"{section}.{name}", entry["provided_by"])
        for section, name, entry in _entries(registry, "encoders", "datasets")
        if "provided_by" in entry
    ]
    assert {provider["distribution"] for _, provider in providers} >= {"anybind-emoji", "anybind-lite"}
    for where, provider in providers:
        assert provider["path"] == f"plugins/{provider['distribution']}", where
        assert (ROOT / provider["path"]).is_dir(), f"{where}: no folder {provider['path']}"


def test_modalities_are_provided_by_a_known_distribution(registry: dict[str, Any]) -> None:
    known = {"anybind"} | {
        entry["provided_by"]["distribution"]
        for _, _, entry in _entries(registry, "encoders", "datasets")
        if "provided_by" in entry
    }
    providers = {entry.get("provided_by", "anybind") for entry in registry["modalities"].values()}
    assert providers <= known
