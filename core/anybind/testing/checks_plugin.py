"""Checks of a plugin as a whole. The rules that begin with P."""

from __future__ import annotations

import inspect
import json
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

import anybind
from anybind.testing.errors import ConformanceError
from anybind.testing.requirements import is_bounded_above
from anybind.testing.subjects import PluginSubject

MOVING = ("", "main", "master", "latest", "head", "unknown")
UNPINNED = "unpinned"
_KINDS = {"modality": "modalities", "encoder": "encoders", "dataset": "datasets", "binder": "binders"}
# Arguments that the core itself hands to a factory, beside the options.
_GIVEN: dict[str, set[str]] = {"modality": {"spec"}, "encoder": {"spec"}, "dataset": {"modalities"}, "binder": set()}


def check_entry_point_loads(subject: PluginSubject) -> None:
    """P1: The entry point loads, and its hooks return specs."""
    if subject.plugin.error is not None:
        raise ConformanceError(
            "entry_point_loads", subject, got=subject.plugin.error, expected="a module whose hooks return specs"
        )


def check_import_is_light(subject: PluginSubject) -> None:
    """P2: Importing the plugin and calling its hooks brings in no large library: no torch, numpy, PIL, transformers."""
    heavy = subject.import_report["heavy"]
    if heavy:
        raise ConformanceError(
            "import_is_light", subject, got=", ".join(heavy), expected="hooks that import nothing large",
            hint="name the class by its factory string, and import inside it or in its module",
        )  # fmt: skip


def check_import_is_quiet(subject: PluginSubject) -> None:
    """P3: Importing the plugin and calling its hooks prints nothing and warns of nothing."""
    said = subject.import_report["said"]
    if said:
        raise ConformanceError("import_is_quiet", subject, got=said.strip()[:300], expected="silence")


def check_names_are_owned(subject: PluginSubject) -> None:
    """P4: No other installed plugin has one of its names."""
    own = {(kind, spec.name) for kind, spec in _named(subject.loaded)}
    shared = [str(c) for c in subject.loaded.registry.conflicts if (c.kind, c.name) in own]
    if shared:
        raise ConformanceError(
            "names_are_owned", subject, got="; ".join(shared), expected="names that nobody else has",
            hint="begin names with that of the plugin, or uninstall the other one",
        )  # fmt: skip


def check_factories_resolve(subject: PluginSubject) -> None:
    """P5: Every factory string names something that can be imported and called."""
    faults = []
    for kind, spec in [*_named(subject.loaded), *(("example", spec) for spec in subject.loaded.examples)]:
        try:
            if not callable(subject.loaded.load_factory(spec.factory)):
                faults.append(f"{kind} {spec.name}: {spec.factory} cannot be called")
        except anybind.AnybindError as error:
            faults.append(f"{kind} {spec.name}: {error.got or error.what}")
    if faults:
        raise ConformanceError("factories_resolve", subject, got="; ".join(faults), expected="module:Class")


def check_factories_take_options(subject: PluginSubject) -> None:
    """P6: Every factory takes the declared options by name, with the declared defaults, and no others."""
    faults = []
    for kind, spec in _named(subject.loaded):
        factory = subject.factories.get(spec.factory)
        if factory is not None:
            faults += [f"{kind} {spec.name}: {fault}" for fault in _differences(kind, factory, spec)]
    if faults:
        raise ConformanceError(
            "factories_take_options", subject, got="; ".join(faults),
            expected="parameters and defaults equal to those of the spec's options",
        )  # fmt: skip


def check_specs_survive_json(subject: PluginSubject) -> None:
    """P7: Every spec is the same after a round trip through JSON."""
    changed = []
    for kind, spec in _named(subject.loaded):
        try:
            back: Any = type(spec).model_validate_json(spec.model_dump_json())
        except ValueError as error:
            back = error
        if back != spec:
            changed.append(f"{kind} {spec.name}: {_first_difference(spec, back)}")
    if changed:
        raise ConformanceError(
            "specs_survive_json", subject, got="; ".join(changed), expected="plain values, lists in place of tuples"
        )


def check_licences_are_stated(subject: PluginSubject) -> None:
    """P8: Every encoder and data set states a licence, and 'unknown' is said, not left blank."""
    licensed = [(kind, spec) for kind, spec in _named(subject.loaded) if hasattr(spec, "licence")]
    blank = [f"{kind} {spec.name}" for kind, spec in licensed if not spec.licence.strip()]
    if blank:
        raise ConformanceError(
            "licences_are_stated", subject, got=f"no licence: {', '.join(blank)}", expected="an SPDX expression"
        )


