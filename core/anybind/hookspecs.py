"""The pluggy contract: five hooks, each returning specs.

A plugin is a module (or object) named by an entry point in the group ``anybind``. It implements any of
these hooks with ``@anybind.hookimpl``::

    import anybind

    @anybind.hookimpl
    def anybind_encoders():
        return [anybind.EncoderSpec(name="my-encoder", ...)]

Hooks must not import torch or load anything heavy: a spec names its factory by string.
``HOOK_API`` grows when a hook changes incompatibly; a plugin may state the number it was written for in
a module attribute ``ANYBIND_HOOK_API``, and is reported, not loaded, when it does not match.
"""

from __future__ import annotations

import pluggy

from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ExampleSpec, ModalitySpec

PROJECT_NAME = "anybind"
HOOK_API = 1

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def anybind_modalities() -> list[ModalitySpec]:  # type: ignore[empty-body]
    """Return the modalities this plugin adds."""


@hookspec
def anybind_encoders() -> list[EncoderSpec]:  # type: ignore[empty-body]
    """Return the encoders this plugin adds."""


@hookspec
def anybind_datasets() -> list[DatasetSpec]:  # type: ignore[empty-body]
    """Return the data sets this plugin adds."""


@hookspec
def anybind_binders() -> list[BinderSpec]:  # type: ignore[empty-body]
    """Return the binder methods this plugin adds."""


@hookspec
def anybind_examples() -> list[ExampleSpec]:  # type: ignore[empty-body]
    """Return the examples by which the conformance kit checks what this plugin adds."""
