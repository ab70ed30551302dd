"""What a sample holds, as a value that can be compared: to see whether two are equal, or one has been changed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any

_PLAIN = (str, bytes, int, float, complex, bool, type(None), type)
_PROTOCOL = 4
_DEPTH = 30


def contents(value: Any, _depth: int = 0) -> Hashable:
    """Nested tuples that are equal exactly when two values of one type hold the same.

    Knows numbers, texts, arrays, tensors, Pillow images, dataclasses, mappings and sequences; of any other object
    takes what pickle would write down, without pickling it, and where there is no such thing its identity.
    """
    kind = type(value).__qualname__
    if isinstance(value, float) and value != value:  # NaN equals NaN here
        return kind, "nan"
    if isinstance(value, _PLAIN) or _depth > _DEPTH:
        return kind, value if isinstance(value, Hashable) else id(value)
    array = _array(value)
    if array is not None:
        return kind, *array
    if dataclasses.is_dataclass(value):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return kind, *((name, contents(part, _depth + 1)) for name, part in fields)
    if isinstance(value, Mapping):
        return kind, *((contents(key, _depth + 1), contents(part, _depth + 1)) for key, part in value.items())
    if isinstance(value, Set):
        return kind, frozenset(contents(part, _depth + 1) for part in value)
    if isinstance(value, Sequence):
        return kind, *(contents(part, _depth + 1) for part in value)
    return kind, _reduced(value, _depth)


def _array(value: Any) -> tuple[Hashable, ...] | None:
    """Type, shape and bytes of an array, tensor or picture; None for anything else."""
    numpy, torch, pillow = (sys.modules.get(name) for name in ("numpy", "torch", "PIL.Image"))
    if torch is not None and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return str(value.dtype), tuple(value.shape), flat.view(torch.uint8).numpy().tobytes()
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic) and not value.dtype.hasobject:
        return str(value.dtype), value.shape, value.tobytes()
    if pillow is not None and isinstance(value, pillow.Image):
        return value.mode, value.size, value.tobytes()
    return None


def _reduced(value: Any, depth: int) -> Hashable:
    try:
        state = value.__reduce_ex__(_PROTOCOL)
    except Exception:  # extension types may raise anything when they cannot be written down
        return id(value)
    if isinstance(state, str) or callable(value):
        return id(value)
    return tuple(contents(list(part) if hasattr(part, "__next__") else part, depth + 1) for part in state)