def check_weights_are_pinned(subject: PluginSubject) -> None:
    """P9: Every encoder names its weights and an exact revision of them, not a branch."""
    loose = [
        f"{spec.name}: {spec.weights!r} at {spec.revision!r}" for spec in subject.loaded.encoders
        if not spec.weights.strip() or _is_loose(spec)
    ]  # fmt: skip
    if loose:
        raise ConformanceError(
            "weights_are_pinned", subject, got="; ".join(loose), expected="a commit hash, version or checksum",
            hint=f"where the user must choose: {UNPINNED!r}, and an option named revision without a default",
        )  # fmt: skip


def check_core_is_bounded(subject: PluginSubject) -> None:
    """P10: The distribution requires anybind with an upper bound on its version."""
    plugin = subject.plugin
    if plugin.distribution == "anybind":
        return
    try:
        requirements = requires(plugin.distribution) or []
    except PackageNotFoundError:
        requirements = []
    if not any(is_bounded_above(requirement, "anybind") for requirement in requirements):
        got = "; ".join(requirements) or "no requirements"
        raise ConformanceError(
            "core_is_bounded", subject, got=got, expected="a requirement such as anybind>=0.1,<0.2",
            hint="a later anybind may change what plugins rely on",
        )  # fmt: skip


def check_examples_match(subject: PluginSubject) -> None:
    """P11: Every example is of something that the plugin itself brings."""
    own = {(kind, spec.name) for kind, spec in _named(subject.loaded)}
    stray = [f"{spec.kind} {spec.name}" for spec in subject.loaded.examples if (spec.kind, spec.name) not in own]
    if stray:
        raise ConformanceError(
            "examples_match", subject, got=", ".join(stray), expected="names of this plugin's own specs"
        )


def check_modalities_are_light(subject: PluginSubject) -> None:
    """P12: Making a modality brings in no torch."""
    modalities = [spec for spec in subject.loaded.modalities if spec.factory in subject.factories]
    specs = [json.loads(spec.model_dump_json()) for spec in modalities]
    if not specs:
        return
    heavy = subject.probe("modalities", specs=specs)["torch"]
    if heavy is not None:
        raise ConformanceError(
            "modalities_are_light", subject, got=f"modality {heavy} imports torch", expected="a modality without torch",
            hint="import torch inside the function that needs it",
        )  # fmt: skip


def _is_loose(spec: anybind.EncoderSpec) -> bool:
    """Whether the weights may be others tomorrow, without anybody having chosen that."""
    revision = spec.revision.strip().casefold()
    chosen = "revision" in spec.options and spec.options["revision"].default is None
    return revision in MOVING or (revision == UNPINNED and not chosen)


def _named(plugin: anybind.InstalledPlugin) -> list[tuple[str, Any]]:
    """(kind, spec) of all that the plugin brings."""
    return [(kind, spec) for kind, attribute in _KINDS.items() for spec in getattr(plugin, attribute)]


def _differences(kind: str, factory: Any, spec: Any) -> list[str]:
    """How a factory's parameters differ from the declared options; a method may also keep what it has fitted."""
    declared: dict[str, anybind.OptionSpec] = getattr(spec, "options", {})
    given = _GIVEN[kind]
    parameters = inspect.signature(factory).parameters
    missing = sorted(given - set(parameters))
    taken = {name: parameter for name, parameter in parameters.items() if name not in given}
    faults = [f"does not take {name}" for name in [*missing, *sorted(set(declared) - set(taken))]]
    if kind != "binder":
        faults += [f"takes {name}, which is not declared" for name in sorted(set(taken) - set(declared))]
    for name in sorted(set(taken) & set(declared)):
        option, default = declared[name], taken[name].default
        if not option.required and _plain(default) != _plain(option.default):
            faults.append(f"{name} is {_shown(default)} by default, declared {option.default!r}")
    return faults


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(default: Any) -> str:
    return "required" if default is inspect.Parameter.empty else repr(default)


def _first_difference(spec: Any, back: Any) -> str:
    if isinstance(back, Exception):
        return str(back).replace("\n", " ")[:200]
    return next((name for name in type(spec).model_fields if getattr(spec, name) != getattr(back, name)), "its type")
