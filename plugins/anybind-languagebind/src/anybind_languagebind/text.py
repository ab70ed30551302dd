"""The language tower, which all checkpoints of LanguageBind hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind.encoder_kit.checkpoints import read_json
from anybind_languagebind import repositories
from anybind_languagebind.loading import text_network

_MAX_MERGES = 50_000_000


class TextTower:
    """LanguageBind's language tower, that of OpenCLIP's ViT-L/14.

    Args:
        spec: The encoder's spec.
        weights: Repository of the checkpoint, any of LanguageBind's.
        revision: Its commit.
        folder: A folder on disk in place of both.
        batch_size: Texts at once.
        device: Where torch runs it.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.TEXT.weights,
        revision: str | None = repositories.TEXT.revision, folder: str | None = None, batch_size: int = 32,
        device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        self.spec = spec
        self._network, settings, path = text_network(
            spec, weights=weights, revision=revision, folder=folder, device=device, dtype=dtype
        )
        self._tokenizer = _tokenizer(path, settings.vocab_size)
        self._longest, self._batch_size = settings.max_position_embeddings, batch_size
        self._device = next(self._network.parameters()).device

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """Embed texts, in order; what is longer than the network's number of places (77 tokens) is cut.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is not text; ``where`` names its place.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim, length=len)

    def _encode(self, batch: list[str]) -> torch.Tensor:
        tokens = self._tokenizer(
            batch, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        ids: torch.Tensor = tokens["input_ids"].to(self._device)
        # Tokens see only what comes before them: what follows the first end token has no effect.
        end = (ids == self._tokenizer.eos_token_id).int().argmax(1)
        rows: torch.Tensor = self._network(ids, end)
        return rows


def _tokenizer(folder: Path, size: int) -> Any:
    """CLIP's tokenizer with the vocabulary of a checkpoint; PluginError when it is damaged or does not fit."""
    from transformers import CLIPTokenizer

    vocabulary: dict[str, Any] = read_json(folder / "vocab.json")
    ids = list(vocabulary.values())
    ends = {"<|startoftext|>", "<|endoftext|>"} - vocabulary.keys()
    if ends or not all(isinstance(number, int) and 0 <= number < size for number in ids):
        raise anybind.PluginError(
            "a checkpoint's vocabulary does not fit its network", where=folder / "vocab.json",
            got=f"{len(ids)} tokens, without {', '.join(sorted(ends))}" if ends else f"{len(ids)} tokens",
            expected=f"tokens 0 ... {size - 1}, among them the two for start and end",
        )  # fmt: skip
    merges: Any = _merges(folder / "merges.txt", vocabulary)  # the annotation there knows texts alone
    return CLIPTokenizer(vocab=vocabulary, merges=merges)


def _merges(path: Path, vocabulary: dict[str, Any]) -> list[tuple[str, str]]:
    """The pairs of pieces that become one, in order of preference."""
    try:
        if path.stat().st_size > _MAX_MERGES:
            raise ValueError(f"larger than {_MAX_MERGES} bytes")
        lines = [line for line in path.read_text("utf-8").split("\n") if line and not line.startswith("#version")]
    except (OSError, ValueError) as error:
        raise anybind.PluginError("a checkpoint's file cannot be read", where=path, got=error) from error
    pairs = [(left, right) for left, _, right in (line.partition(" ") for line in lines)]
    wrong = next((pair for pair in pairs if not {*pair, "".join(pair)} <= vocabulary.keys()), None)
    if wrong is not None:
        raise anybind.PluginError(
            "a checkpoint's merges do not fit its vocabulary", where=path, got=" ".join(wrong),
            expected="two pieces that the vocabulary holds, apart and joined",
        )  # fmt: skip
    return pairs
