"""A plugin of the user's own, written from templates: ``anybind plugins new`` calls this. Imports no torch.

``project`` holds the files every plugin has; ``samples`` holds, for each kind of sample, how an encoder reads
numbers off it and how the examples make one. ``$`` in them stands for what is filled in.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anybind.errors import UsageError
from anybind.options import did_you_mean
from anybind.plugin_template.filling import ENDINGS, EXTRAS, NEW, filled
from anybind.registry import KINDS, Registry

_PREFIX = "anybind-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")  # PEP 503's normal form, beginning with a letter
_MODALITY = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 60
_RESERVED = ("builtin", "registered")


@dataclass(frozen=True)
class NewPlugin:
    """What was written.

    Attributes:
        folder: The plugin's folder.
        distribution: Its distribution.
        package: Its import name.
        entry_point: The name it is listed and checked by.
        modality: The modality its encoder reads.
        new_modality: Whether the plugin brings that modality.
        encoder: Name of its encoder.
        dataset: Name of its data set.
        files: Everything written, relative to the folder, sorted.
    """

    folder: Path
    distribution: str
    package: str
    entry_point: str
    modality: str
    new_modality: bool
    encoder: str
    dataset: str
    files: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "folder": str(self.folder), "files": list(self.files)}


def write_plugin(name: str, modality: str, output: Path, registry: Registry) -> NewPlugin:
    """Write a complete plugin: packaging, specs, modality, encoder, data set, examples and tests.

    A modality that is installed is read, not written again; one that the catalogue knows as a special case of an
    installed one becomes that under another name; any other gets a class of its own.

    Args:
        name: The plugin's name, with or without ``anybind-`` in front.
        modality: The modality its encoder reads.
        output: The folder in which the plugin's folder is made.
        registry: What is installed and known.

    Raises:
        UsageError: a name is not one, is taken, or belongs to a plugin that is not installed; the folder exists; or
            nothing is known of what a sample of the modality holds.
    """
    short = _checked_name(name, registry)
    distribution, package = f"{_PREFIX}{short}", f"anybind_{short.replace('-', '_')}"
    folder = output / distribution
    if folder.exists():
        raise UsageError("the plugin's folder exists already", where=folder, hint="give another name or --output")
    texts = filled(short, modality, _kind_of_sample(modality, registry), registry)
    for target, text in texts.items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return NewPlugin(
        folder, distribution, package, short, modality, modality not in registry.modalities,
        f"{short}-{ENDINGS['encoder']}", f"{short}-{ENDINGS['dataset']}", tuple(sorted(texts)),
    )  # fmt: skip


def _checked_name(name: str, registry: Registry) -> str:
    short = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(short) or len(short) > _LONGEST:
        better = re.sub(r"[^a-z0-9]+", "-", short.casefold()).strip("-")[:_LONGEST]
        raise UsageError(
            "this cannot be the name of a plugin", got=name,
            expected="small letters, digits and single hyphens, beginning with a letter",
            hint=f"did you mean {better!r}?" if _NAME.fullmatch(better) else None,
        )  # fmt: skip
    owned = f"{_PREFIX}{short}" in _distributions(registry)
    named = [kind for kind, ending in ENDINGS.items() if f"{short}-{ending}" in registry.entries(kind)]
    if owned or named or short in _RESERVED:
        raise UsageError("a plugin of this name exists already", got=f"{_PREFIX}{short}", expected="a name of your own")
    return short


def _distributions(registry: Registry) -> set[str]:
    """Those that are installed, and those that the catalogue names."""
    found = {entry.distribution for kind in KINDS for entry in registry.entries(kind).values()}
    for kind in KINDS:
        providers = (registry.catalogue.provider(kind, name) for name in registry.catalogue.section(kind))
        found |= {provider.distribution for provider in providers if provider is not None}
    return {re.sub(r"[-_.]+", "-", distribution).casefold() for distribution in found}


def _kind_of_sample(modality: str, registry: Registry) -> str:
    """The kind of sample that the encoder will read; raises UsageError as ``write_plugin`` says."""
    _refuse_owned(modality, registry)
    known = next((kind for kind in registry.kinds_of(modality) if kind in EXTRAS and kind in registry.modalities), None)
    if known is not None:
        return known
    if modality in registry.modalities:
        raise UsageError(
            f"nothing is known of what a sample of {modality!r} holds", got=modality,
            expected=f"a new modality, or one of the kind {', '.join(EXTRAS)}",
            hint="write the encoder by hand: see docs/plugins.md",
        )  # fmt: skip
    if not _MODALITY.fullmatch(modality) or len(modality) > _LONGEST:
        raise UsageError(
            "this cannot be the name of a modality", got=modality,
            expected="small letters, digits, single hyphens or underscores, beginning with a letter",
            hint=did_you_mean(modality, registry.modalities),
        )  # fmt: skip
    return NEW


def _refuse_owned(modality: str, registry: Registry) -> None:
    """A name that somebody owns who is not in use here would be owned twice once they are."""
    if modality in registry.modalities:
        return
    conflict = next((c for c in registry.conflicts if (c.kind, c.name) == ("modality", modality)), None)
    if conflict is not None or registry.catalogue.provider("modality", modality) is not None:
        raise UsageError(
            f"the modality {modality!r} has an owner already", got=modality,
            expected="a modality that is installed, or that nobody owns",
            hint=registry.explain_missing("modality", modality),
        )  # fmt: skip
