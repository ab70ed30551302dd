"""What is checked: a plugin, or one of its modalities, encoders and data sets, built once for all its checks.

A check takes what it needs from its subject. What cannot be had raises NotApplicableError there: one check reports
the reason, and the others have nothing to say.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import anybind
from anybind.testing.errors import NotApplicableError
from anybind.testing.processes import ask_probe

# What takes long to import, or may be broken where only a list of plugins is asked for.
HEAVY = (
    "PIL", "accelerate", "av", "cv2", "datasets", "diffusers", "faiss", "flax", "jax", "keras", "librosa", "matplotlib",
    "numba", "numpy", "onnxruntime", "open_clip", "pandas", "peft", "polars", "pyarrow", "rdkit", "safetensors",
    "scipy", "sentence_transformers", "sklearn", "skimage", "soundfile", "tensorflow", "timm", "tokenizers", "torch",
    "torchaudio", "torchvision", "transformers", "webdataset",
)  # fmt: skip

T = TypeVar("T")


class Subject:
    """One thing to check.

    Args:
        plugin: The plugin that it is, or is part of.
        name: Its name.
    """

    kind: ClassVar[str]
    word: ClassVar[str]

    def __init__(self, plugin: anybind.InstalledPlugin, name: str) -> None:
        self.plugin = plugin
        self.name = name

    def __str__(self) -> str:
        return f"{self.word} {self.name!r}"

    def guard(self) -> AbstractContextManager[object]:
        """What a check runs in, so that it leaves nothing behind."""
        return nullcontext()


class PluginSubject(Subject):
    """A plugin as a whole."""

    kind = word = "plugin"

    @property
    def loaded(self) -> anybind.InstalledPlugin:
        """The plugin, when it could be loaded."""
        if self.plugin.error is not None:
            raise NotApplicableError("see entry_point_loads", where=self)
        return self.plugin

    @cached_property
    def import_report(self) -> dict[str, Any]:
        """What importing it and calling its hooks does in a fresh Python."""
        return ask_probe("import", entry_point=self.loaded.entry_point, heavy=list(HEAVY))

    @cached_property
    def factories(self) -> dict[str, Any]:
        """Factory string -> what it names, of those that can be imported and called."""
        plugin = self.loaded
        parts = (plugin.modalities, plugin.encoders, plugin.datasets, plugin.binders)
        found = {}
        for name in {spec.factory for specs in parts for spec in specs}:
            with suppress(anybind.AnybindError):  # for factories_resolve to tell
                found[name] = plugin.load_factory(name)
        return {name: factory for name, factory in found.items() if callable(factory)}


    def probe(self, task: str, **arguments: Any) -> dict[str, Any]:
        """What a fresh Python sees; see ``anybind.testing.probe``."""
        return ask_probe(task, **arguments)


class Part(Subject):
    """A modality, an encoder or a data set, with the example by which it is tried."""

    example_type: ClassVar[type]
    spec: Any

    @cached_property
    def folder(self) -> Path:
        """An empty folder of its own, removed with it."""
        path = Path(tempfile.mkdtemp(prefix="anybind-example-")).resolve()
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path

    def make_example(self) -> Any:
        """Call the function that makes its example; None when the plugin names none.

        Raises:
            TypeError: the function returned something else.
        """
        named = (spec for spec in self.plugin.examples if (spec.kind, spec.name) == (self.kind, self.name))
        spec = next(named, None)
        if spec is None:
            return None
        example = self.plugin.load_factory(spec.factory)(self.folder)
        if not isinstance(example, self.example_type):
            raise TypeError(f"{spec.factory} returned a {type(example).__name__}, not {self.example_type.__name__}")
        return example

    @cached_property
    def _made(self) -> Any:
        """The example or, as an exception that is kept, why there is none."""
        return attempt(self.make_example)

    def made_example(self) -> Any:
        """The example; for the check that tells what is wrong with it."""
        return unwrap(self._made)

    def needed_example(self) -> Any:
        """The example; for all other checks."""
        if self._made is None:
            raise NotApplicableError("no example", where=self)
        return self.needed(f"{self.kind}_example", self.made_example)

    def needed(self, check: str, get: Callable[[], T]) -> T:
        """What ``get`` returns; where it fails the reason is for ``check`` to tell."""
        try:
            return get()
        except NotApplicableError:
            raise
        except Exception as error:
            raise NotApplicableError(f"see {check}", where=self) from error


class Failure:
    """An exception that is kept, so that what failed is not tried again for every check."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def attempt(make: Callable[[], Any]) -> Any:
    """What ``make`` returns, or a Failure with what it raised; see ``unwrap``."""
    try:
        return make()
    except NotApplicableError:
        raise
    except Exception as error:
        return Failure(error)


def unwrap(made: Any) -> Any:
    """What ``attempt`` returned; a Failure's exception is raised."""
    if isinstance(made, Failure):
        raise made.error
    return made
