"""all-MiniLM-L6-v2: English text to 384 numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

import anybind
from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind.encoder_kit.devices import checked_device
from anybind_lite import weights

MAX_TOKENS = 256  # as in the model's sentence_bert_config.json; what is longer is cut
_CONFIG_KEYS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
)


class MiniLM:
    """The last hidden states of MiniLM, averaged over the tokens and scaled to length 1.

    Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2

    Args:
        spec: The encoder's spec, with ``dim`` 384.
        batch_size: Texts per batch, at least 1.
        device: A torch device.

    Raises:
        anybind.PluginError: the weights are missing or damaged.
        anybind.UsageError: the device does not exist.
    """

    def __init__(self, spec: anybind.EncoderSpec, *, batch_size: int = 32, device: str = "cpu") -> None:
        self.spec = spec
        self._batch_size = batch_size
        self._device = checked_device(spec.name, device)
        self._model = _load(weights.MINILM_CONFIG.checked(), weights.MINILM.checked()).to(self._device)
        self._tokenizer = Tokenizer.from_file(str(weights.MINILM_TOKENIZER.checked()))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        """Embed texts, in order. An empty text is embedded as one without words.

        Returns:
            (len(samples), 384) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is not text.
        """
        check_texts(self.spec.name, samples)
        return encode_in_batches(
            samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim, length=len
        )

    def as_sentence_transformer(self) -> Any:
        """The same model as a ``sentence_transformers.SentenceTransformer``, for export; needs that library."""
        from sentence_transformers import SentenceTransformer

        folder = weights.MINILM.checked().parent
        with torch.random.fork_rng(devices=[]):
            return SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def _encode(self, batch: list[str]) -> torch.Tensor:
        tokens = self._tokenizer.encode_batch(batch)
        ids = torch.tensor([text.ids for text in tokens], device=self._device)
        mask = torch.tensor([text.attention_mask for text in tokens], device=self._device)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(2).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=1)


def _load(config_path: Path, weights_path: Path) -> Any:
    config = json.loads(config_path.read_text(encoding="utf-8"))
    with torch.random.fork_rng(devices=[]):  # building draws random weights, which are then replaced
        model: Any = BertModel(
            BertConfig(**{key: config[key] for key in _CONFIG_KEYS}), add_pooling_layer=False
        )
    # The file also holds the pooler, which sentence embeddings do not use, and a constant.
    wanted = model.state_dict().keys()
    model.load_state_dict({key: value for key, value in load_file(weights_path).items() if key in wanted})
    return model.eval().requires_grad_(False)
