"""Texts to ImageBind's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind_imagebind.checkpoint import CHECKPOINT_FILES
from anybind_imagebind.encoder import TowerEncoder
from anybind_imagebind.tokens import MERGE_FILES, ClipTokens, find_merges


class Texts(TowerEncoder):
    """English texts in CLIP's tokens, 77 at most with the two that enclose them; what is longer is cut.

    Args:
        spec: As for ``TowerEncoder``, and so with the other options.
        weights: Repository.
        revision: Commit.
        folder: Folder of the checkpoint.
        tokenizer: CLIP's list of merges, or a folder that holds it; None for the checkpoint's folder.
        batch_size: Texts per batch.
        device: A torch device.
        dtype: Number format.

    Raises:
        anybind.PluginError: also when there is no list of merges, or it does not fit the checkpoint.
    """

    tower = "text"
    files = (*CHECKPOINT_FILES, *MERGE_FILES)

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        tokenizer: str | None = None,
        batch_size: int = 8,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        super().__init__(
            spec, weights=weights, revision=revision, folder=folder, batch_size=batch_size, device=device, dtype=dtype
        )
        merges = find_merges(self._folder if tokenizer is None else Path(tokenizer))
        size, longest = self._stem.words.num_embeddings, self._stem.positions.shape[1]
        self._tokens = ClipTokens(merges, vocabulary=size, longest=longest)

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed texts, in order. An empty text is embedded as one without words.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is not text.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(
            samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim, length=len
        )

    def _encode(self, batch: list[str]) -> torch.Tensor:
        rows = self._tokens(batch)
        ends = torch.tensor([len(row) - 1 for row in rows])
        # No token sees those after it, so what a row is filled up with changes nothing.
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        vectors: torch.Tensor = self._network(ids.to(self._device), ends.to(self._device))
        return vectors
