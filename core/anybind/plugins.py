"""Discovery of plugins: guarded, sorted, and without silent winners.

A plugin is an entry point in the group ``anybind``. Each is loaded and asked for its specs on its own; one
that fails in any way contributes nothing, is reported by name, distribution, version and error, and stops
nothing else. Two environment variables steer it: ``ANYBIND_DISABLE_PLUGINS=a,b`` leaves out plugins by
distribution or entry-point name; ``ANYBIND_PLUGINS_STRICT=1`` turns every report into an exception.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Literal

import pluggy
from pydantic import ValidationError

from anybind import hookspecs
from anybind.builtin import plugin as builtin_plugin
from anybind.catalogue import FILES_VARIABLE
from anybind.errors import DuplicateNameError, PluginError, UnknownNameError, UsageError
from anybind.hookspecs import HOOK_API, PROJECT_NAME
from anybind.installed_plugin import InstalledPlugin
from anybind.options import closest_name, did_you_mean
from anybind.registering import OWNER, REGISTERED, VERSION
from anybind.registry import Entry, Registry
from anybind.specs import AnySpec, BinderSpec, DatasetSpec, EncoderSpec, ExampleSpec, ModalitySpec
from anybind.version import UNKNOWN_VERSION, installed_version

GROUP = "anybind"
DISABLE_VARIABLE = "ANYBIND_DISABLE_PLUGINS"
STRICT_VARIABLE = "ANYBIND_PLUGINS_STRICT"

_MAX_ERROR = 600

_AnySpec = AnySpec | ExampleSpec
_EXAMPLES = "anybind_examples"  # for the conformance kit alone: nothing in it can be used
# hook -> (what it provides, the type of its specs)
_HOOKS: dict[str, tuple[str, type[_AnySpec]]] = {
    "anybind_modalities": ("modalities", ModalitySpec),
    "anybind_encoders": ("encoders", EncoderSpec),
    "anybind_datasets": ("datasets", DatasetSpec),
    "anybind_binders": ("binders", BinderSpec),
    _EXAMPLES: ("examples", ExampleSpec),
}
# Names that an option cannot have: the core hands arguments of these names to factories itself.
_RESERVED_OPTIONS = {"self", "spec", "modalities"}


@dataclass(frozen=True)
class PluginStatus:
    """What became of one plugin.

    Attributes:
        name: The entry point's name.
        distribution: The distribution it comes from.
        version: That distribution's version.
        status: "ok", "failed" (see ``error``) or "disabled".
        error: Why it failed, on one line; None otherwise.
        provides: "modalities" | "encoders" | "datasets" | "binders" -> sorted names; only what is in use.
    """

    name: str
    distribution: str
    version: str
    status: Literal["ok", "failed", "disabled"]
    error: str | None = None
    provides: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The status as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Candidate:
    """A plugin before it is loaded."""

    name: str
    distribution: str
    version: str
    load: Callable[[], object]
    entry_point: str = ""

    @property
    def label(self) -> str:
        return f"{self.distribution} {self.version}, entry point {self.name!r}"

    @property
    def names(self) -> set[str]:
        """What it may be called."""
        return {_normalised(self.name), _normalised(self.distribution)}


_Outcome = tuple[_Candidate, PluginStatus, list[_AnySpec]]


def discover(
    *,
    entry_points: Iterable[EntryPoint] | None = None,
    disabled: frozenset[str] | None = None,
    load_external: bool = True,
) -> tuple[Registry, list[PluginStatus]]:
    """Find and load all plugins.

    Args:
        entry_points: Use these instead of the installed ones.
        disabled: Distribution or entry-point names to leave out; None reads ANYBIND_DISABLE_PLUGINS.
        load_external: False leaves out all but the built-in plugin; they are listed as disabled.

    Returns:
        The registry of what is usable, and the status of every plugin: the built-in one first, then by
        distribution and entry-point name, whatever the order of installation.

    Raises:
        PluginError, DuplicateNameError: only under ANYBIND_PLUGINS_STRICT=1.
    """
    registry, outcomes = _discover(entry_points, disabled, load_external)
    return registry, [status for _, status, _ in outcomes]


def find_plugin(name: str, *, load_external: bool = True) -> InstalledPlugin:
    """The installed plugin whose entry point or distribution has this name.

    Args:
        name: An entry point's name, or that of a distribution with a single one; ``builtin`` is the core's own.
        load_external: False loads no plugin but the built-in one.

    Raises:
        UnknownNameError: there is none; the hint names the closest.
        UsageError: several go by this name.
        PluginError: it is disabled.
    """
    registry, outcomes = _discover(None, None, load_external)
    found = [outcome for outcome in outcomes if _normalised(name) in outcome[0].names]
    if not found:
        known = [candidate.name for candidate, _, _ in outcomes]
        near = [known_name for candidate, _, _ in outcomes for known_name in (candidate.name, candidate.distribution)]
        raise UnknownNameError(
            f"no plugin named {name!r} is installed", got=name, expected=f"one of {', '.join(known)}",
            hint=did_you_mean(name, near),
        )  # fmt: skip
    if len(found) > 1:
        labels = "; ".join(candidate.label for candidate, _, _ in found)
        raise UsageError(f"several plugins go by the name {name!r}", got=labels, expected="the name of one entry point")
    ((candidate, status, specs),) = found
    if status.status == "disabled":
        raise PluginError(f"the plugin {name!r} is disabled", hint=f"see {DISABLE_VARIABLE} and --no-plugins")
    return InstalledPlugin(
        candidate.name, candidate.distribution, candidate.version, candidate.entry_point, status.error, tuple(specs),
        registry,
    )  # fmt: skip


def _discover(
    entry_points: Iterable[EntryPoint] | None, disabled: frozenset[str] | None, load_external: bool
) -> tuple[Registry, list[_Outcome]]:
    left_out = {_normalised(name) for name in (_disabled_by_environment() if disabled is None else disabled)}
    builtin = _Candidate(
        "builtin", PROJECT_NAME, installed_version(), lambda: builtin_plugin, builtin_plugin.__name__
    )
    outcomes = [_load(builtin)]
    if REGISTERED:
        outcomes.append(_load(_Candidate("registered", OWNER, VERSION, lambda: REGISTERED, REGISTERED.__module__)))
    for candidate in _candidates(entry_points):
        if not load_external or left_out & candidate.names:
            outcomes.append((candidate, _status(candidate, "disabled"), []))
        else:
            outcomes.append(_load(candidate))
    entries = [
        Entry(spec, candidate.distribution, candidate.version)
        for candidate, _, specs in outcomes for spec in specs if not isinstance(spec, ExampleSpec)
    ]  # fmt: skip
    registry = Registry(entries, unavailable=_unavailable([status for _, status, _ in outcomes]))
    if registry.conflicts and _strict():
        raise DuplicateNameError(str(registry.conflicts[0]), hint=registry.conflicts[0].hint)
    return registry, outcomes


def installed_registry() -> Registry:
    """The registry of what is installed, found once for each search path and setting of the environment."""
    state = (REGISTERED.changes, os.environ.get(FILES_VARIABLE))
    return _registry_for(_disabled_by_environment(), _strict(), tuple(sys.path), state)


@cache
def _registry_for(disabled: frozenset[str], strict: bool, path: tuple[str, ...], state: tuple[object, ...]) -> Registry:
    return discover(disabled=disabled)[0]


def _candidates(entry_points: Iterable[EntryPoint] | None) -> list[_Candidate]:
    found = _installed() if entry_points is None else map(_candidate, entry_points)
    return sorted(found, key=lambda candidate: (_normalised(candidate.distribution), candidate.name))


def _installed() -> Iterator[_Candidate]:
    """The installed candidates.

    A distribution that is on the path twice (an editable install, stale metadata) counts once: the first,
    which is the one that an import finds.
    """
    seen = set()
    for distribution in distributions():
        try:
            # Reading the text first leaves every other package's entry points unparsed, broken ones too.
            if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = _normalised(_provenance(distribution)[0])
            if name in seen:
                continue
            seen.add(name)
            yield from map(_candidate, distribution.entry_points.select(group=GROUP))
        except Exception as error:  # the file itself is damaged
            yield _Candidate("entry_points.txt", *_provenance(distribution), load=_raiser(error))


def _candidate(entry_point: EntryPoint) -> _Candidate:
    return _Candidate(entry_point.name, *_provenance(entry_point.dist), entry_point.load, entry_point.value)


def _provenance(distribution: Distribution | None) -> tuple[str, str]:
    try:
        metadata: Any = distribution.metadata if distribution is not None else {}
    except Exception:  # damaged metadata must not hide the plugin
        metadata = {}
    return metadata.get("Name") or "unknown distribution", metadata.get("Version") or UNKNOWN_VERSION


def _raiser(error: Exception) -> Callable[[], object]:
    def load() -> object:
        raise error

    return load


def _load(candidate: _Candidate) -> _Outcome:
    """Load one plugin and take its specs: all of them, or none and a report."""
    try:
        with redirect_stdout(sys.stderr):  # stdout belongs to --json
            specs = _ask(candidate.load(), candidate.label)
    except (Exception, SystemExit) as error:
        if _strict():
            raise PluginError(f"a plugin failed: {candidate.label}", got=_one_line(error)) from error
        return candidate, _status(candidate, "failed", error=_one_line(error)), []
    provides = {
        _HOOKS[hook][0]: sorted(spec.name for spec in found) for hook, found in specs.items() if hook != _EXAMPLES
    }
    everything = [spec for found in specs.values() for spec in found]
    return candidate, _status(candidate, "ok", provides=provides), everything


def _ask(plugin: Any, label: str) -> dict[str, list[_AnySpec]]:
    """The specs of one plugin by hook; its own manager keeps its faults to itself."""
    api = getattr(plugin, "ANYBIND_HOOK_API", HOOK_API)
    if api != HOOK_API:
        raise PluginError(f"written for hook API {api}, but this anybind has hook API {HOOK_API}")
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=label)
    implemented = [caller.name for caller in manager.get_hookcallers(plugin) or []]
    for name in implemented:
        if name not in _HOOKS and not all(impl.optionalhook for impl in _implementations(manager, name)):
            raise PluginError(f"implements an unknown hook {name!r}{_did_you_mean(name)}")
    for name in _HOOKS:
        if name not in implemented and callable(getattr(plugin, name, None)):
            raise PluginError(f"{name} is not marked with @anybind.hookimpl")
    if not implemented:
        raise PluginError(f"implements no hook; expected at least one of {', '.join(_HOOKS)}")
    specs = {name: _specs_of(manager, name) for name in _HOOKS if name in implemented}
    return {name: found for name, found in specs.items() if found}


def _implementations(manager: pluggy.PluginManager, hook: str) -> list[pluggy.HookImpl]:
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    return caller.get_hookimpls()


def _specs_of(manager: pluggy.PluginManager, hook: str) -> list[_AnySpec]:
    """Call one hook and check what it returns. Called by hand: pluggy would drop a None without a word."""
    spec_type = _HOOKS[hook][1]
    specs: list[_AnySpec] = []
    for implementation in _implementations(manager, hook):
        returned = implementation.function()
        if not isinstance(returned, list | tuple):
            raise PluginError(f"{hook} returned {_kind(returned)}, not a list of {spec_type.__name__}")
        specs += [_checked(hook, index, spec, spec_type) for index, spec in enumerate(returned)]
    names = [f"{spec.kind} {spec.name}" if isinstance(spec, ExampleSpec) else spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"{hook} gives the name {', '.join(twice)} twice")
    return specs


def _checked(hook: str, index: int, spec: object, spec_type: type[_AnySpec]) -> _AnySpec:
    if not isinstance(spec, spec_type):
        raise PluginError(f"{hook}[{index}] is {_kind(spec)}, not {spec_type.__name__}")
    spec = spec_type.model_validate(dict(spec))  # model_construct() makes specs that were never checked
    for option in getattr(spec, "options", {}):
        if not option.isidentifier() or option in _RESERVED_OPTIONS:
            raise PluginError(f"{hook}[{index}] ({spec.name}): an option cannot be named {option!r}")
    return spec


def _status(candidate: _Candidate, status: Literal["ok", "failed", "disabled"], **more: Any) -> PluginStatus:
    return PluginStatus(candidate.name, candidate.distribution, candidate.version, status, **more)


def _unavailable(statuses: Sequence[PluginStatus]) -> dict[str, str]:
    reasons = {"failed": "it failed to load: {}", "disabled": "it is disabled"}
    return {s.distribution: reasons[s.status].format(s.error) for s in statuses if s.status in reasons}


def _disabled_by_environment() -> frozenset[str]:
    names = os.environ.get(DISABLE_VARIABLE, "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def _strict() -> bool:
    return os.environ.get(STRICT_VARIABLE, "") not in ("", "0")


def _did_you_mean(name: str) -> str:
    near = closest_name(name, _HOOKS)
    return f"; did you mean {near!r}?" if near else f"; the hooks are {', '.join(_HOOKS)}"


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _one_line(error: BaseException) -> str:
    text = error.what if isinstance(error, PluginError) else _described(error)
    return text if len(text) <= _MAX_ERROR else f"{text[:_MAX_ERROR]}…"


def _described(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return f"invalid {error.title}: {'; '.join(problems)}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).casefold()
