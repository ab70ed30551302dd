"""registry.yaml says the same of our own plugins as the plugins do when they are asked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from anybind.catalogue import Catalogue, KnownDataset, KnownEncoder, parse_catalogue
from anybind.plugins import discover
from anybind.registry import Entry, Registry
from anybind.specs import DatasetSpec, EncoderSpec, ModalitySpec

ROOT = Path(__file__).parents[2]
CORE = "anybind"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    path = ROOT / "registry.yaml"
    return parse_catalogue(path.read_text("utf-8"), str(path))


@pytest.fixture(scope="module")
def plugins() -> dict[str, str]:
    """Distribution -> version, of the plugins in this repository."""
    files = ROOT.glob("plugins/*/pyproject.toml")
    projects = [tomllib.loads(path.read_text("utf-8"))["project"] for path in files]
    return {project["name"]: project["version"] for project in projects}


@pytest.fixture(scope="module")
def registry() -> Registry:
    """What is installed here, whatever the environment disables."""
    return discover(disabled=frozenset())[0]


def test_every_plugin_of_the_repository_is_installed_and_current(
    plugins: dict[str, str], registry: Registry
) -> None:
    """Without this the comparisons below would pass on nothing, or on an old installation."""
    entries = [*registry.encoders.values(), *registry.datasets.values()]
    assert plugins.items() <= {entry.distribution: entry.version for entry in entries}.items()


def test_encoders_agree(catalogue: Catalogue, plugins: dict[str, str], registry: Registry) -> None:
    ours: Mapping[str, Entry[EncoderSpec]] = provided_by(plugins, registry.encoders)
    listed = {name: known for name, known in catalogue.encoders.items() if known.provided_by is not None}
    assert {name: told_of_encoder(known) for name, known in listed.items()} == {
        name: (e.spec.modality, e.spec.dim, e.spec.licence, e.spec.shared_space, *home(e.distribution))
        for name, e in ours.items()
    }


def told_of_encoder(known: KnownEncoder) -> tuple[object, ...]:
    assert known.provided_by is not None
    provider = known.provided_by
    return known.modality, known.dim, known.licence, known.shared_space, provider.distribution, provider.path


def test_data_sets_agree(catalogue: Catalogue, plugins: dict[str, str], registry: Registry) -> None:
    ours: Mapping[str, Entry[DatasetSpec]] = provided_by(plugins, registry.datasets)
    listed = {name: known for name, known in catalogue.datasets.items() if known.provided_by is not None}
    assert {name: told_of_dataset(known) for name, known in listed.items()} == {
        name: (set(e.spec.modalities or ()), e.spec.licence, *home(e.distribution))
        for name, e in ours.items()
    }


def told_of_dataset(known: KnownDataset) -> tuple[object, ...]:
    assert known.provided_by is not None
    return set(known.modalities), known.licence, known.provided_by.distribution, known.provided_by.path


def test_modalities_agree(catalogue: Catalogue, plugins: dict[str, str], registry: Registry) -> None:
    ours: Mapping[str, Entry[ModalitySpec]] = provided_by({CORE: "", **plugins}, registry.modalities)
    listed = {
        name: (known.kind, known.provided_by)
        for name, known in catalogue.modalities.items()
        if known.provided_by is not None
    }
    assert listed == {name: (entry.spec.kind, entry.distribution) for name, entry in ours.items()}


def test_nothing_of_ours_counts_as_published_yet(catalogue: Catalogue) -> None:
    """A hint must not send people to a name on a package index that is not ours."""
    known = [*catalogue.encoders.values(), *catalogue.datasets.values()]
    assert not any(entry.provided_by.published for entry in known if entry.provided_by is not None)


def test_the_number_of_emoji_is_the_number_of_rows(catalogue: Catalogue, registry: Registry) -> None:
    assert len(registry.build_dataset("emoji", split="all")) == catalogue.datasets["emoji"].pairs


def provided_by(distributions: Mapping[str, str], entries: Mapping[str, Entry]) -> dict[str, Entry]:  # type: ignore[type-arg]
    return {name: entry for name, entry in entries.items() if entry.distribution in distributions}


def home(distribution: str) -> tuple[str, str]:
    """Provider and path as the catalogue should have them."""
    return distribution, f"plugins/{distribution}"
