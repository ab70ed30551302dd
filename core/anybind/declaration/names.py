"""Looks names of a graph YAML up among what the file declares and what is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anybind.declaration.models import modality_spaces
from anybind.declaration.reader import Reader, one_of
from anybind.options import check_options, did_you_mean
from anybind.registry import LABELS
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec
from anybind.yaml_loader import YamlPath

if TYPE_CHECKING:
    from anybind.registry import Entry, Registry, S


class Names:
    """The names a file may use. Without a registry, every name of a plugin's thing is taken on trust.

    Attributes:
        kinds: Declared modality -> kind.
        doubtful: Declared modalities whose kind is wrong; what hangs on it is not reported again.
        spaces: Space -> modality; None for one whose modality could not be made out.
    """

    def __init__(self, reader: Reader, registry: Registry | None) -> None:
        self._reader = reader
        self._registry = registry
        self.kinds: dict[str, str | None] = {}
        self.doubtful: set[str] = set()
        self.spaces: dict[str, str | None] = {}

    def encoder(self, path: YamlPath) -> EncoderSpec | None:
        """The spec of the encoder named at ``path``; None when it is not known."""
        entry = self._entry("encoder", path, self._registry.encoders if self._registry else {})
        return None if entry is None else entry.spec

    def dataset(self, path: YamlPath) -> DatasetSpec | None:
        """The spec of the data set named at ``path``; None when it is not known."""
        entry = self._entry("dataset", path, self._registry.datasets if self._registry else {})
        return None if entry is None else entry.spec

    def binder(self, path: YamlPath, default: str | None = None) -> BinderSpec | None:
        """The spec of the binder method named at ``path``, or of the default; None when it is not known."""
        known = self._registry.binders if self._registry else {}
        if default is not None and not self._reader.has(path):
            return known[default].spec if default in known else None
        entry = self._entry("binder", path, known)
        return None if entry is None else entry.spec

    def kind_chain(self, modality: str) -> tuple[str, ...]:
        """``modality`` and the ever more general modalities it is."""
        if self._registry is not None:
            return self._registry.kinds_of(modality, self.kinds)
        chain = [modality]
        while (kind := self.kinds.get(chain[-1])) is not None and kind not in chain:
            chain.append(kind)
        return tuple(chain)

    def is_modality(self, name: str) -> bool:
        """Whether samples of this modality can be loaded, as themselves or as a more general kind."""
        if self._registry is None or name in self.kinds:  # a bad kind is reported where it is declared
            return True
        return any(kind in self._registry.modalities for kind in self.kind_chain(name))

    def check_modality(self, path: YamlPath, name: str, *, key: bool = False) -> bool:
        """Note a problem at ``path`` unless ``name`` is a modality."""
        if self._registry is None or self.is_modality(name):
            return True
        hint = self._registry.explain_missing("modality", name) or did_you_mean(name, self.kinds)
        expected = "an installed modality, or one declared under 'modalities'"
        self._reader.note(path, f"no modality named {name!r} is known", expected, hint, key=key)
        return False

    def installed_modality(self, name: str) -> Entry[ModalitySpec] | None:
        """The modality as a plugin has it; None when none does."""
        return None if self._registry is None else self._registry.modalities.get(name)

    def encoders_for(self, modality: str) -> list[str]:
        """Names of the installed encoders that can read ``modality``."""
        if self._registry is None:
            return []
        chain = self.kind_chain(modality)
        return [name for name, entry in self._registry.encoders.items() if entry.spec.modality in chain]

    def space(self, path: YamlPath) -> str | None:
        """The space named at ``path``, by its own name or by a modality that has just one space."""
        name = self._reader.name(path, "the name of a space")
        if name is None or name in self.spaces:
            return name
        of_modality = modality_spaces(self.spaces)
        candidates = of_modality.get(name, [])
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            message = f"the modality {name!r} is ambiguous: it has {len(candidates)} spaces"
            self._reader.note(path, message, one_of(candidates))
        else:
            known = list(dict.fromkeys([*self.spaces, *of_modality]))
            hint = did_you_mean(name, known)
            self._reader.note(path, f"no space named {name!r}", one_of(known) if known else None, hint)
        return None

    def check_options(
        self,
        path: YamlPath,
        options: Mapping[str, Any],
        specs: Mapping[str, OptionSpec],
        others: Sequence[str] = (),
    ) -> None:
        """Note every problem with the options that stand as keys at ``path``.

        Args:
            path: The mapping they stand in.
            options: The options.
            specs: What is declared.
            others: The keys that may stand beside them, for suggestions.
        """
        for problem in check_options(options, specs):
            here = (*path, problem.name)
            hint = f"did you mean {problem.suggestion!r}?" if problem.suggestion else None
            if problem.name in specs:
                self._reader.note(here, f"{problem.name}: {problem.message}", problem.expected, hint)
                continue
            allowed = [*others, *sorted(specs)]
            hint = did_you_mean(problem.name, allowed)
            if problem.name == "options" and others:
                hint = "write options beside 'use', without 'options:'"
            expected = one_of(allowed) if allowed else "no options"
            self._reader.note(here, f"unknown option {problem.name[:80]!r}", expected, hint, key=True)

    def _entry(self, kind: str, path: YamlPath, known: Mapping[str, Entry[S]]) -> Entry[S] | None:
        name = self._reader.name(path, f"the name of {'an' if kind == 'encoder' else 'a'} {LABELS[kind]}")
        if name is None or self._registry is None:
            return None
        if name not in known:
            hint = self._registry.explain_missing(kind, name) or did_you_mean(name, known)
            expected = one_of(known) if known else None
            self._reader.note(path, f"no {LABELS[kind]} named {name!r} is installed", expected, hint)
        return known.get(name)
