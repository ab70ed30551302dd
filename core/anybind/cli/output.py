"""What a command says: its result on stdout, as text or as one JSON object; notes on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from anybind.progress import EpochCallback, ProgressCallback

SCHEMA_VERSION = 1


class Output:
    """Where one command puts its result and its notes.

    Args:
        as_json: The result is one JSON object, and nothing else comes on stdout.
        quiet: No notes and no progress.

    The stream is taken when the command begins, so that what others print to ``sys.stdout`` while it runs can
    be sent elsewhere.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stream = sys.stdout

    @property
    def progress(self) -> ProgressCallback | None:
        """What extraction should report to: nothing when quiet, else its own bar (on a terminal only)."""
        return _ignore if self.quiet else None

    @property
    def epoch_progress(self) -> EpochCallback | None:
        """As ``progress``, for the epochs of a training."""
        return _ignore if self.quiet else None

    def result(self, fields: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print the result: ``fields`` under --json, ``lines`` otherwise."""
        if self.as_json:
            lines = [json_text(fields, self._stream)]
        for line in lines:
            click.echo(line, file=self._stream)

    def note(self, text: str) -> None:
        """Tell a person at a terminal what is going on; nobody else."""
        if not self.quiet and sys.stderr.isatty():
            click.echo(text, file=sys.stderr)


def json_text(fields: Mapping[str, Any], stream: TextIO) -> str:
    """One JSON object with the schema's version, in letters that ``stream`` can carry.

    Numbers that JSON cannot hold (NaN, infinities) become null.
    """
    content = {"schema_version": SCHEMA_VERSION, **plain(fields)}
    unicode = (stream.encoding or "ascii").lower().replace("-", "") == "utf8"
    return json.dumps(content, ensure_ascii=not unicode, allow_nan=False, indent=2)


def plain(value: Any) -> Any:
    """``value`` as plain JSON values: paths as text, tuples as lists, keys as text, NaN as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """``text`` in a colour where ``stream`` is a terminal and NO_COLOR (no-color.org) is not set."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if wanted else text


def _ignore(_: Any) -> None:
    """Report progress to nobody."""
