"""Bind any two modalities, also when no data set holds both.

Everything public stands here. Names that need torch or numpy are imported when they are first used, so that
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
    HubError,
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
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ExampleSpec, ModalitySpec, OptionSpec, Space

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.builtin.audio import AudioClip
    from anybind.builtin.depth import DepthMap
    from anybind.builtin.imu import ImuClip
    from anybind.builtin.video import VideoClip
    from anybind.diagnosis import diagnose
    from anybind.evaluation.evaluate import evaluate
    from anybind.evaluation.leakage import leakage
    from anybind.fitting import fit
    from anybind.installed_plugin import InstalledPlugin
    from anybind.moments import Moments
    from anybind.plugins import find_plugin
    from anybind.registering import register_encoder, register_modality
    from anybind.store import EmbeddingStore
    from anybind.workflow import load_graph, run

    __version__: str

__all__ = [
    "HOOK_API",
    "AnybindError",
    "ArtifactError",
    "AudioClip",
    "Binder",
    "BinderMethod",
    "BinderSpec",
    "DamagedShardError",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "DeclarationError",
    "DepthMap",
    "DuplicateNameError",
    "EmbeddingStore",
    "Encoder",
    "EncoderSpec",
    "EvaluationError",
    "ExampleSpec",
    "HubError",
    "ImuClip",
    "InstalledPlugin",
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
    "VideoClip",
    "diagnose",
    "evaluate",
    "find_plugin",
    "fit",
    "hookimpl",
    "leakage",
    "load_graph",
    "register_encoder",
    "register_modality",
    "run",
]

# name -> the module that has it
_LAZY = {
    "AudioClip": "anybind.builtin.audio",
    "Binder": "anybind.binder",
    "DepthMap": "anybind.builtin.depth",
    "EmbeddingStore": "anybind.store",
    "ImuClip": "anybind.builtin.imu",
    "InstalledPlugin": "anybind.installed_plugin",
    "Moments": "anybind.moments",
    "VideoClip": "anybind.builtin.video",
    "diagnose": "anybind.diagnosis",
    "evaluate": "anybind.evaluation",
    "find_plugin": "anybind.plugins",
    "fit": "anybind.fitting",
    "leakage": "anybind.evaluation",
    "load_graph": "anybind.workflow",
    "register_encoder": "anybind.registering",
    "register_modality": "anybind.registering",
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
