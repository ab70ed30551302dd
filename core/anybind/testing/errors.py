"""How a check says that a rule is broken, or that it has nothing to look at."""

from __future__ import annotations

import anybind


class ConformanceError(anybind.AnybindError):
    """A plugin breaks a rule.

    Args:
        check: The name of the check, e.g. ``encoder_shape``.
        subject: What was checked, e.g. ``encoder 'clip'``.
        got: What it did.
        expected: What the rule says.
        hint: What to do about it.
    """

    def __init__(
        self, check: str, subject: object, *, got: object, expected: object, hint: object = None
    ) -> None:
        self.check = check
        self.subject = str(subject)
        super().__init__(f"{subject} fails the check {check}", got=got, expected=expected, hint=hint)


class NotApplicableError(anybind.AnybindError):
    """A check cannot say anything, because of what another check reports."""
