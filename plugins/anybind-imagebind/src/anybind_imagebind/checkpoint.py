"""One tower out of ImageBind's checkpoint: its tensors by their published names, its sizes from their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import anybind
from anybind.encoder_kit.checkpoints import WEIGHT_FILES, load_tensors, read_tensors
from anybind_imagebind.network import (
    Block,
    FramePatches,
    PatchStem,
    PicturePatches,
    StepPatches,
    Tower,
    WordStem,
)

CHECKPOINT_FILES = ("imagebind_huge.safetensors", "imagebind_huge.pth", *WEIGHT_FILES)
AUDIO_STRIDE = 10
IMU_CHANNELS = 6


@dataclass(frozen=True)
class Layout:
    """What the tensors of a tower are called, and what cannot be seen from them.

    Attributes:
        name: The tower's name in the checkpoint.
        head_width: Numbers of a token that one head reads.
        patches: Published name of the weight that makes patches, without the tower's prefix.
        patch_norm: Published name of the norm after it, or None.
        positions: Published name of the positions.
        project: Published name of the projection.
    """

    name: str
    head_width: int
    patches: str
    patch_norm: str | None
    positions: str = "pos_embedding_helper.pos_embed"
    project: str = "2.weight"

    @property
    def names(self) -> dict[str, str]:
        """Beginnings of published names -> beginnings of names in ``Tower``."""
        inputs, trunk, head = (f"modality_{part}.{self.name}." for part in ("preprocessors", "trunks", "heads"))
        found = {
            f"{inputs}cls_token": "stem.start",
            f"{inputs}{self.positions}": "stem.positions",
            f"{inputs}{self.patches}": "stem.words.weight" if self.is_text else "stem.patches.weight",
            f"{trunk}pre_transformer_layer.0.": "before.",
            f"{trunk}blocks.": "blocks.",
            f"{head}{'proj.0.' if self.is_text else '0.'}": "after.",
            f"{head}{self.project}": "project.weight",
        }
        if self.patch_norm is not None:
            found[f"{inputs}{self.patch_norm}"] = "stem.norm."
        return found

    @property
    def is_text(self) -> bool:
        """Whether the tower reads tokens, not patches."""
        return self.name == "text"

    def rename(self, published: str) -> str | None:
        """A published name in ``Tower``; None for what the tower does not need."""
        for beginning, own in self.names.items():
            if published.startswith(beginning):
                return own + published[len(beginning) :]
        return None


LAYOUTS = {
    "vision": Layout("vision", 80, "rgbt_stem.proj.1.weight", None),
    "text": Layout("text", 64, "token_embedding.weight", None, positions="pos_embed", project="proj.1.weight"),
    "audio": Layout("audio", 64, "rgbt_stem.proj.weight", "rgbt_stem.norm_layer."),
    "depth": Layout("depth", 48, "depth_stem.proj.weight", "depth_stem.norm_layer."),
    "thermal": Layout("thermal", 64, "rgbt_stem.proj.weight", "rgbt_stem.norm_layer."),
    "imu": Layout(
        "imu", 64, "imu_stem.proj.weight", "imu_stem.norm_layer.", positions="pos_embed", project="3.weight"
    ),
}


def load_tower(encoder: str, layout: Layout, folder: Path) -> Tower:
    """The tower of one modality from a checkpoint's folder, on the CPU.

    Raises:
        PluginError: there is no checkpoint, it is damaged, or it does not hold this tower.
    """
    path = next((folder / name for name in CHECKPOINT_FILES if (folder / name).is_file()), None)
    if path is None:
        raise anybind.PluginError(
            "a folder holds no ImageBind checkpoint", where=folder,
            got=", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "an empty folder",
            expected=" or ".join(CHECKPOINT_FILES),
        )  # fmt: skip
    tensors = read_tensors(path, layout.rename)
    tower = empty_tower(layout, tensors, where=path)
    load_tensors(encoder, tower, tensors, path)
    return tower


def empty_tower(
    layout: Layout, tensors: Mapping[str, torch.Tensor], *, where: object, device: str = "cpu"
) -> Tower:
    """A tower of the sizes that ``tensors`` have, its own tensors on ``device`` not filled in."""
    patches = tensors.get("stem.words.weight" if layout.is_text else "stem.patches.weight")
    positions, project = tensors.get("stem.positions"), tensors.get("project.weight")
    if patches is None or positions is None or project is None or positions.ndim != 3 or project.ndim != 2:
        raise anybind.PluginError(
            f"A checkpoint does not hold ImageBind's tower for {layout.name}.", where=where,
            got=f"{len(tensors)} of its tensors", expected=f"modality_preprocessors.{layout.name}.* and what follows",
        )  # fmt: skip
    places, width = positions.shape[1:]
    if width % layout.head_width or not width:
        raise anybind.PluginError(
            f"A checkpoint's tower for {layout.name} has a strange width.", where=where, got=width,
            expected=f"a multiple of {layout.head_width}, the width of one head",
        )  # fmt: skip
    memory = any(name.endswith("attn.bias_k") for name in tensors)
    count = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    with torch.device("meta"):
        blocks = [Block(width, width // layout.head_width, memory=memory) for _ in range(count)]
        stem = _stem(layout, patches, places, width, where)
        first = "before.weight" in tensors
        tower = Tower(stem, blocks, width=width, dim=project.shape[0], norm_first=first)
    return tower.to_empty(device=device)


def _stem(layout: Layout, patches: torch.Tensor, places: int, width: int, where: object) -> nn.Module:
    if layout.is_text:
        return WordStem(patches.shape[0], width, places)
    dimensions = {"vision": 5, "imu": 2}.get(layout.name, 4)
    if patches.ndim != dimensions:
        raise anybind.PluginError(
            f"A checkpoint's tower for {layout.name} has strange patches.", where=where, got=tuple(patches.shape),
            expected=f"{dimensions} dimensions",
        )  # fmt: skip
    return PatchStem(_patches(layout, patches.shape), width, places, norm=layout.patch_norm is not None)


def _patches(layout: Layout, shape: torch.Size) -> nn.Module:
    if layout.name == "imu":
        return StepPatches(shape[1], shape[0], steps=shape[1] // IMU_CHANNELS)
    if layout.name == "vision":
        size = (shape[2], shape[3], shape[4])
        return FramePatches(shape[1], shape[0], kernel_size=size, stride=size, bias=False)
    stride = AUDIO_STRIDE if layout.name == "audio" else shape[2]
    return PicturePatches(shape[1], shape[0], kernel_size=(shape[2], shape[3]), stride=stride, bias=False)
