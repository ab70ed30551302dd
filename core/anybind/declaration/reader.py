"""Reads typed values out of a YAML document and notes every problem, with its place, instead of stopping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from pydantic import TypeAdapter, ValidationError

from anybind.options import did_you_mean
from anybind.specs import Name
from anybind.yaml_loader import Document, Problem, YamlPath

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_NAME_WORDS = "a name of letters, digits, '.', '_' and '-'"


class Reader:
    """A document and the problems found in it so far.

    Every method that reads returns None where it noted a problem, so that reading can go on.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._seen = {(problem.line, problem.col) for problem in document.problems}
        self._problems = list(document.problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems so far, those of the YAML itself first."""
        return tuple(self._problems)

    def note(
        self,
        path: YamlPath,
        message: str,
        expected: str | None = None,
        hint: str | None = None,
        *,
        key: bool = False,
    ) -> None:
        """Note a problem with the value at ``path``, or with its key.

        What the YAML loader refused already is not reported again under another name.
        """
        place = self.document.position(path, key=key)
        if place not in self._seen:
            self._problems.append(Problem(self.document.filename, *place, message, expected, hint))

    def wrong(self, path: YamlPath, expected: str, hint: str | None = None) -> None:
        """Note that the value at ``path`` is not what was expected."""
        self.note(path, f"{dotted(path)}: got {shown(self.value(path))}", expected, hint)

    def value(self, path: YamlPath) -> Any:
        """The value at ``path``, which exists."""
        value: Any = self.document.data
        for step in path:
            value = value[step]
        return value

    def has(self, path: YamlPath) -> bool:
        """Whether the mapping above has this key."""
        above = self.value(path[:-1])
        return isinstance(above, dict) and path[-1] in above

    def mapping(self, path: YamlPath, expected: str = "a mapping") -> dict[str, Any] | None:
        """The mapping at ``path``."""
        value = self.value(path)
        if isinstance(value, dict):
            return value
        self.wrong(path, expected)
        return None

    def entries(self, path: YamlPath, expected: str) -> list[YamlPath]:
        """Paths to the entries of the mapping at ``path``, whose keys must be names."""
        found = []
        for key in self.mapping(path, expected) or {}:
            if is_name(key):
                found.append((*path, key))
            else:
                self.note((*path, key), f"{dotted(path)}: the key is {shown(key)}", _NAME_WORDS, key=True)
        return found

    def keys(self, path: YamlPath, required: Sequence[str], optional: Sequence[str]) -> bool:
        """Check the keys of the mapping at ``path``; False when a required one is missing."""
        mapping = self.value(path)
        allowed = [*required, *optional]
        for key in mapping:
            if key not in allowed:
                hint = did_you_mean(key, allowed)
                self.note((*path, key), f"unknown key {shown(key)}", one_of(allowed), hint, key=True)
        return self.require(path, required)

    def require(self, path: YamlPath, required: Iterable[str]) -> bool:
        """Note every required key the mapping at ``path`` lacks; False when there is one."""
        mapping = self.value(path)
        missing = [key for key in required if key not in mapping]
        where = f"{dotted(path)}: " if path else ""
        for key in missing:
            self.note(path, f"{where}the key {key!r} is missing", key=True)
        return not missing

    def name(self, path: YamlPath, expected: str = _NAME_WORDS) -> str | None:
        """The name at ``path``."""
        value = self.value(path)
        if is_name(value):
            return value
        hint = "write it in quotes" if isinstance(value, int | float) else None
        self.wrong(path, expected, hint)
        return None

    def items(self, path: YamlPath, expected: str) -> list[YamlPath] | None:
        """Paths to the items of the list at ``path``, which has at least one."""
        value = self.value(path)
        if isinstance(value, list) and value:
            return [(*path, index) for index in range(len(value))]
        self.wrong(path, expected)
        return None

    def names(self, path: YamlPath, expected: str) -> list[tuple[YamlPath, str]]:
        """The names in the list at ``path``, with their paths; a name given twice is a problem."""
        found: dict[str, YamlPath] = {}
        for item in self.items(path, expected) or []:
            name = self.name(item)
            if name in found:
                self.note(item, f"{dotted(path)}: {name!r} is given twice")
            elif name is not None:
                found[name] = item
        return [(item, name) for name, item in found.items()]


def is_name(value: Any) -> TypeGuard[str]:
    """Whether ``value`` is a name as the specs have them."""
    try:
        return isinstance(value, str) and bool(_NAME.validate_python(value))
    except ValidationError:
        return False


def dotted(path: YamlPath) -> str:
    """A path as people write it: ``bind.targets[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return text if len(text) <= 100 else f"{text[:100]}…"


def shown(value: Any) -> str:
    """A value in a message: short, and never a Python word where YAML has another."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an empty mapping" if not value else "a mapping"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def one_of(names: Iterable[str], most: int = 12) -> str:
    """``one of a, b, c``, cut when there are many."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return f"one of {', '.join(known[:most])}{more}"
