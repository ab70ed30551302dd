"""Finding an open_clip checkpoint's files, and one tower's part of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

import anybind
from anybind.encoder_kit.checkpoints import checkpoint_folder, load_tensors, read_json, read_tensors
from anybind_open_clip.architectures import ARCHITECTURES

CONFIG, TOKENIZER = "open_clip_config.json", "tokenizer.json"
SAFE_WEIGHTS, OLD_WEIGHTS = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
_SUFFIXES = {".safetensors", ".bin", ".pt", ".pth"}
_TEXT_PARTS = {"token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection"}


def open_clip_folder(
    spec: anybind.EncoderSpec, *, weights: str | None, revision: str | None, folder: str | None
) -> Path:
    """The checkpoint's folder: the one given, else that of the repository given, else the spec's.

    Of the two formats that a repository may have, only one is fetched.

    Raises:
        anybind.UsageError: another repository is named without its revision.
        anybind.PluginError: the folder is missing, or the Hub does not have it or cannot be reached.
    """
    weights = weights or spec.weights
    if weights == spec.weights:
        revision = revision or spec.revision

    def found(file: str) -> Path:
        return checkpoint_folder(
            spec.name, weights=weights, revision=revision, folder=folder, files=(CONFIG, TOKENIZER, file)
        )

    path = found(SAFE_WEIGHTS)
    return path if folder is not None or (path / SAFE_WEIGHTS).is_file() else found(OLD_WEIGHTS)


def read_config(folder: Path, architecture: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any], Path | str]:
    """``model_cfg``, ``preprocess_cfg`` and where they stand: the architecture named, or the checkpoint's file.

    Raises:
        anybind.PluginError: the file is missing or is no configuration.
        anybind.UsageError: there is no such architecture.
    """
    path = folder / CONFIG
    if architecture is not None:
        if architecture not in ARCHITECTURES:
            raise anybind.UsageError(
                "that architecture is not known", where="option architecture", got=architecture,
                expected=", ".join(ARCHITECTURES),
            )  # fmt: skip
        return ARCHITECTURES[architecture], {}, f"architecture {architecture}"
    if not path.exists():
        raise anybind.PluginError(
            "a checkpoint has no configuration", where=folder, expected=f"the file {CONFIG}",
            hint=f"name one with the option architecture: {', '.join(ARCHITECTURES)}",
        )  # fmt: skip
    config = read_json(path)
    model, preprocess = config.get("model_cfg"), config.get("preprocess_cfg") or {}
    if not isinstance(model, dict) or not isinstance(preprocess, dict):
        raise anybind.PluginError(
            "a checkpoint's configuration has another form", where=path, got=", ".join(config),
            expected="model_cfg and preprocess_cfg",
        )  # fmt: skip
    return model, preprocess, path


def load_tower(encoder: str, network: nn.Module, folder: Path, *, image: bool) -> nn.Module:
    """Fill a tower that was built on the meta device; the other tower's tensors are not read.

    Raises:
        anybind.PluginError: there is no file of weights, or it does not fit.
    """
    path = weight_file(folder)
    tensors = read_tensors(path, _image_name if image else _text_name)
    network.to_empty(device="cpu")
    load_tensors(encoder, network, tensors, path)
    return network.eval().requires_grad_(False)


def weight_file(folder: Path) -> Path:
    """The file of weights: one of the Hub's names, or the only one there is.

    Raises:
        anybind.PluginError: there is none, or several of other names.
    """
    for name in (SAFE_WEIGHTS, OLD_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    others = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    if len(others) != 1:
        raise anybind.PluginError(
            "it is not clear which file holds the weights" if others else "a checkpoint has no file of weights",
            where=folder, got=", ".join(path.name for path in others[:10]) or "none",
            expected=f"{SAFE_WEIGHTS}, {OLD_WEIGHTS}, or one file of {', '.join(sorted(_SUFFIXES))}",
        )  # fmt: skip
    return others[0]


def check_dim(spec: anybind.EncoderSpec, found: int, where: object) -> None:
    """The checkpoint's vectors must have the length that the spec states; raises PluginError."""
    if found != spec.dim:
        raise anybind.PluginError(
            f"The checkpoint of encoder {spec.name} gives vectors of another length.",
            where=where, got=found, expected=spec.dim,
        )  # fmt: skip


def _image_name(name: str) -> str | None:
    inner = name.removeprefix("module.")  # training on several devices adds it
    return inner.removeprefix("visual.") if inner.startswith("visual.") else None


def _text_name(name: str) -> str | None:
    inner = name.removeprefix("module.").removeprefix("text.")
    return inner if inner.partition(".")[0] in _TEXT_PARTS else None
