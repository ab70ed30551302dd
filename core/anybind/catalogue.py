"""registry.yaml: the modalities, encoders and data sets that exist in the world, and who provides each.

The catalogue knows more than what is installed, so that a missing name can be met with the command that
installs it, and a path can be planned before anything is installed. Facts carry their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anybind.errors import AnybindError
from anybind.specs import Name
from anybind.yaml_loader import load_yaml

FILE_NAME = "registry.yaml"

# Strict validation takes no list for a tuple, but lists are all that YAML has.
Texts = Annotated[tuple[str, ...], Field(strict=False)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Sources = Annotated[dict[str, str], Field(description="For each fact, the page or paper it comes from.")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Provider(_Model):
    """The distribution that makes something usable in anybind."""

    distribution: Name = Field(description="Name of the distribution, e.g. anybind-emoji.")
    published: bool = Field(description="True when a package index has it under this name, and it is ours.")
    path: str | None = Field(default=None, description="Its folder in a checkout of anybind.")

    @property
    def how_to_install(self) -> str:
        """What to do to get it. A name that is not published is never handed to pip: it may be anyone's."""
        if self.published:
            return f"pip install {self.distribution}"
        if self.path:
            return f"pip install ./{self.path} in a checkout of anybind"
        return f"{self.distribution} is not published yet"


class KnownModality(_Model):
    """A kind of raw sample that exists in the world."""

    description: str = Field(description="One line for people.")
    kind: Name | None = Field(default=None, description="The more general modality it is.")
    provided_by: Name | None = Field(default=None, description="The distribution that loads it.")
    sources: Texts = Field(default=(), description="Pages or papers that use it.")


class KnownEncoder(_Model):
    """An encoder that exists in the world."""

    modality: Name = Field(description="The modality it reads.")
    dim: int | None = Field(default=None, ge=1, description="Length of its vectors.")
    shared_space: Name | None = Field(default=None, description="Name of the space it shares with others.")
    licence: str | None = Field(default=None, description="SPDX expression of the weights' licence.")
    weights: str | None = Field(default=None, description="Where the weights are.")
    provided_by: Provider | None = Field(default=None, description="Who makes it usable here.")
    sources: Sources = Field(default_factory=dict)


class KnownDataset(_Model):
    """A paired data set that exists in the world."""

    title: str = Field(description="Its full name.")
    modalities: Names = Field(min_length=1, description="What its rows hold.")
    pairs: int | None = Field(default=None, ge=0, description="Rows that hold more than one modality.")
    licence: str | None = Field(default=None, description="SPDX expression, or the licence's own name.")
    homepage: str | None = Field(default=None, description="Where people find it.")
    provided_by: Provider | None = Field(default=None, description="Who makes it usable here.")
    papers: Texts = Field(default=(), description="Papers on it or that bind with it.")
    sources: Sources = Field(default_factory=dict)


Known: TypeAlias = KnownModality | KnownEncoder | KnownDataset


class Catalogue(_Model):
    """The whole of registry.yaml."""

    version: Literal[1] = 1
    modalities: dict[Name, KnownModality] = Field(default_factory=dict)
    encoders: dict[Name, KnownEncoder] = Field(default_factory=dict)
    datasets: dict[Name, KnownDataset] = Field(default_factory=dict)

    def section(self, kind: str) -> Mapping[str, Known]:
        """The entries of one kind ("modality", "encoder", "dataset"); empty for other kinds."""
        sections: dict[str, Mapping[str, Known]] = {
            "modality": self.modalities, "encoder": self.encoders, "dataset": self.datasets,
        }
        return sections.get(kind, {})

    def provider(self, kind: str, name: str) -> Provider | None:
        """Who provides ``name``, or None when the catalogue names nobody."""
        known = self.section(kind).get(name)
        if known is None or known.provided_by is None:
            return None
        if isinstance(known.provided_by, Provider):
            return known.provided_by
        return self._distribution(known.provided_by)

    def _distribution(self, distribution: str) -> Provider:
        # A modality names only its distribution; how to get that stands at its encoders and data sets.
        providers = [known.provided_by for known in self.encoders.values()]
        providers += [known.provided_by for known in self.datasets.values()]
        unpublished = Provider(distribution=distribution, published=False)
        return next((p for p in providers if p is not None and p.distribution == distribution), unpublished)


def parse_catalogue(text: str, filename: str) -> Catalogue:
    """Read the text of a registry.yaml.

    Raises:
        AnybindError: it is not valid; ``got`` lists every problem with its place.
    """
    try:
        return Catalogue.model_validate(load_yaml(text, filename).data)
    except ValidationError as error:
        raise AnybindError(
            "the catalogue is not valid",
            where=filename,
            got="; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()),
            expected="the shape described in anybind.catalogue",
        ) from error


@cache
def load_catalogue() -> Catalogue:
    """The catalogue this installation knows; read on first use, empty when there is no file."""
    path = catalogue_path()
    return Catalogue() if path is None else parse_catalogue(path.read_text(encoding="utf-8"), str(path))


def catalogue_path() -> Path | None:
    """The packaged registry.yaml, else the one two folders above the package (a checkout), else None."""
    package = Path(str(files("anybind")))
    candidates = (package / FILE_NAME, package.parent.parent / FILE_NAME)
    return next((path for path in candidates if path.is_file()), None)
