"""One installed plugin: what it brings, and how to build that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from anybind.factories import build, load
from anybind.registry import Registry, validate_options
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ExampleSpec, ModalitySpec, Spec

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin as discovery found it.

    Attributes:
        name: The entry point's name.
        distribution: The distribution it comes from.
        version: That distribution's version.
        entry_point: What the entry point names, ``"module"`` or ``"module:object"``.
        error: Why it could not be loaded, on one line; None when it could.
        specs: Everything its hooks returned, examples too; empty when it could not be loaded.
        registry: All that is installed beside it.
    """

    name: str
    distribution: str
    version: str
    entry_point: str
    error: str | None
    specs: tuple[Spec, ...]
    registry: Registry = field(repr=False)

    @cached_property
    def modalities(self) -> tuple[ModalitySpec, ...]:
        """The modalities it adds; ``encoders``, ``datasets``, ``binders`` and ``examples`` likewise."""
        return self._of_type(ModalitySpec)

    @cached_property
    def encoders(self) -> tuple[EncoderSpec, ...]:
        """The encoders it adds."""
        return self._of_type(EncoderSpec)

    @cached_property
    def datasets(self) -> tuple[DatasetSpec, ...]:
        """The data sets it adds."""
        return self._of_type(DatasetSpec)

    @cached_property
    def binders(self) -> tuple[BinderSpec, ...]:
        """The binder methods it adds."""
        return self._of_type(BinderSpec)

    @cached_property
    def examples(self) -> tuple[ExampleSpec, ...]:
        """The examples of what it adds."""
        return self._of_type(ExampleSpec)

    def load_factory(self, factory: str) -> Any:
        """What ``"module:name"`` of this plugin names.

        Raises:
            PluginError: it cannot be imported.
        """
        return load(f"factory {factory}", factory, self.distribution, self.version)

    def build_modality(self, spec: ModalitySpec) -> Any:
        """Make a modality of this plugin; raises PluginError when its factory fails."""
        return self._build(f"modality {spec.name!r}", spec.factory, spec)

    def build_encoder(self, spec: EncoderSpec, options: Mapping[str, Any]) -> Any:
        """Load an encoder of this plugin; ``spec`` may differ from the registered one, in ``dim`` for example.

        Raises:
            UsageError: an option that it does not have or take.
            PluginError: its factory fails.
        """
        label = f"encoder {spec.name!r}"
        return self._build(label, spec.factory, spec, **validate_options(options, spec.options, owner=label))

    def build_dataset(
        self, spec: DatasetSpec, options: Mapping[str, Any], modalities: Sequence[str] | None = None
    ) -> Any:
        """Open a data set of this plugin, with some of its modalities or all; raises as ``build_encoder`` does."""
        label = f"data set {spec.name!r}"
        checked = validate_options(options, spec.options, owner=label)
        wanted = None if modalities is None else tuple(modalities)
        return self._build(label, spec.factory, **checked, modalities=wanted)

    def _build(self, label: str, factory: str, *args: Any, **options: Any) -> Any:
        return build(label, factory, self.distribution, self.version, *args, **options)

    def _of_type(self, spec_type: type[S]) -> tuple[S, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, spec_type))
