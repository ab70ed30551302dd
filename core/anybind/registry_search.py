"""Finding things by words: over what is installed and what the catalogue knows. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from anybind.catalogue import Known
from anybind.options import closest_name
from anybind.registry import KINDS, LABELS, Entry, Registry

_PART = re.compile(r"[^\W_]+")
# How well a word fits, best first; words that fit nowhere leave an entry out.
_IS_NAME, _IS_MODALITY, _IN_NAME, _IN_WORDS = range(4)


@dataclass(frozen=True)
class Found:
    """Something that exists.

    Attributes:
        kind: "modality", "encoder", "dataset" or "binder".
        name: Its registered name.
        description: One line for people.
        modalities: What it reads or holds; for a modality the more general ones it is; for a method nothing.
        dim: Length of an encoder's vectors, where it is known.
        pairs: Rows of a data set that hold more than one modality, where that is known.
        licence: SPDX expression, where it is known.
        shared_space: The space an encoder shares with others.
        provided_by: The distribution that provides it; None when none does.
        version: That distribution's version when it is installed and in use, else None.
        how_to_get: What to do when it is not; None when it is, or when nothing can be done yet.
    """

    kind: str
    name: str
    description: str = ""
    modalities: tuple[str, ...] = ()
    dim: int | None = None
    pairs: int | None = None
    licence: str | None = None
    shared_space: str | None = None
    provided_by: str | None = None
    version: str | None = None
    how_to_get: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def search(registry: Registry, words: Sequence[str], kind: str | None = None) -> list[Found]:
    """Everything that all the words fit, by name, modality, description or provider; best fit first.

    Args:
        registry: What is installed and known.
        words: Words or parts of words, in any case; without any, everything is found.
        kind: Only "modality", "encoder", "dataset" or "binder".
    """
    order = list(KINDS)
    ranked = []
    for found in everything(registry, kind):
        fits = [_fit(word.casefold(), found, registry) for word in words]
        if None not in fits:
            rank = sum(fit for fit in fits if fit is not None)
            ranked.append((rank, found.version is None, order.index(found.kind), found.name, found))
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]


def suggestion(registry: Registry, words: Sequence[str], kind: str | None = None) -> str | None:
    """The words with those that fit nothing put right; None when no better ones come to mind."""
    entries = everything(registry, kind)
    names = {word for found in entries for name in _names(found) for word in (name, *_PART.findall(name))}
    better = [word if _fits_something(word, entries, registry) else closest_name(word, names) for word in words]
    known = [word for word in better if word is not None]
    return " ".join(known) if len(known) == len(words) and known != list(words) else None


def everything(registry: Registry, kind: str | None = None) -> list[Found]:
    """All that is installed or known, of one kind or of all."""
    found = []
    for of_kind in KINDS if kind is None else [kind]:
        installed, known = registry.entries(of_kind), registry.catalogue.section(of_kind)
        for name in sorted({*installed, *known}):
            found.append(_found(registry, of_kind, name, installed.get(name), known.get(name)))
    return found


def _found(
    registry: Registry, kind: str, name: str, entry: Entry[Any] | None, known: Known | None
) -> Found:
    """What the plugin says; what it leaves open, the catalogue may know."""
    facts = _facts(known)
    if entry is None:
        provider = registry.catalogue.provider(kind, name)
        facts["provided_by"] = provider.distribution if provider is not None else None
        facts["how_to_get"] = registry.way_to_get(kind, name)
    else:
        facts.update({key: value for key, value in _facts(entry.spec).items() if value})
        facts.update(provided_by=entry.distribution, version=entry.version)
    if kind == "modality":
        facts["modalities"] = registry.kinds_of(name)[1:]
    return Found(kind, name, **facts)


def _facts(source: Any) -> dict[str, Any]:
    """The fields of a spec, or of an entry of the catalogue."""
    one = getattr(source, "modality", None)
    words = [getattr(source, field, "") for field in ("title", "description", "summary")]
    licence = getattr(source, "licence", None)
    return {
        "description": next(filter(None, words), ""),
        "modalities": tuple(getattr(source, "modalities", None) or ([one] if one else [])),
        "dim": None if "dim" in (getattr(source, "options", None) or {}) else getattr(source, "dim", None),
        "pairs": getattr(source, "pairs", None),
        "licence": None if licence == "unknown" else licence,
        "shared_space": getattr(source, "shared_space", None),
    }


def _fit(word: str, found: Found, registry: Registry) -> int | None:
    name = found.name.casefold()
    if word == name:
        return _IS_NAME
    if word in _modalities(found, registry):
        return _IS_MODALITY
    if word in name:
        return _IN_NAME
    words = " ".join([LABELS[found.kind], found.description, found.shared_space or "", found.provided_by or ""])
    return _IN_WORDS if re.search(rf"\b{re.escape(word)}", words.casefold()) else None


def _modalities(found: Found, registry: Registry) -> set[str]:
    """The modalities of an entry and the more general ones they are, case folded."""
    return {general.casefold() for modality in found.modalities for general in registry.kinds_of(modality)}


def _fits_something(word: str, entries: Sequence[Found], registry: Registry) -> bool:
    return any(_fit(word.casefold(), found, registry) is not None for found in entries)


def _names(found: Found) -> list[str]:
    return [found.name, *found.modalities, *filter(None, [found.provided_by, found.shared_space])]
