"""Raw inputs from the command line: a text stands for itself, anything else is the path of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anybind.errors import DataError, UsageError

if TYPE_CHECKING:
    from anybind.binder import Binder

STDIN = "-"


def read_arguments(arguments: Sequence[str]) -> list[str]:
    """The inputs; ``-`` stands for the lines of stdin that are not empty.

    Raises:
        UsageError: there are none.
        DataError: stdin is not text.
    """
    inputs = [
        line for argument in arguments for line in (_stdin_lines() if argument == STDIN else [argument])
    ]
    if not inputs:
        raise UsageError("there is nothing to encode", expected="texts, file paths, or - for stdin")
    return inputs


def as_sources(inputs: Sequence[str], binder: Binder, space: str) -> list[str | Path]:
    """What the space's modality should load: the text itself, or the path of the file."""
    info = binder.spaces[space]
    if is_text(info.modality, *filter(None, [info.kind])):
        return list(inputs)
    return [Path(item) for item in inputs]


def is_text(*kinds: str) -> bool:
    """Whether samples of a modality, given with its ever more general kinds, are written language."""
    return "text" in kinds


def _stdin_lines() -> Iterator[str]:
    try:
        for line in sys.stdin.buffer.read().decode("utf-8-sig").splitlines():
            if line.strip():
                yield line
    except UnicodeDecodeError as error:
        raise DataError("stdin is not UTF-8 text", got=error, expected="one input a line") from error
