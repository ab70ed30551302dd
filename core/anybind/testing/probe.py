"""Runs in a fresh Python, as ``python -m anybind.testing.probe TASK JSON``, and prints what it saw as one JSON object.

Modules count as brought in only when they were not there before: the probe itself imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import anybind

_HOOK = re.compile("anybind_[a-z]+s$")
_ROWS = 8  # enough for whatever a data set does when a row is read for the first time
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Event of the interpreter -> which of its arguments is the path that changes.
_CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.rmdir": 0}


def look_at_import(entry_point: str, heavy: list[str]) -> dict[str, Any]:
    """Import a plugin and call its hooks: which of ``heavy`` that brings in, and what it prints."""
    with _listening() as said:
        before = set(sys.modules)
        plugin = EntryPoint("plugin", entry_point, "anybind").load()
        for hook in filter(_HOOK.match, dir(plugin)):
            getattr(plugin, hook)()
        brought = sorted(set(heavy) & (set(sys.modules) - before))
    return {"heavy": brought, "said": said.getvalue()}


def look_at_modalities(specs: list[dict[str, Any]]) -> dict[str, Any]:
    """Make modalities, up to the first that brings torch in."""
    for fields in specs:
        spec = anybind.ModalitySpec(**fields)
        with _listening(), contextlib.suppress(Exception):  # one that cannot be made is reported elsewhere
            _factory(spec.factory)(spec)
        if "torch" in sys.modules:
            return {"torch": spec.name}
    return {"torch": None}


def look_at_dataset(factory: str, options: dict[str, Any], folder: str) -> dict[str, Any]:
    """Open a data set and read its first rows: whether opening brings torch in, and what is written elsewhere."""
    written: list[str] = []
    allowed = Whereabouts(Path(folder), Path.cwd())
    sys.addaudithook(lambda event, arguments: _note_change(event, arguments, written, allowed))
    with _listening():
        dataset = _factory(factory)(**options, modalities=None)
        has_torch = "torch" in sys.modules
        for index in range(min(_ROWS, len(dataset))):
            _ = dataset[index]
    return {"torch": has_torch, "written": sorted(set(written))}


class Whereabouts:
    """Which paths a data set may write to: its own folder, caches, and what is temporary.

    Args:
        folder: The folder that the data set was given.
        current: The current folder: it is not to be littered, also where it is itself temporary.
    """

    def __init__(self, folder: Path, current: Path) -> None:
        caches = [os.environ.get("HF_HOME"), os.environ.get("XDG_CACHE_HOME"), "~/.cache"]
        self._caches = [Path(cache).expanduser().resolve() for cache in caches if cache]
        self._own = folder.resolve()
        self._temporary = Path(tempfile.gettempdir()).resolve()
        self._current = current.resolve()

    def may_write(self, path: Path) -> bool:
        """Whether ``path`` is in one of those places."""
        path = path.resolve()
        if "__pycache__" in path.parts or path.parts[1:2] in (("dev",), ("proc",)):
            return True
        if any(path.is_relative_to(place) for place in (self._own, *self._caches)):
            return True
        litters = self._current.is_relative_to(self._temporary) and path.is_relative_to(self._current)
        return path.is_relative_to(self._temporary) and not litters


def _note_change(event: str, arguments: tuple[Any, ...], written: list[str], allowed: Whereabouts) -> None:
    if event == "open":
        path = arguments[0] if arguments[2] and arguments[2] & _WRITING else None
    else:
        path = arguments[_CHANGES[event]] if event in _CHANGES else None
    if isinstance(path, str | bytes | os.PathLike) and not allowed.may_write(Path(os.fsdecode(path))):
        written.append(os.fsdecode(path))


@contextlib.contextmanager
def _listening() -> Iterator[io.StringIO]:
    """Take down what is printed; stdout of this process holds the answer alone."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


def _factory(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    factory: Callable[..., Any] = getattr(import_module(module), attribute)
    return factory


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "import": look_at_import,
    "modalities": look_at_modalities,
    "dataset": look_at_dataset,
}

if __name__ == "__main__":
    answer = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(json.dumps(answer))
