"""Raw inputs through the encoder a binder was fitted with, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from anybind.artifact import SpaceInfo
from anybind.errors import AnybindError, DataError, PluginError, UnknownNameError, UsageError
from anybind.store.filling import check_vectors

if TYPE_CHECKING:
    from anybind.protocols import Encoder, Modality
    from anybind.registry import Registry


def build_encoder(info: SpaceInfo, registry: Registry) -> Encoder:
    """Load a space's encoder.

    Raises:
        UsageError: the space was fitted on arrays.
        PluginError: the encoder is missing, cannot be loaded, or is another revision.
    """
    where = f"space {info.name!r}"
    if info.encoder is None:
        raise UsageError(
            "this space was fitted on arrays, so no encoder is known for it",
            where=where, hint="encode with your own model and call embed or score",
        )  # fmt: skip
    try:
        spec = registry.encoder(info.encoder).spec
    except UnknownNameError as error:
        raise PluginError(
            "the encoder this binder was fitted with is not installed", where=where, got=error.what,
            expected=f"{info.encoder} {info.revision}, from {info.distribution}",
            hint=_how_to_get(info, registry, error.hint),
        ) from error  # fmt: skip
    revision, dim = info.options.get("revision", spec.revision), spec.dim_for(info.options)
    if (revision, dim) != (info.revision, info.dim):
        raise PluginError(
            "the installed encoder is not the one this binder was fitted with", where=where,
            got=f"{info.encoder} {revision}, {dim} dims",
            expected=f"{info.encoder} {info.revision}, {info.dim} dims",
            hint=f"install {info.distribution}",
        )  # fmt: skip
    encoder: Encoder = registry.build_encoder(info.encoder, **info.options)
    return encoder


def _how_to_get(info: SpaceInfo, registry: Registry, hint: object) -> object:
    """What the catalogue says of an encoder; for one it does not know, who would.

    An artifact may come from anyone, and so may a package of the name it gives: that is no line to copy.
    """
    if info.encoder in registry.catalogue.section("encoder"):
        return hint
    asked = "ask whoever made this binder where its plugin comes from; the registry does not know it"
    return f"{asked}; {hint}" if hint else asked


def encode_inputs(
    inputs: Sequence[Any], info: SpaceInfo, modality: Modality, encoder: Encoder, batch_size: int
) -> torch.Tensor:
    """Load, check and embed.

    Returns:
        (len(inputs), dim) float32, finite.

    Raises:
        DataError: an input cannot be read, or its vector is not finite.
        PluginError: the encoder failed.
        UsageError: ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise UsageError("a batch holds at least one input", got=batch_size, expected="batch_size at least 1")
    samples = [_loaded(modality, source, f"input {i}") for i, source in enumerate(inputs)]
    parts = [torch.zeros(0, info.dim)]
    for start in range(0, len(samples), batch_size):
        names = [f"input {i}" for i in range(start, min(start + batch_size, len(samples)))]
        parts.append(_encoded(encoder, samples[start : start + batch_size], names, info))
    return torch.cat(parts)


def _loaded(modality: Modality, source: Any, where: str) -> Any:
    try:
        sample = modality.load(source)
        modality.check(sample)
    except AnybindError:
        raise
    except Exception as error:  # plugins may raise anything
        got = f"{type(error).__name__}: {error}"
        raise DataError("an input cannot be read", where=where, got=got) from error
    return sample


def _encoded(encoder: Encoder, samples: Sequence[Any], names: Sequence[str], info: SpaceInfo) -> torch.Tensor:
    where = f"space {info.name!r}"
    try:
        vectors = encoder.encode(samples)
    except AnybindError:
        raise
    except Exception as error:  # plugins may raise anything
        raise PluginError(
            f"encoder {info.encoder!r} failed", where=f"{where}, {names[0]} to {names[-1]}",
            got=f"{type(error).__name__}: {error}", hint=f"report it to {info.distribution}",
        ) from error  # fmt: skip
    checked = check_vectors(vectors, names, dim=info.dim, encoder=str(info.encoder), space=where)
    return torch.from_numpy(checked)
