"""The modality ``text``: written language, as a Python string."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from anybind.errors import DataError
from anybind.specs import ModalitySpec

MAX_BYTES = 16 * 2**20
_PREVIEW_CHARACTERS = 280


class Text:
    """Reads text. A ``str`` is the text itself, a ``Path`` a UTF-8 file, ``bytes`` are UTF-8."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> str:
        """The text of ``source``.

        Raises:
            DataError: another type, a file that is missing or larger than 16 MiB, or not UTF-8.
        """
        if isinstance(source, str):
            return source
        where = source if isinstance(source, Path) else None
        if not isinstance(source, bytes | Path):
            raise DataError("text cannot be read", got=type(source).__name__, expected="str, Path or bytes")
        try:
            return (source if isinstance(source, bytes) else _content(source)).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            hint = (
                "a path is read as a file; in a manifest, text_columns names columns that hold text"
                if where
                else None
            )
            raise DataError(
                "text cannot be read", where=where, got=error, expected="UTF-8", hint=hint
            ) from error

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a string with something to read that UTF-8 can hold."""
        if not isinstance(sample, str):
            raise DataError("a text is not a string", got=type(sample).__name__, expected="str")
        if not sample.strip():
            raise DataError(
                "a text is empty", got=repr(sample[:20]), expected="at least one visible character"
            )
        try:
            sample.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                "a text holds half a character", got=error, expected="text that UTF-8 can hold"
            ) from error

    def preview(self, sample: str) -> str:
        """The first 280 characters, escaped."""
        shown = sample if len(sample) <= _PREVIEW_CHARACTERS else sample[:_PREVIEW_CHARACTERS] + "…"
        return f'<span dir="auto">{html.escape(shown)}</span>'


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    return content
