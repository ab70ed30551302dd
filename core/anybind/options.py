"""Options of encoders, data sets and binder methods: checked against their OptionSpecs.

The same rules hold for a graph YAML and for Python: a declared option takes a value of its type, within
its bounds and choices. The default itself is always allowed, so that ``rank: {type: int, default: auto}``
takes 8 and ``auto``; and an option whose default is None takes None, which means "not given". A required
option has no default.
"""

from __future__ import annotations

import copy
import difflib
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anybind.specs import OptionSpec

_ELEMENT = {"list[str]": "str", "list[int]": "int", "list[float]": "float"}
_LARGEST_FLOAT = int(sys.float_info.max)
_WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "str": "a text",
    "path": "a path",
    "bool": "true or false",
    "list[str]": "a list of texts",
    "list[int]": "a list of whole numbers",
    "list[float]": "a list of finite numbers",
}


@dataclass(frozen=True)
class OptionProblem:
    """One thing wrong with the options given.

    Attributes:
        name: The option's name, as given.
        message: What is wrong with it, in a few words, with the value got.
        expected: What would have been right.
        suggestion: The closest allowed name or value, or None when nothing is close.
    """

    name: str
    message: str
    expected: str
    suggestion: str | None = None


def closest_name(name: object, candidates: Iterable[object]) -> str | None:
    """The candidate that looks most like ``name``, for "did you mean"; None when none is close."""
    known = {str(candidate).casefold(): str(candidate) for candidate in candidates}
    found = difflib.get_close_matches(str(name)[:200].casefold(), sorted(known), n=1, cutoff=0.6)
    return known[found[0]] if found else None


def did_you_mean(name: object, candidates: Iterable[object]) -> str | None:
    """The hint that names the closest candidate; None when none is close."""
    near = closest_name(name, candidates)
    return f"did you mean {near!r}?" if near else None


def check_options(options: Mapping[str, Any], specs: Mapping[str, OptionSpec]) -> list[OptionProblem]:
    """Every problem with ``options``, in the order given, then what is missing; empty when they are right."""
    problems = [_problem(name, value, specs) for name, value in options.items()]
    problems += [
        OptionProblem(name, "missing", _expected(spec))
        for name, spec in specs.items()
        if spec.required and name not in options
    ]
    return [problem for problem in problems if problem is not None]


def fill_defaults(options: Mapping[str, Any], specs: Mapping[str, OptionSpec]) -> dict[str, Any]:
    """All declared options in declared order: the value given, else a copy of the default.

    Whole numbers given for a float option become floats, so that ``1`` and ``1.0`` mean the same.

    Args:
        options: Options without problems (see ``check_options``).
        specs: What is declared.
    """
    return {
        name: _plain(options[name], spec) if name in options else copy.deepcopy(spec.default)
        for name, spec in specs.items()
    }


def _problem(name: Any, value: Any, specs: Mapping[str, OptionSpec]) -> OptionProblem | None:
    spec = specs.get(name) if isinstance(name, str) else None
    if spec is None:
        expected = f"one of {', '.join(sorted(specs))}" if specs else "no options"
        return OptionProblem(str(name), "unknown option", expected, closest_name(name, specs))
    if _same(value, spec.default) and not spec.required:
        return None
    if not _has_type(value, spec.type):
        return OptionProblem(name, f"got {_shown(value)}", _expected(spec))
    values = value if spec.type in _ELEMENT else [value]
    for item in values:
        if spec.choices and not any(_same(item, choice) for choice in spec.choices):
            near = closest_name(item, spec.choices)
            return OptionProblem(name, f"got {_shown(item)}", _expected(spec), near)
        if not _within(item, spec):
            return OptionProblem(name, f"got {_shown(item)}", _expected(spec))
    return None


def _has_type(value: Any, type_name: str) -> bool:
    if type_name in _ELEMENT:
        element = _ELEMENT[type_name]
        return isinstance(value, list | tuple) and all(_has_type(item, element) for item in value)
    if type_name == "bool":
        return isinstance(value, bool)
    if type_name in ("str", "path"):
        return isinstance(value, str)
    if isinstance(value, bool):  # a bool is an int to Python, but never to a reader of the YAML
        return False
    if isinstance(value, int):
        return type_name == "int" or abs(value) <= _LARGEST_FLOAT
    return type_name == "float" and isinstance(value, float) and math.isfinite(value)


def _within(value: Any, spec: OptionSpec) -> bool:
    if not isinstance(value, int | float):
        return True
    above = spec.minimum is None or value >= spec.minimum
    return above and (spec.maximum is None or value <= spec.maximum)


def _same(value: Any, other: Any) -> bool:
    """Equal and of one type: 1 is not True, nor is 1.0 the choice 1."""
    return type(value) is type(other) and bool(value == other)


def _expected(spec: OptionSpec) -> str:
    words = _WORDS[spec.type]
    if spec.choices:
        words += f" from {', '.join(map(str, spec.choices))}"
    if spec.minimum is not None:
        words += f", at least {spec.minimum:g}"
    if spec.maximum is not None:
        words += f", at most {spec.maximum:g}"
    if spec.default is not None and not spec.required and not _has_type(spec.default, spec.type):
        words += f", or {spec.default}"
    return words


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        text = "a number too long to show"
    return f"{text if len(text) <= 80 else text[:80] + '…'} ({type(value).__name__})"


def _plain(value: Any, spec: OptionSpec) -> Any:
    if _same(value, spec.default):
        return copy.deepcopy(value)
    if spec.type in _ELEMENT:
        return [float(item) if spec.type == "list[float]" else item for item in value]
    return float(value) if spec.type == "float" else value
