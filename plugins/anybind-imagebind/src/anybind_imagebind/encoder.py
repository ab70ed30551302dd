"""What ImageBind's encoders have in common: a tower, a folder it comes from, and clips that are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.checkpoints import checkpoint_folder
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind_imagebind.checkpoint import CHECKPOINT_FILES, LAYOUTS, load_tower


class TowerEncoder:
    """One tower of ImageBind. A subclass names it, checks its samples and turns one into clips.

    A vector has length 1; where a sample is several clips it is the mean of theirs, as published, and so not longer
    than 1. The published network also multiplies by a temperature, the same for all vectors; that is left out.

    Args:
        spec: The encoder's spec; ``dim`` is the length of the checkpoint's vectors.
        weights: Repository on the Hub that has the checkpoint.
        revision: Commit of that repository.
        folder: Folder of the checkpoint, in place of a repository.
        batch_size: Clips per batch, at least 1.
        device: A torch device.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint is missing or damaged, or its vectors have another length.
        anybind.UsageError: no checkpoint is named, or there is no such device.
    """

    tower: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = CHECKPOINT_FILES

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.spec = spec
        self._batch_size = batch_size
        self._device = checked_device(spec.name, device)
        self._dtype = checked_dtype(spec.name, dtype)
        self._folder: Path = checkpoint_folder(
            spec.name, weights=weights, revision=revision, folder=folder, files=self.files
        )
        network = load_tower(spec.name, LAYOUTS[self.tower], self._folder)
        if network.project.out_features != spec.dim:
            raise anybind.PluginError(
                "A checkpoint's vectors have another length.", where=f"encoder {spec.name}, {self._folder}",
                got=network.project.out_features, expected=spec.dim,
            )  # fmt: skip
        self._network = network.to(self._device, self._dtype).eval().requires_grad_(False)
        self._stem: Any = network.stem

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed samples, in order.

        Returns:
            (len(samples), dim) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample cannot be read; ``where`` names its place.
        """
        self._check(samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _check(self, samples: Sequence[Any]) -> None:
        """Raise DataError for the first sample that is none."""
        raise NotImplementedError

    def _clips(self, sample: Any) -> torch.Tensor:
        """(clips, ...) float32, at least one clip."""
        raise NotImplementedError

    def _encode(self, batch: list[Any]) -> torch.Tensor:
        clips = [self._clips(sample) for sample in batch]
        parts = torch.split(torch.cat(clips), self._batch_size)
        vectors = torch.cat([self._network(part.to(self._device, self._dtype)) for part in parts])
        return torch.stack([part.mean(0) for part in torch.split(vectors, [len(each) for each in clips])])

    @property
    def _side(self) -> int:
        """Side in pixels of the square pictures that the tower takes."""
        grid = round((self._stem.positions.shape[1] - 1) ** 0.5)
        return int(grid * self._stem.patches.kernel_size[-1])


def clip_starts(seconds: float, length: float, count: int) -> list[float]:
    """Where ``count`` clips of ``length`` seconds begin: evenly spread, from the first to the last there is room for.

    A recording with room for one only gives that one: the published code repeats it, which changes no mean.
    """
    room = max(0.0, seconds - length)
    if not room or count == 1:
        return [0.0]
    return [room * place / (count - 1) for place in range(count)]
