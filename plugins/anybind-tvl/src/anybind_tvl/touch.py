"""Frames of a touch sensor through TVL's tactile encoders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from torch.nn.functional import normalize

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.checkpoints import checkpoint_folder, load_tensors, read_tensors
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind_tvl.files import FILES, FOLDER, REPOSITORY, REVISION
from anybind_tvl.frames import Frames
from anybind_tvl.vit import Vit, VitConfig

_PREFIX = "tactile_encoder."


class TouchEncoder:
    """TVL's tactile encoder: a frame of a DIGIT sensor into the space of open_clip's ViT-L-14 (DataComp XL).

    Source: Fu et al. 2024, "A Touch, Vision, and Language Dataset for Multimodal Alignment".

    Args:
        spec: The encoder's spec; its name says which file of the repository is read.
        weights: Repository on the Hub.
        revision: Commit of that repository.
        folder: A checkpoint on disk, in place of the repository.
        background: File with a picture of the untouched sensor, for weights trained with it taken away.
        batch_size: Frames per batch, at least 1.
        device: A torch device.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint is missing or damaged, or has another network or another length.
        anybind.UsageError: no checkpoint is named, or an option does not hold here.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = REPOSITORY,
        revision: str | None = REVISION,
        folder: str | None = None,
        background: str | None = None,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.spec = spec
        self._batch_size = batch_size
        self._device, self._dtype = checked_device(spec.name, device), checked_dtype(spec.name, dtype)
        published = f"{FOLDER}/{FILES[spec.name]}"
        found = checkpoint_folder(
            spec.name, weights=weights, revision=revision, folder=folder, files=(published,)
        )
        config, network = _load(spec, _weight_file(found, published))
        self._network = network.to(self._device, self._dtype)
        self._frames = Frames(spec.name, config.image_size, background)

    def encode(self, samples: Sequence[Image]) -> torch.Tensor:
        """Embed frames, in order.

        Args:
            samples: PIL images, as the sensor gives them; with ``background``, all of that picture's size.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is not a PIL image, has no pixels, or is not as large as the background.
        """
        self._frames.check(samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Image]) -> torch.Tensor:
        vectors: torch.Tensor = self._network(self._frames(batch).to(self._device, self._dtype))
        return normalize(vectors.float(), dim=1)


def _weight_file(folder: Path, published: str) -> Path:
    """The file under its path in the repository, or the file alone."""
    candidates = [folder / published, folder / Path(published).name]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise anybind.PluginError(
            "a checkpoint has no file of weights", where=folder,
            got=", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "an empty folder",
            expected=f"{published}, or {candidates[1].name} alone",
        )  # fmt: skip
    return found


def _load(spec: anybind.EncoderSpec, path: Path) -> tuple[VitConfig, Vit]:
    # The published files hold the arguments of the training script too: plain values in a Namespace.
    with torch.serialization.safe_globals([argparse.Namespace]):
        tensors = read_tensors(path, _inner_name)
    try:
        config = VitConfig.of(tensors)
    except (KeyError, ValueError, IndexError) as error:
        raise anybind.PluginError(
            f"The weights do not fit the network of encoder {spec.name}.", where=path,
            got=f"{type(error).__name__}: {error}", expected=f"a vision transformer under {_PREFIX}*, with a head",
        ) from error  # fmt: skip
    if config.dim != spec.dim:
        raise anybind.PluginError(
            f"The checkpoint of encoder {spec.name} gives vectors of another length.",
            where=path, got=config.dim, expected=spec.dim,
        )  # fmt: skip
    with torch.device("meta"):  # no random weights are drawn only to be replaced
        network = Vit(config)
    network.to_empty(device="cpu")
    load_tensors(spec.name, network, tensors, path)
    return config, network.eval().requires_grad_(False)


def _inner_name(name: str) -> str | None:
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else None
