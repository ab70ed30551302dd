"""Texts through the text tower of an open_clip checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize as unit_length

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind_open_clip.checkpoint import TOKENIZER, check_dim, load_tower, open_clip_folder, read_config
from anybind_open_clip.config import text_config
from anybind_open_clip.network import TextTower
from anybind_open_clip.tokens import ClipTokens


class TextEncoder:
    """The text tower: at most 77 tokens in all published checkpoints; what is longer is cut.

    Args:
        spec: The encoder's spec.
        weights: Repository on the Hub; the spec's where nothing else is given.
        revision: Commit of that repository; the spec's where the repository is the spec's.
        folder: A checkpoint on disk, in place of the repository; ``tokenizer.json`` lies beside the weights.
        architecture: open_clip's name of the architecture, for a checkpoint without ``open_clip_config.json``.
        normalize: Scale every vector to length 1.
        batch_size: Texts per batch, at least 1.
        device: A torch device.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint is missing or damaged, or has another tower or another length.
        anybind.UsageError: no checkpoint is named, or an option does not hold here.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        architecture: str | None = None,
        normalize: bool = True,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.spec = spec
        self._normalize, self._batch_size = normalize, batch_size
        self._device = checked_device(spec.name, device)
        number_format = checked_dtype(spec.name, dtype)
        path = open_clip_folder(spec, weights=weights, revision=revision, folder=folder)
        model, _, where = read_config(path, architecture)
        config = text_config(spec.name, model, where)
        check_dim(spec, config.dim, where)
        self._tokens = ClipTokens(
            path / TOKENIZER, context_length=config.context_length, vocab_size=config.vocab_size
        )
        with torch.device("meta"):  # no random weights are drawn only to be replaced
            network = TextTower(config)
        self._network = load_tower(spec.name, network, path, image=False).to(self._device, number_format)

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """Embed texts, in order. An empty text is embedded as one without words.

        Returns:
            (len(samples), dim) float32 tensor on the CPU; rows of length 1 unless ``normalize`` is off.

        Raises:
            anybind.DataError: a sample is not text.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(
            samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim, length=len
        )

    def _encode(self, batch: list[str]) -> torch.Tensor:
        vectors: torch.Tensor = self._network(self._tokens(batch).to(self._device)).float()
        return unit_length(vectors, dim=1) if self._normalize else vectors
