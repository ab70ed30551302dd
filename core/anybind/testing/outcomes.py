"""Run the checks of a plugin without pytest, and say what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import anybind
from anybind.testing.cases import Case, iter_checks
from anybind.testing.errors import ConformanceError, NotApplicableError

Status = Literal["passed", "failed", "xfail", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What became of one check.

    Attributes:
        subject: Kind and name of what was checked, e.g. ``encoder/clip``.
        check: The check's name.
        status: "passed", "failed", "xfail" (an expected failure) or "skipped".
        reason: Why it is not "passed"; empty otherwise.
    """

    subject: str
    check: str
    status: Status
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return asdict(self)


def run_checks(
    plugin: str | anybind.InstalledPlugin, *, expected_failures: Mapping[str, str] | None = None
) -> Iterator[Outcome]:
    """Run all checks of a plugin, one after the other.

    Args:
        plugin: An installed plugin, or the name of its entry point or distribution.
        expected_failures: Name of a check, or ``kind/name/check``, -> why it fails. One that passes all the same is
            a failure.

    Raises:
        UnknownNameError: no such plugin is installed.
        PluginError: it offers nothing.
        UsageError: an expected failure names no check of this plugin.
    """
    cases = list(iter_checks(plugin))
    reasons = expected_reasons(cases, expected_failures or {})
    for case in cases:
        yield _outcome(case, reasons.get(case.id))


def expected_reasons(cases: list[Case], expected_failures: Mapping[str, str]) -> dict[str, str]:
    """Id of a case -> why it is expected to fail.

    Raises:
        UsageError: a name is no check of these cases: an exemption that exempts nothing is a mistake.
    """
    known = {name for case in cases for name in (case.name, case.id)}
    unknown = sorted(set(expected_failures) - known)
    if unknown:
        raise anybind.UsageError(
            "an expected failure names no check of this plugin", got=", ".join(unknown),
            expected=f"some of {', '.join(sorted({case.name for case in cases}))}, or an id kind/name/check",
        )  # fmt: skip
    reasons = {}
    for case in cases:
        reason = expected_failures.get(case.id, expected_failures.get(case.name))
        if reason is not None:
            reasons[case.id] = reason
    return reasons


def _outcome(case: Case, expected: str | None) -> Outcome:
    subject = f"{case.subject.kind}/{case.subject.name}"
    try:
        case.run()
    except NotApplicableError as error:
        return Outcome(subject, case.name, "skipped", error.what)
    except ConformanceError as error:
        if expected is not None:
            return Outcome(subject, case.name, "xfail", expected)
        return Outcome(subject, case.name, "failed", str(error))
    if expected is not None:
        return Outcome(subject, case.name, "failed", f"it was expected to fail, but passes: {expected}")
    return Outcome(subject, case.name, "passed")
