"""From a checkpoint to a network that is ready to run: only the wanted tower's tensors are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

import anybind
from anybind.encoder_kit.checkpoints import WEIGHT_FILES, checkpoint_folder, load_tensors, read_tensors
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind_languagebind.lora import merge_lora, plain_name
from anybind_languagebind.network import TextNetwork, VisionNetwork
from anybind_languagebind.settings import LayerSettings, TextSettings, VisionSettings, text_settings, vision_settings

VOCABULARY_FILES = ("vocab.json", "merges.txt")
_FILES = ("config.json", *WEIGHT_FILES, "pytorch_model-*.bin", "model-*.safetensors")
N = TypeVar("N", bound=nn.Module)


def vision_network(
    spec: anybind.EncoderSpec, model_type: str, *, weights: str | None, revision: str | None, folder: str | None,
    device: str, dtype: str,
) -> tuple[VisionNetwork, VisionSettings]:  # fmt: skip
    """The vision tower of a checkpoint.

    Args:
        spec: The encoder's spec.
        model_type: What the checkpoint must call itself.
        weights: Repository, ``revision`` its commit; or ``folder``, a folder on disk.
        revision: See ``weights``.
        folder: See ``weights``.
        device: Where it shall run.
        dtype: In which number format.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """
    place = checked_device(spec.name, device), checked_dtype(spec.name, dtype)
    path = checkpoint_folder(spec.name, weights=weights, revision=revision, folder=folder, files=_FILES)
    settings = vision_settings(path, model_type)
    tensors = read_tensors(path, _of("vision_model.", "visual_projection."))
    merged = merge_lora(tensors, settings.lora_alpha, path)
    return _filled(spec, lambda: VisionNetwork(settings), settings, merged, path).to(*place), settings


def text_network(
    spec: anybind.EncoderSpec, *, weights: str | None, revision: str | None, folder: str | None, device: str, dtype: str
) -> tuple[TextNetwork, TextSettings, Path]:
    """The language tower of a checkpoint and its folder; arguments and errors are those of ``vision_network``."""
    place = checked_device(spec.name, device), checked_dtype(spec.name, dtype)
    files = (*_FILES, *VOCABULARY_FILES)
    path = checkpoint_folder(spec.name, weights=weights, revision=revision, folder=folder, files=files)
    settings = text_settings(path)
    tensors = read_tensors(path, _of("text_model.", "text_projection."))
    return _filled(spec, lambda: TextNetwork(settings), settings, tensors, path).to(*place), settings, path


def _of(*prefixes: str) -> Callable[[str], str | None]:
    """What keeps one tower's tensors; place numbers are no weights, older checkpoints hold them all the same."""
    return lambda name: plain_name(name) if name.startswith(prefixes) and not name.endswith(".position_ids") else None


def _filled(
    spec: anybind.EncoderSpec, make: Callable[[], N], settings: LayerSettings, tensors: dict[str, torch.Tensor],
    path: Path,
) -> N:  # fmt: skip
    if settings.projection_dim != spec.dim:
        raise anybind.PluginError(
            "a checkpoint's vectors have another length", where=path, got=settings.projection_dim, expected=spec.dim
        )
    with torch.device("meta"):  # no memory, no time and no random numbers for weights that are replaced
        network = make()
    network.to_empty(device="cpu")
    load_tensors(spec.name, network, tensors, path)
    return network.eval().requires_grad_(False)
