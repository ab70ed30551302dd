"""One tower of a joint checkpoint: its network alone, and its tensors alone.

Published names of tensors begin with the tower they belong to. ``read_tensors`` reads only names that this tower
wants, and ``load_tensors`` refuses a checkpoint whose names or shapes do not fit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

import anybind
from anybind.encoder_kit.checkpoints import load_tensors, read_tensors
from anybind_transformers.loading import read_config, reading
from anybind_transformers.x_clip import XClipText, XClipVideo

# Numbers that the architecture itself decides; some versions of a checkpoint hold them, others do not.
_CONSTANTS = (".position_ids", ".token_type_ids", ".relative_position_index")


@dataclass(frozen=True)
class Tower:
    """How to build one tower and which tensors are its own.

    Attributes:
        build: Settings of the whole checkpoint -> the tower's network, with random weights.
        prefixes: What the names of its tensors begin with.
        strip: A prefix that its own network leaves off.
    """

    build: Callable[[Any], torch.nn.Module]
    prefixes: tuple[str, ...]
    strip: str = ""

    def own_name(self, name: str) -> str | None:
        """A tensor's name in the checkpoint -> in the tower's network; None for one that is not the tower's."""
        return name.removeprefix(self.strip) if name.startswith(self.prefixes) else None


def _part(class_name: str, section: str) -> Callable[[Any], torch.nn.Module]:
    """A class of transformers, built with one section of the settings."""

    def build(config: Any) -> torch.nn.Module:
        settings = copy.deepcopy(getattr(config, section))
        if hasattr(config, "projection_dim"):  # the whole checkpoint's goes before the section's own
            settings.projection_dim = config.projection_dim
        network: torch.nn.Module = getattr(transformers, class_name)(settings)
        return network

    return build


TOWERS = {
    ("clip", "text"): Tower(_part("CLIPTextModelWithProjection", "text_config"), ("text_model.", "text_projection.")),
    ("clip", "image"): Tower(
        _part("CLIPVisionModelWithProjection", "vision_config"), ("vision_model.", "visual_projection.")
    ),
    ("siglip", "text"): Tower(_part("SiglipTextModel", "text_config"), ("text_model.",), "text_model."),
    ("siglip", "image"): Tower(_part("SiglipVisionModel", "vision_config"), ("vision_model.",), "vision_model."),
    ("clap", "text"): Tower(_part("ClapTextModelWithProjection", "text_config"), ("text_model.", "text_projection.")),
    ("clap", "audio"): Tower(
        _part("ClapAudioModelWithProjection", "audio_config"), ("audio_model.", "audio_projection.")
    ),
    ("xclip", "text"): Tower(XClipText, ("text_model.", "text_projection.")),
    ("xclip", "video"): Tower(XClipVideo, ("vision_model.", "visual_projection.", "mit.")),
}


def read_tower(encoder: str, folder: Path, modality: str) -> tuple[Any, Any]:
    """Settings of a checkpoint, and the network of one of its towers with its weights.

    Args:
        encoder: The encoder's name, for messages.
        folder: The checkpoint.
        modality: Which tower.

    Raises:
        PluginError: the checkpoint has no such tower, or its tensors do not fit the tower.
    """
    config = read_config(folder)
    tower = TOWERS.get((config.model_type, modality))
    if tower is None:
        known = sorted({kind for kind, other in TOWERS if other == modality})
        raise anybind.PluginError(
            f"encoder {encoder} cannot read this kind of checkpoint", where=folder / "config.json",
            got=f"model_type {config.model_type}", expected=f"one of {', '.join(known)}",
        )  # fmt: skip
    with reading("settings", folder):
        network = tower.build(config)
    tensors = read_tensors(folder, tower.own_name)
    load_tensors(encoder, network, _with_constants(network, tensors), folder)
    return config, network


def _with_constants(network: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, with the network's own constants in place of the checkpoint's."""
    own = {name: value for name, value in network.state_dict().items() if name.endswith(_CONSTANTS)}
    return {name: value for name, value in tensors.items() if not name.endswith(_CONSTANTS)} | own
