"""The kit's face to pytest: one parametrised test, made in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anybind.testing.cases import Case, iter_checks
from anybind.testing.errors import NotApplicableError
from anybind.testing.outcomes import expected_reasons


def conformance(name: str, *, expected_failures: Mapping[str, str] | None = None) -> Callable[..., None]:
    """A test function that holds a plugin to its contract, one case a check.

    Args:
        name: The plugin's entry point, or its distribution.
        expected_failures: Name of a check, or ``kind/name/check``, -> why it fails, best with a link. The test fails
            when such a check passes: the exemption is then stale.

    Returns:
        The test; give it a name that begins with ``test_``.

    Raises:
        UnknownNameError: no such plugin is installed.
        PluginError: it offers nothing.
        UsageError: an expected failure names no check of this plugin.
    """
    import pytest

    cases = list(iter_checks(name))
    reasons = expected_reasons(cases, expected_failures or {})

    def parameter(case: Case) -> Any:
        expected = reasons.get(case.id)
        marks = () if expected is None else (pytest.mark.xfail(reason=expected, strict=True),)
        return pytest.param(case, id=case.id, marks=marks)

    @pytest.mark.parametrize("case", [parameter(case) for case in cases])
    def test_conformance(case: Case) -> None:
        try:
            case.run()
        except NotApplicableError as error:
            pytest.skip(error.what)

    return test_conformance
