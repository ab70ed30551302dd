"""The checks of one plugin, each bound to what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import anybind
from anybind.testing import checks_dataset, checks_encoder, checks_modality, checks_plugin
from anybind.testing.errors import ConformanceError, NotApplicableError
from anybind.testing.parts import DatasetSubject, EncoderSubject, ModalitySubject
from anybind.testing.subjects import PluginSubject, Subject

Check = Callable[[Any], None]


def _checks(module: ModuleType) -> tuple[Check, ...]:
    """The checks of a module, in the order in which they stand there."""
    return tuple(value for name, value in vars(module).items() if name.startswith("check_"))


# kind of subject -> its checks
CHECKS: Mapping[str, tuple[Check, ...]] = {
    "plugin": _checks(checks_plugin),
    "modality": _checks(checks_modality),
    "encoder": _checks(checks_encoder),
    "dataset": _checks(checks_dataset),
}


@dataclass(frozen=True)
class Case:
    """One check of one subject.

    Attributes:
        check: The function that checks.
        subject: What it looks at.
    """

    check: Check
    subject: Subject

    @property
    def name(self) -> str:
        """The check's name, e.g. ``encoder_shape``."""
        return self.check.__name__.removeprefix("check_")

    @property
    def id(self) -> str:
        """``kind/name/check``: the same in every process and on every machine."""
        return f"{self.subject.kind}/{self.subject.name}/{self.name}"

    @property
    def rule(self) -> str:
        """What the check holds a plugin to, with its number in docs/contract.md."""
        return (self.check.__doc__ or "").partition("\n")[0]

    def run(self) -> None:
        """Check.

        Raises:
            ConformanceError: the rule is broken.
            NotApplicableError: there is nothing to look at, for a reason that another check reports.
        """
        try:
            with self.subject.guard():
                self.check(self.subject)
        except (ConformanceError, NotApplicableError):
            raise
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            raise ConformanceError(self.name, self.subject, got=got, expected=self.rule) from error


def iter_checks(plugin: str | anybind.InstalledPlugin) -> Iterator[Case]:
    """The checks of a plugin.

    Args:
        plugin: An installed plugin, or the name of its entry point or distribution.

    Raises:
        UnknownNameError: no such plugin is installed.
        PluginError: it offers nothing. An empty suite is not a pass.
    """
    found = anybind.find_plugin(plugin) if isinstance(plugin, str) else plugin
    if found.error is None and not found.specs:
        raise anybind.PluginError(
            f"the plugin {found.name!r} offers nothing", expected="at least one modality, encoder, data set or method"
        )
    for subject in _subjects(found):
        for check in CHECKS[subject.kind]:
            yield Case(check, subject)


def _subjects(plugin: anybind.InstalledPlugin) -> Iterator[Subject]:
    yield PluginSubject(plugin, plugin.name)
    yield from (ModalitySubject(plugin, spec) for spec in plugin.modalities if not _is_its_kind(plugin, spec))
    yield from (EncoderSubject(plugin, spec) for spec in plugin.encoders)
    yield from (DatasetSubject(plugin, spec) for spec in plugin.datasets)


def _is_its_kind(plugin: anybind.InstalledPlugin, spec: anybind.ModalitySpec) -> bool:
    """Whether a modality is another one's class under a name of its own: it is checked there."""
    kind = plugin.registry.modalities.get(spec.kind or "")
    return kind is not None and kind.spec.factory == spec.factory
