"""A modality and an encoder of your own in a running program: two decorators, no plugin.

What they register is found by name like anything that a plugin brings, by this process alone. A plugin is for
what others are to use too, or the command line: ``anybind plugins new`` writes one.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, TypeVar

from pydantic import ValidationError

from anybind.errors import UsageError
from anybind.hookspecs import hookimpl
from anybind.specs import EncoderSpec, ModalitySpec

OWNER, VERSION = "a running program", "(no plugin)"
_CLASSES = "anybind.builtin.functions"

Load = TypeVar("Load", bound=Callable[[Any], Any])
Encode = TypeVar("Encode", bound=Callable[[Sequence[Any]], Any])


class Registered:
    """What this process has registered, as a plugin gives it.

    Attributes:
        changes: How often something was registered; what was found before a change is out of date.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._specs: dict[tuple[type, str], ModalitySpec | EncoderSpec] = {}
        self._functions: dict[tuple[type, str], Callable[[Any], Any]] = {}

    def __bool__(self) -> bool:
        return bool(self._specs)

    def add(self, spec: ModalitySpec | EncoderSpec, function: Callable[[Any], Any]) -> None:
        """Register a function; one of this name that is there already gives way, as a notebook needs it."""
        self._specs[type(spec), spec.name] = spec
        self._functions[type(spec), spec.name] = function
        self.changes += 1

    def function(self, spec: ModalitySpec | EncoderSpec) -> Callable[[Any], Any]:
        """The function behind a spec."""
        return self._functions[type(spec), spec.name]

    @hookimpl
    def anybind_modalities(self) -> list[ModalitySpec]:
        """The modalities registered so far."""
        return [spec for spec in self._specs.values() if isinstance(spec, ModalitySpec)]

    @hookimpl
    def anybind_encoders(self) -> list[EncoderSpec]:
        """The encoders registered so far."""
        return [spec for spec in self._specs.values() if isinstance(spec, EncoderSpec)]


REGISTERED = Registered()


def register_modality(name: str, *, kind: str | None = None, description: str = "") -> Callable[[Load], Load]:
    """Make a modality of the function below: it turns a source (a path, a list, an array) into a sample.

    Args:
        name: The modality's name, as it stands in graph files and manifests.
        kind: The more general modality it is; encoders for that one read it too.
        description: One line for people.

    Returns:
        A decorator that gives the function back unchanged. What the function raises is reported as a fault of
        the source.

    Raises:
        UsageError: the name or the kind is no name.
    """

    def register(load: Load) -> Load:
        fields = {"name": name, "kind": kind, "description": description}
        REGISTERED.add(_spec(ModalitySpec, factory=f"{_CLASSES}:FunctionModality", **fields), load)
        return load

    return register


def register_encoder(
    name: str,
    *,
    modality: str,
    dim: int,
    revision: str | None = None,
    licence: str = "unknown",
    description: str = "",
) -> Callable[[Encode], Encode]:
    """Make an encoder of the function below: it turns a list of samples into as many vectors, in order.

    Args:
        name: The encoder's name, as it stands in graph files.
        modality: The modality it reads.
        dim: Length of the vectors.
        revision: Stored vectors are used again while this stays the same. If None it comes from the text of the
            function, or from its byte code where there is no text, so that a function that was edited embeds
            anew; what it calls does not count, so give a revision of your own when that changes.
        licence: SPDX expression of the weights' licence, if it has weights.
        description: One line for people.

    Returns:
        A decorator that gives the function back unchanged. The function may return an array, a tensor, or a list
        of either: (n, dim) finite numbers.

    Raises:
        UsageError: a name is no name, ``dim`` is below 1, or no revision was given for what is no function.
    """

    def register(encode: Encode) -> Encode:
        fields = {"name": name, "modality": modality, "dim": dim, "licence": licence, "description": description}
        mark = _fingerprint(encode) if revision is None else revision
        factory = f"{_CLASSES}:FunctionEncoder"
        REGISTERED.add(_spec(EncoderSpec, factory=factory, weights="none", revision=mark, **fields), encode)
        return encode

    return register


S = TypeVar("S", ModalitySpec, EncoderSpec)


def _spec(spec_type: type[S], **fields: Any) -> S:
    try:
        return spec_type(**fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{fields['name']!r} cannot be registered", got=wrong) from error


def _fingerprint(function: Callable[..., Any]) -> str:
    """Changes whenever the text of the function does."""
    try:
        kind, content = "source", inspect.getsource(function)
    except (OSError, TypeError) as error:
        code = getattr(function, "__code__", None)
        if code is None:
            hint = 'give revision="1", and another one whenever it changes'
            raise UsageError("what is no function needs a revision", got=function, hint=hint) from error
        kind, content = "code", _code_text(code)
    return f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _code_text(code: CodeType) -> str:
    """Byte code with its constants and names, and those of the functions inside."""
    constants = [_code_text(const) if isinstance(const, CodeType) else repr(const) for const in code.co_consts]
    return "\n".join([code.co_code.hex(), *constants, *code.co_names])
