"""Raw inputs from the command line: a text stands for itself, anything else is the path of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anybind.errors import DataError, UsageError

if TYPE_CHECKING:
    from anybind.artifact import SpaceInfo
    from anybind.registry import Registry

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


def as_sources(inputs: Sequence[str], info: SpaceInfo, registry: Registry) -> list[str | Path]:
    """What the modality of a binder's space should load: the text itself, or the path of the file."""
    known = {} if info.kind is None else {info.modality: info.kind}
    if is_text(registry.kinds_of(info.modality, known)):
        return list(inputs)
    return [Path(item) for item in inputs]


def is_text(kinds: Sequence[str]) -> bool:
    """Whether samples of a modality, given with its ever more general kinds, are written language."""
    return "text" in kinds


def _stdin_lines() -> Iterator[str]:
    try:
        for line in sys.stdin.buffer.read().decode("utf-8-sig").splitlines():
            if line.strip():
                yield line
    except UnicodeDecodeError as error:
        raise DataError("stdin is not UTF-8 text", got=error, expected="one input a line") from error
