"""A strict YAML loader: plain data only, no surprises, and the place of every key and value.

What it refuses, with file, line and column: aliases, anchors, tags, directives, a second document, a
duplicate key, a key that is not a text, numbers JSON cannot hold, and files that are too big, too deep
or not UTF-8. What it reads: mappings, lists, texts, decimal numbers, ``true``/``false`` and ``null`` as
in the core schema of YAML 1.2. So ``on``, ``no``, ``012``, ``12:30`` and ``2024-01-01`` stay texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anybind.errors import DeclarationError

MAX_BYTES = 2**20
MAX_DEPTH = 40
MAX_NODES = 100_000
MAX_SHOWN = 50  # problems in one report

YamlPath = tuple[str | int, ...]
Position = tuple[int, int]

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file. Lines and columns count from 1, columns in characters."""

    file: str
    line: int
    col: int
    message: str
    expected: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        extra = [f"expected {self.expected}"] if self.expected else []
        extra += [self.hint] if self.hint else []
        return f"{self.file}:{self.line}:{self.col}: {self.message}" + (
            f" ({'; '.join(extra)})" if extra else ""
        )


@dataclass(frozen=True)
class Document:
    """A YAML file as plain data, with the place of every key and value.

    Attributes:
        filename: What to call the file in messages.
        text: The source.
        data: The top-level mapping.
        problems: What is wrong although the data could be read; empty from ``load_yaml``.
    """

    filename: str
    text: str
    data: dict[str, Any]
    problems: tuple[Problem, ...]
    _values: Mapping[YamlPath, Position]
    _keys: Mapping[YamlPath, Position]

    def position(self, path: YamlPath, key: bool = False) -> Position:
        """Line and column, from 1, of the value at ``path``, or of its key.

        A path that is not in the file has the place of the nearest mapping or list around it.
        """
        while path and path not in self._values:
            path = path[:-1]
        return self._keys.get(path, self._values[path]) if key else self._values[path]


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file of at most 1 MiB.

    Raises:
        DeclarationError: there is no such file, or it cannot be read, is too big or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DeclarationError(
            "cannot read the file", where=path, got=reason, expected="a YAML file"
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        if len(content) <= MAX_BYTES:  # else the cut may have split a character
            message = f"the byte 0x{content[error.start]:02X} is not UTF-8 text"
            problem = Problem(str(path), *_place(before, len(before)), message, hint="save the file as UTF-8")
            raise report(str(path), [problem]) from error
        text = before
    if len(content) > MAX_BYTES:
        raise report(
            str(path), [Problem(str(path), 1, 1, "the file is too big", f"at most {MAX_BYTES:,} bytes")]
        )
    return text


def load_yaml(text: str, filename: str) -> Document:
    """Read a YAML text whose top level is a mapping.

    Args:
        text: The source.
        filename: What to call it in messages.

    Raises:
        DeclarationError: the text breaks a rule of the module; ``problems`` holds all of them.
    """
    document = read_document(text, filename)
    if document.problems:
        raise report(filename, document.problems)
    return document


def read_document(text: str, filename: str) -> Document:
    """As ``load_yaml``, but what leaves the data readable is kept in ``Document.problems``.

    A caller with checks of its own can so put everything into one report.

    Raises:
        DeclarationError: the text cannot be read to its end, or is not a mapping.
    """
    return _Builder(text.removeprefix("\ufeff"), filename).document()


def report(filename: str, problems: tuple[Problem, ...] | list[Problem]) -> DeclarationError:
    """One error holding all problems, in file order; the text shows the first 50."""
    ordered = tuple(sorted(problems, key=lambda problem: (problem.line, problem.col)))
    count = f"{len(ordered)} problem{'' if len(ordered) == 1 else 's'}"
    more = f"the first {MAX_SHOWN} are shown" if len(ordered) > MAX_SHOWN else None
    return DeclarationError(f"{filename}: {count}", problems=ordered[:MAX_SHOWN], hint=more)


class _Builder:
    """Builds data from PyYAML's events, so that limits hold before anything big is built."""

    def __init__(self, text: str, filename: str) -> None:
        self._text = text
        self._filename = filename
        self._problems: list[Problem] = []
        self._values: dict[YamlPath, Position] = {}
        self._keys: dict[YamlPath, Position] = {}
        self._nodes = 0
        self._depth = 0
        self._events = self._parse()

    def document(self) -> Document:
        self._refuse_unreadable()
        next(self._events)  # the start of the stream
        event = next(self._events)
        if isinstance(event, yaml.DocumentStartEvent):
            if event.version or event.tags:
                self._note(
                    event, "YAML directives are not allowed", hint="leave out the line that begins with %"
                )
            event = next(self._events)
        if not isinstance(event, yaml.MappingStartEvent):
            if isinstance(event, yaml.StreamEndEvent) or getattr(event, "value", None) == "":
                raise self._fatal(1, 1, "the file is empty", "lines such as 'version: 1'")
            raise self._fatal(*_mark(event), "the top level is not a mapping", "lines such as 'version: 1'")
        data = self._mapping(event, ())
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._fatal(*_mark(event), "a second document begins here", "one document a file")
        return Document(self._filename, self._text, data, tuple(self._problems), self._values, self._keys)

    def _refuse_unreadable(self) -> None:
        bad = _UNPRINTABLE.search(self._text)
        if bad:
            message = f"the character U+{ord(bad.group()):04X} is not allowed in YAML"
            raise self._fatal(*_place(self._text, bad.start()), message)
        if len(self._text.encode()) > MAX_BYTES:
            raise self._fatal(1, 1, "the text is too big", f"at most {MAX_BYTES:,} bytes")

    def _parse(self) -> Iterator[Any]:
        """PyYAML's events; checks the limits and that nothing but plain YAML is used."""
        try:
            for event in yaml.parse(self._text, Loader=_PARSER):
                self._limit(event)
                yield event
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = [getattr(error, name, None) for name in ("context", "problem")]
            raise self._fatal(
                line, col, f"not valid YAML: {' '.join(filter(None, what)) or error}"
            ) from error

    def _limit(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._fatal(*_mark(event), "nested too deeply", f"at most {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1
        if isinstance(event, yaml.NodeEvent):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._fatal(*_mark(event), "too many keys and values", f"at most {MAX_NODES:,}")
            self._refuse_extras(event)

    def _refuse_extras(self, event: Any) -> None:
        anchor = _shown(str(event.anchor))
        if isinstance(event, yaml.AliasEvent):
            self._note(event, f"the alias {anchor} is not allowed", hint="write the value out")
        elif event.anchor:
            self._note(event, f"the anchor {anchor} is not allowed", hint="leave it out")
        tag = getattr(event, "tag", None)
        if tag:
            self._note(event, f"the tag {_shown(tag)} is not allowed", hint="quote what is to be a text")
        bad = _UNPRINTABLE.search(event.value) if isinstance(event, yaml.ScalarEvent) else None
        if bad:  # written as an escape, such as "\0"
            self._note(event, f"the character U+{ord(bad.group()):04X} is not allowed")

    def _value(self, event: Any, path: YamlPath) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, path)
        self._values[path] = _mark(event)
        return self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None

    def _sequence(self, start: Any, path: YamlPath) -> list[Any]:
        self._values[path] = _mark(start)
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, start: Any, path: YamlPath) -> dict[str, Any]:
        self._values[path] = _mark(start)
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            here = (*path, key or "")
            if key is None:
                self._skip(next(self._events))
            elif key in items:
                first = f"it is given in line {self._keys[here][0]} already"
                self._note(event, f"duplicate key {_shown(key)}", hint=first)
                self._skip(next(self._events))
            else:
                self._keys[here] = _mark(event)
                items[key] = self._value(next(self._events), here)
        return items

    def _key(self, event: Any) -> str | None:
        """The key as a text; None when it cannot be one."""
        if not isinstance(event, yaml.ScalarEvent):
            if not isinstance(event, yaml.AliasEvent):
                self._note(event, "a list or mapping cannot be a key", "a text")
            self._skip(event)
            return None
        if not _is_plain(event) or isinstance(_resolve(event.value), str):
            return str(event.value)
        self._note(event, f"the key {_shown(event.value)} is not a text", hint="write it in quotes")
        return str(event.value)

    def _skip(self, event: Any) -> None:
        """Read past the node that begins with ``event``."""
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = next(self._events)

    def _scalar(self, event: Any) -> Any:
        if not _is_plain(event):
            return event.value
        value = _resolve(event.value)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            self._note(
                event, "the number is too large", "a number of at most 18 digits", "quote it if it is a text"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            self._note(
                event, f"{_shown(event.value)} is not a finite number", hint="quote it if it is a text"
            )
        return value

    def _note(self, event: Any, message: str, expected: str | None = None, hint: str | None = None) -> None:
        self._problems.append(Problem(self._filename, *_mark(event), message, expected, hint))

    def _fatal(self, line: int, col: int, message: str, expected: str | None = None) -> DeclarationError:
        return report(
            self._filename, [*self._problems, Problem(self._filename, line, col, message, expected)]
        )


def _resolve(text: str) -> Any:
    """The value of an unquoted scalar, by the core schema of YAML 1.2 with decimal numbers only."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= 100 else 2**64  # refused by the caller, as any number so long
    if _FLOAT.fullmatch(text):
        return float(text)
    return math.inf if _NOT_FINITE.fullmatch(text) else text


def _is_plain(event: Any) -> bool:
    return not event.style  # None or '' by parser


def _mark(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place(text: str, index: int) -> Position:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:80]!r}…"
