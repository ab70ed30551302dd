"""Name -> spec, with provenance: what is installed, who owns it, and what to do about what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from anybind.catalogue import Catalogue, load_catalogue
from anybind.errors import DuplicateNameError, UnknownNameError, UsageError
from anybind.factories import build, load
from anybind.options import check_options, closest_name, did_you_mean, fill_defaults
from anybind.specs import AnySpec, BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

__all__ = ["KINDS", "LABELS", "Catalogue", "Conflict", "Entry", "Registry", "validate_options"]

KINDS: Mapping[str, type[AnySpec]] = MappingProxyType(
    {"modality": ModalitySpec, "encoder": EncoderSpec, "dataset": DatasetSpec, "binder": BinderSpec}
)
LABELS: Mapping[str, str] = MappingProxyType(
    {"modality": "modality", "encoder": "encoder", "dataset": "data set", "binder": "binder method"}
)
_NO_KINDS: Mapping[str, str | None] = MappingProxyType({})

S = TypeVar("S", ModalitySpec, EncoderSpec, DatasetSpec, BinderSpec, AnySpec)


@dataclass(frozen=True)
class Entry(Generic[S]):
    """A spec and the distribution that registered it."""

    spec: S
    distribution: str
    version: str

    @property
    def owner(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Conflict:
    """A name that more than one plugin registered; using it is an error until one of them is disabled."""

    kind: str
    name: str
    owners: tuple[str, ...]

    def __str__(self) -> str:
        return f"two owners of {LABELS[self.kind]} {self.name!r}: {' and '.join(self.owners)}"

    @property
    def hint(self) -> str:
        return "uninstall one of them, or disable it: ANYBIND_DISABLE_PLUGINS=<distribution>"


class Registry:
    """Everything that is installed, by name. Immutable; does not depend on the order of ``entries``.

    Args:
        entries: What the plugins registered.
        catalogue: What exists in the world; None reads registry.yaml on first use.
        unavailable: Distribution -> why an installed plugin contributes nothing (failed, disabled).

    Attributes:
        modalities: name -> Entry[ModalitySpec], sorted by name, without conflicting names. Likewise
        encoders, datasets, binders.
        conflicts: The names with two owners, sorted.
    """

    modalities: Mapping[str, Entry[ModalitySpec]]
    encoders: Mapping[str, Entry[EncoderSpec]]
    datasets: Mapping[str, Entry[DatasetSpec]]
    binders: Mapping[str, Entry[BinderSpec]]
    conflicts: tuple[Conflict, ...]

    def __init__(
        self,
        entries: Iterable[Entry[Any]],
        *,
        catalogue: Catalogue | None = None,
        unavailable: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._catalogue = catalogue
        self._unavailable = dict(sorted(unavailable.items()))
        owners: dict[tuple[str, str], list[Entry[Any]]] = defaultdict(list)
        for entry in entries:
            owners[_kind_of(entry.spec), entry.spec.name].append(entry)
        self.conflicts = tuple(
            Conflict(kind, name, tuple(sorted(entry.owner for entry in owned)))
            for (kind, name), owned in sorted(owners.items())
            if len(owned) > 1
        )
        unique = [(key, owned[0]) for key, owned in sorted(owners.items()) if len(owned) == 1]
        self._entries = {
            kind: MappingProxyType({name: entry for (its_kind, name), entry in unique if its_kind == kind})
            for kind in KINDS
        }
        self.modalities = self._entries["modality"]
        self.encoders = self._entries["encoder"]
        self.datasets = self._entries["dataset"]
        self.binders = self._entries["binder"]

    @cached_property
    def catalogue(self) -> Catalogue:
        """registry.yaml: what exists in the world, installed or not. Read when first asked for."""
        return load_catalogue() if self._catalogue is None else self._catalogue

    def with_files(self, files: Sequence[str | Path]) -> Registry:
        """This registry, knowing also what the user's own registry files say.

        Raises:
            DeclarationError: see ``anybind.catalogue.load_catalogue``.
        """
        more = copy(self)
        more.__dict__["catalogue"] = load_catalogue(files)
        return more

    def entries(self, kind: str) -> Mapping[str, Entry[Any]]:
        """What is installed of one kind ("modality", "encoder", "dataset", "binder"), by name."""
        return self._entries[kind]

    def modality(self, name: str) -> Entry[ModalitySpec]:
        """The modality of this name.

        Raises:
            UnknownNameError: nothing provides it; the hint says what is near and how to install it.
            DuplicateNameError: two plugins own it.
        """
        return cast("Entry[ModalitySpec]", self._lookup("modality", name))

    def encoder(self, name: str) -> Entry[EncoderSpec]:
        """The encoder of this name; raises as ``modality`` does."""
        return cast("Entry[EncoderSpec]", self._lookup("encoder", name))

    def dataset(self, name: str) -> Entry[DatasetSpec]:
        """The data set of this name; raises as ``modality`` does."""
        return cast("Entry[DatasetSpec]", self._lookup("dataset", name))

    def binder(self, name: str) -> Entry[BinderSpec]:
        """The binder method of this name; raises as ``modality`` does."""
        return cast("Entry[BinderSpec]", self._lookup("binder", name))

    def kinds_of(self, modality: str, extra: Mapping[str, str | None] = _NO_KINDS) -> tuple[str, ...]:
        """``modality`` and the ever more general modalities it is, e.g. ("text_ja", "text").

        A loop of kinds ends the chain where it would close.

        Args:
            modality: Any modality name, known or not.
            extra: name -> kind as a declaration gives them; these go before what is installed and known.
        """
        chain = [modality]
        while (kind := self._kind(chain[-1], extra)) is not None and kind not in chain:
            chain.append(kind)
        return tuple(chain)

    def explain_missing(self, kind: str, name: str) -> str | None:
        """What to do about a name that cannot be used, or None when there is nothing to say.

        Args:
            kind: "modality", "encoder", "dataset" or "binder".
            name: The name asked for.
        """
        conflict = self._conflict(kind, name)
        if conflict is not None:
            return f"{conflict}; {conflict.hint}"
        if name in self._entries[kind]:
            return None
        if name in self.catalogue.section(kind):
            return self._how_to_get(kind, name)
        near = closest_name(name, [*self._entries[kind], *self.catalogue.section(kind)])
        if near is None:
            return self._unavailable_plugins()
        more = "" if near in self._entries[kind] else f" ({self._how_to_get(kind, near)})"
        return f"did you mean {near!r}?{more}"

    def way_to_get(self, kind: str, name: str) -> str | None:
        """What to do to use a name that the catalogue knows, in a few words; None when nothing can be done yet."""
        provider = self.catalogue.provider(kind, name)
        if provider is not None:
            return self._unavailable.get(provider.distribution) or provider.how_to_install
        general = next((k for k in self.kinds_of(name)[1:] if k in self.modalities), None)
        if kind == "modality" and general is not None:
            return f"declare it: modalities: {{{name}: {{kind: {general}}}}}"
        return None

    def _how_to_get(self, kind: str, name: str) -> str:
        provider, way = self.catalogue.provider(kind, name), self.way_to_get(kind, name)
        if provider is None:
            return way or f"the {LABELS[kind]} {name!r} is known, but no plugin provides it yet"
        but = ", but" if provider.distribution in self._unavailable else ":"
        return f"{provider.distribution} provides {name!r}{but} {way}"

    def build_modality(self, name: str, extra: Mapping[str, str | None] = _NO_KINDS) -> Any:
        """The modality of this name or, when only a declaration knows it, the nearest kind that is installed.

        Args:
            name: The modality's name.
            extra: As in ``kinds_of``.

        Raises:
            UnknownNameError, DuplicateNameError: see ``modality``.
            PluginError: the factory cannot be imported or raised.
        """
        known = next((kind for kind in self.kinds_of(name, extra) if kind in self.modalities), name)
        entry = self.modality(known)
        return _build("modality", entry, entry.spec)

    def build_encoder(self, name: str, /, **options: Any) -> Any:
        """Load an encoder with ``options``; raises as ``build_dataset`` does."""
        entry = self.encoder(name)
        return _build("encoder", entry, entry.spec, **_options("encoder", entry, options))

    def build_dataset(self, name: str, /, *, modalities: Sequence[str] | None = None, **options: Any) -> Any:
        """Open a data set.

        Args:
            name: The data set's name.
            modalities: Which of its modalities to give; None gives all.
            **options: Its options; those not given take their defaults.

        Raises:
            UnknownNameError, DuplicateNameError: see ``dataset``.
            UsageError: an option or a modality it does not have.
            PluginError: the factory cannot be imported or raised.
        """
        entry = self.dataset(name)
        wanted = None if modalities is None else tuple(modalities)
        offered = entry.spec.modalities
        foreign = [m for m in wanted or () if offered is not None and m not in offered]
        if foreign:
            raise UsageError(
                f"data set {name!r} has no modality {', '.join(foreign)}",
                got=", ".join(wanted or ()),
                expected=f"some of {', '.join(offered or ())}",
                hint=did_you_mean(foreign[0], offered or ()),
            )
        checked = _options("dataset", entry, options)
        return _build("dataset", entry, **checked, modalities=wanted)

    def build_binder(self, name: str, /, **options: Any) -> Any:
        """Make a binder method with ``options``, not fitted yet; raises as ``build_dataset`` does."""
        entry = self.binder(name)
        return _build("binder", entry, **_options("binder", entry, options))

    def binder_class(self, name: str) -> Any:
        """The class of a binder method, to restore a fitted one with; raises as ``build_binder`` does."""
        entry = self.binder(name)
        return load(_label("binder", entry), entry.spec.factory, entry.distribution, entry.version)

    def _lookup(self, kind: str, name: str) -> Entry[Any]:
        entry = self._entries[kind].get(name)
        if entry is not None:
            return entry
        conflict = self._conflict(kind, name)
        if conflict is not None:
            raise DuplicateNameError(
                f"two plugins own the {LABELS[kind]} {name!r}", got=" and ".join(conflict.owners),
                expected="one owner", hint=conflict.hint,
            )
        installed = ", ".join(self._entries[kind])
        raise UnknownNameError(
            f"no {LABELS[kind]} named {name!r} is installed", got=name,
            expected=f"one of {installed}" if installed else None, hint=self.explain_missing(kind, name),
        )

    def _conflict(self, kind: str, name: str) -> Conflict | None:
        return next((c for c in self.conflicts if (c.kind, c.name) == (kind, name)), None)

    def _kind(self, name: str, extra: Mapping[str, str | None]) -> str | None:
        if name in extra:
            return extra[name]
        if name in self.modalities:
            return self.modalities[name].spec.kind
        known = self.catalogue.modalities.get(name)
        return known.kind if known is not None else None

    def _unavailable_plugins(self) -> str | None:
        if not self._unavailable:
            return None
        return f"not in use, see 'anybind plugins list': {', '.join(self._unavailable)}"


def validate_options(
    options: Mapping[str, Any], specs: Mapping[str, OptionSpec], *, owner: str = "this"
) -> dict[str, Any]:
    """Options checked and completed with defaults.

    Args:
        options: What was given.
        specs: What is declared.
        owner: Whose options they are, for the message, e.g. "encoder 'toy-text'".

    Raises:
        UsageError: at least one option is wrong; the message names all of them.
    """
    problems = check_options(options, specs)
    if not problems:
        return fill_defaults(options, specs)
    suggestions = [f"{p.name}: did you mean {p.suggestion!r}?" for p in problems if p.suggestion]
    names = f"option{'s' if len(problems) > 1 else ''} {', '.join(p.name for p in problems)}"
    raise UsageError(
        f"{owner} cannot take the {names}",
        got="; ".join(f"{p.name}: {p.message.removeprefix('got ')}" for p in problems),
        expected="; ".join(f"{p.name}: {p.expected}" for p in problems),
        hint="; ".join(suggestions) or None,
    )


def _options(kind: str, entry: Entry[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return validate_options(options, entry.spec.options, owner=_label(kind, entry))


def _label(kind: str, entry: Entry[Any]) -> str:
    return f"{LABELS[kind]} {entry.spec.name!r}"


def _build(kind: str, entry: Entry[Any], /, *args: Any, **kwargs: Any) -> Any:
    return build(_label(kind, entry), entry.spec.factory, entry.distribution, entry.version, *args, **kwargs)


def _kind_of(spec: AnySpec) -> str:
    return next(kind for kind, spec_type in KINDS.items() if isinstance(spec, spec_type))
