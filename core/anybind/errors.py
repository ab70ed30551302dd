"""The exception tree. Every error says what happened, where, what was got, what was expected, and what to do.

The fields are attributes, so that a program (and a test) can read them; ``str(error)`` renders all of
them for people. ``exit_code`` is what the command line returns for the error.
"""

from __future__ import annotations

from typing import Any

_MAX_FIELD = 600


def _bounded(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MAX_FIELD else f"{text[:_MAX_FIELD]}… ({len(text)} characters)"


class AnybindError(Exception):
    """Base of every error that anybind raises on purpose.

    Args:
        what: One sentence: what went wrong.
        where: The place: ``file:line:col``, a data set, a space, a row, a shard.
        got: What was found there.
        expected: What would have been right.
        hint: What to do next, for example a command to run.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        expected: object = None,
        hint: object = None,
    ) -> None:
        self.what = what
        self.where = where
        self.got = got
        self.expected = expected
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        for label in ("where", "got", "expected", "hint"):
            value = getattr(self, label)
            if value is not None:
                lines.append(f"  {label + ':':<10}{_bounded(value)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The error as plain JSON values, for ``--json``."""
        fields = {name: getattr(self, name) for name in ("what", "where", "got", "expected", "hint")}
        shown = {name: _bounded(value) for name, value in fields.items() if value is not None}
        return {"type": type(self).__name__, **shown}


class UsageError(AnybindError):
    """A command or function was called with arguments that do not go together."""

    exit_code = 2


class DeclarationError(AnybindError):
    """A graph YAML is wrong. ``problems`` holds every problem found, in file order."""

    exit_code = 3

    def __init__(self, what: str, *, problems: tuple[Any, ...] = (), **fields: Any) -> None:
        self.problems = problems
        super().__init__(what, **fields)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(str(problem) for problem in self.problems)])

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "problems": [str(problem) for problem in self.problems]}


class UnknownNameError(AnybindError):
    """A modality, encoder, data set, binder or space name that nothing provides."""

    exit_code = 3


class DuplicateNameError(AnybindError):
    """Two distributions own one name; neither wins silently."""


class PluginError(AnybindError):
    """A plugin cannot be loaded, or what it registered cannot be built."""


class NoPathError(AnybindError):
    """No pivot path joins two spaces. ``plan`` holds the reason and the cheapest missing edges."""

    exit_code = 3

    def __init__(self, what: str, *, plan: Any = None, **fields: Any) -> None:
        self.plan = plan
        super().__init__(what, **fields)


class DataError(AnybindError):
    """Input data is wrong: NaN, empty, unpaired, duplicate ids, unreadable samples."""


class ShapeError(DataError):
    """An array has the wrong number of dimensions, rows or columns."""


class StoreError(AnybindError):
    """The embedding store cannot be read or written."""


class DamagedShardError(StoreError):
    """A shard's content does not match its checksum, rows or settings."""


class MemoryLimitError(AnybindError):
    """An operation would need more memory than the limit allows; the message holds the estimate."""


class SelectionError(AnybindError):
    """A choice (rank, shrinkage, method) cannot be made honestly from the data at hand."""


class EvaluationError(AnybindError):
    """A metric cannot be computed from what was given."""


class HubError(AnybindError):
    """The Hugging Face Hub refused, could not be reached, or gave something damaged."""


class ArtifactError(AnybindError):
    """A saved binder is missing files, damaged, or in a format this version cannot read."""
