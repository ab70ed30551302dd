"""registry.yaml: the modalities, encoders and data sets that exist in the world, and who provides each.

The catalogue knows more than what is installed, so that a missing name can be met with the command that
installs it, and a path can be planned before anything is installed. Facts carry their sources.

Users add files of their own, of the same shape, through ``ANYBIND_REGISTRY`` and ``anybind --registry``. They
add names; two files that say different things of one name are an error, for no one could tell which is right.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anybind.options import did_you_mean
from anybind.specs import Name
from anybind.yaml_loader import Document, Problem, YamlPath, load_yaml, read_text, report

FILE_NAME = "registry.yaml"
FILES_VARIABLE = "ANYBIND_REGISTRY"

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
    path: str | None = Field(
        default=None, description="Its folder in a checkout of anybind; in a file of your own, relative to that file."
    )

    @property
    def how_to_install(self) -> str:
        """What to do to get it. A name that is not published is never handed to pip: it may be anyone's."""
        if self.published:
            return f"pip install {self.distribution}"
        if self.path and Path(self.path).is_absolute():
            return f"pip install {shlex.quote(self.path)}"
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
    modalities: Names | None = Field(
        min_length=1, description="What its rows hold; null for a reader whose options decide."
    )
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
        DeclarationError: it is not valid; ``problems`` has all that is wrong, as file:line:col.
    """
    return _parse(text, filename).catalogue


def load_catalogue(extra: Sequence[str | Path] = ()) -> Catalogue:
    """The catalogue this installation knows, with what the user's own files add.

    Args:
        extra: Files of the user's own, beside those that ``ANYBIND_REGISTRY`` names.

    Raises:
        DeclarationError: a file cannot be read or is not valid, uses a modality that no file declares, or says
            something else of a name than another file.
    """
    paths = dict.fromkeys(Path(path).expanduser() for path in (*_files_of_environment(), *extra))
    own = [_parse(read_text(path), str(path)) for path in paths]
    packaged = _packaged()
    return _merged(packaged, own) if own else packaged.catalogue


def catalogue_path() -> Path | None:
    """The packaged registry.yaml, else the one two folders above the package (a checkout), else None."""
    package = Path(str(files("anybind")))
    candidates = (package / FILE_NAME, package.parent.parent / FILE_NAME)
    return next((path for path in candidates if path.is_file()), None)


@dataclass(frozen=True)
class _File:
    """A catalogue and the document it was read from."""

    document: Document
    catalogue: Catalogue

    def entries(self) -> Iterator[tuple[str, str, Known]]:
        """(section, name, entry) for everything in it."""
        for section in _SECTIONS:
            for name, known in getattr(self.catalogue, section).items():
                yield section, name, known

    def place(self, path: YamlPath) -> str:
        """Where a key stands, as file:line:col."""
        line, col = self.document.position(path, key=True)
        return f"{self.document.filename}:{line}:{col}"

    def problem(self, path: YamlPath, message: str, hint: str | None = None, *, key: bool = False) -> Problem:
        return Problem(self.document.filename, *self.document.position(path, key=key), message, hint=hint)


_ENTRIES: dict[str, type[BaseModel]] = {
    "modalities": KnownModality, "encoders": KnownEncoder, "datasets": KnownDataset,
}  # fmt: skip
_SECTIONS = tuple(_ENTRIES)


@cache
def _packaged() -> _File:
    path = catalogue_path()
    return _parse("version: 1" if path is None else path.read_text(encoding="utf-8"), str(path or FILE_NAME))


def _files_of_environment() -> list[str]:
    return [path for path in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if path]


def _parse(text: str, filename: str) -> _File:
    document = load_yaml(text, filename)
    try:
        return _File(document, Catalogue.model_validate(document.data))
    except ValidationError as error:
        raise report(filename, [_invalid(document, found) for found in error.errors()]) from error


def _invalid(document: Document, error: Any) -> Problem:
    """What pydantic found, with its place and in words for people."""
    path: YamlPath = tuple(step for step in error["loc"] if step != "[key]")
    dotted = ".".join(map(str, path))
    unknown = error["type"] == "extra_forbidden"
    message = {
        "extra_forbidden": f"{dotted}: unknown key {str(path[-1])!r}" if path else "",
        "missing": f"{dotted}: missing",
    }.get(error["type"], f"{dotted}: {error['msg'][:1].lower()}{error['msg'][1:]}")
    place = document.position(path, key=unknown or "[key]" in error["loc"])
    hint = did_you_mean(path[-1], _known_keys(path)) if unknown else None
    return Problem(document.filename, *place, message, hint=hint)


def _known_keys(path: YamlPath) -> list[str]:
    """The keys that may stand where the last of ``path`` does."""
    models: dict[int, type[BaseModel] | None] = {1: Catalogue, 3: _ENTRIES.get(str(path[0])), 4: Provider}
    model = models.get(len(path))
    return list(model.model_fields) if model else []


def _merged(packaged: _File, own: Sequence[_File]) -> Catalogue:
    """All files as one catalogue; the entries of the user's come with the paths of their providers made absolute."""
    sections: dict[str, dict[str, Known]] = {name: dict(getattr(packaged.catalogue, name)) for name in _SECTIONS}
    owners = {(section, name): packaged for section, name, _ in packaged.entries()}
    for file in own:
        problems = []
        for section, name, known in file.entries():
            first = owners.setdefault((section, name), file)
            if first is file:
                sections[section][name] = _located(known, Path(file.document.filename).parent)
            elif getattr(first.catalogue, section)[name] != known:
                message = f"{section}.{name}: {first.place((section, name))} says something else of this name"
                hint = "give one of them another name, or make them the same"
                problems.append(file.problem((section, name), message, hint, key=True))
        if problems:
            raise report(file.document.filename, problems)
    merged = Catalogue.model_validate({"version": 1, **sections})
    for file in own:
        _refuse_unknown_modalities(file, merged)
    return merged


def _located(known: Known, folder: Path) -> Known:
    provider = known.provided_by
    if not isinstance(provider, Provider) or provider.path is None:
        return known
    path = str((folder / provider.path).resolve())
    return known.model_copy(update={"provided_by": provider.model_copy(update={"path": path})})


def _refuse_unknown_modalities(file: _File, merged: Catalogue) -> None:
    problems = []
    for section, name, known in file.entries():
        for key, modality in _modalities_of(known):
            if modality not in merged.modalities:
                message = f"{section}.{name}.{key}: no modality named {modality!r} is known"
                hint = did_you_mean(modality, merged.modalities) or "declare it under 'modalities'"
                problems.append(file.problem((section, name, key), message, hint))
    if problems:
        raise report(file.document.filename, problems)


def _modalities_of(known: Known) -> list[tuple[str, str]]:
    if isinstance(known, KnownDataset):
        return [("modalities", modality) for modality in known.modalities or ()]
    if isinstance(known, KnownEncoder):
        return [("modality", known.modality)]
    return [("kind", known.kind)] if known.kind is not None else []
