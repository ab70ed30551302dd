"""Bind any two modalities, also when no data set holds both.

Everything public stands here. Names that need torch are imported when they are first used, so that
``import anybind`` and plugins that only describe themselves stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anybind.errors import (
    AnybindError,
    ArtifactError,
    DamagedShardError,
    DataError,
    DeclarationError,
    DuplicateNameError,
    EvaluationError,
    MemoryLimitError,
    NoPathError,
    PluginError,
    SelectionError,
    ShapeError,
    StoreError,
    UnknownNameError,
    UsageError,
)
from anybind.hookspecs import HOOK_API, hookimpl
from anybind.protocols import BinderMethod, Dataset, Encoder, Modality
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec, Space

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.evaluation import evaluate
    from anybind.fitting import fit
    from anybind.moments import Moments
    from anybind.store import EmbeddingStore
    from anybind.workflow import load_graph, run

    __version__: str

__all__ = [
    "HOOK_API",
    "AnybindError",
    "ArtifactError",
    "Binder",
    "BinderMethod",
    "BinderSpec",
    "DamagedShardError",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "DeclarationError",
    "DuplicateNameError",
    "EmbeddingStore",
    "Encoder",
    "EncoderSpec",
    "EvaluationError",
    "MemoryLimitError",
    "Modality",
    "ModalitySpec",
    "Moments",
    "NoPathError",
    "OptionSpec",
    "PluginError",
    "SelectionError",
    "ShapeError",
    "Space",
    "StoreError",
    "UnknownNameError",
    "UsageError",
    "evaluate",
    "fit",
    "hookimpl",
    "load_graph",
    "run",
]

# name -> the module that has it
_LAZY = {
    "Binder": "anybind.binder",
    "EmbeddingStore": "anybind.store",
    "Moments": "anybind.moments",
    "evaluate": "anybind.evaluation",
    "fit": "anybind.fitting",
    "load_graph": "anybind.workflow",
    "run": "anybind.workflow",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from anybind.version import installed_version

        value: Any = installed_version()
    elif name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
    else:
        raise AttributeError(f"module 'anybind' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
