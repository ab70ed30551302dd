"""Texts to tokens: how many a network takes, and how they are padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import anybind

# Where neither tokenizer nor network has a limit (relative positions), and what is too large to be one.
_DEFAULT, _NO_LIMIT = 512, 1_000_000


class Tokens:
    """A tokenizer with the number of tokens that a network takes.

    Args:
        encoder: The encoder's name, for messages.
        tokenizer: Of transformers; it pads to the right from now on.
        network: With ``config``.
        wanted: The user's limit, or None.

    Raises:
        UsageError: the user wants more tokens than the network takes.
    """

    def __init__(self, encoder: str, tokenizer: Any, network: Any, wanted: int | None) -> None:
        places = _places(network)
        if wanted is not None and places is not None and wanted > places:
            raise anybind.UsageError(
                f"encoder {encoder} does not take so many tokens", where=f"encoder {encoder}, option max_tokens",
                got=wanted, expected=f"at most {places}",
            )  # fmt: skip
        own = tokenizer.model_max_length
        usual = min(own if own < _NO_LIMIT else _DEFAULT, places or _DEFAULT)
        tokenizer.padding_side = "right"
        self.tokenizer = tokenizer
        self.limit = usual if wanted is None else wanted

    def __call__(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """(n, longest) int64 ``input_ids`` and ``attention_mask``, cut at the limit."""
        found = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.limit, return_tensors="pt",
            return_attention_mask=True, return_token_type_ids=False,
        )  # fmt: skip
        return {"input_ids": found["input_ids"].long(), "attention_mask": found["attention_mask"].long()}


def padded_to_the_end(texts: Sequence[str], tokens: Tokens) -> dict[str, torch.Tensor]:
    """Ids without a start token, ended by the end token, and padded to the limit; the padding counts as text.

    SigLIP was trained so: its vector is the state of the last place, whatever stands there.
    """
    end, fill = tokens.tokenizer.eos_token_id, tokens.tokenizer.pad_token_id
    rows = []
    for text in texts:
        found = tokens.tokenizer(text, add_special_tokens=False, truncation=True, max_length=tokens.limit - 1)
        ids = found["input_ids"]
        rows.append([*ids, end] + [fill] * (tokens.limit - len(ids) - 1))
    return {"input_ids": torch.tensor(rows)}


def _places(network: Any) -> int | None:
    """How many positions a network has for tokens; None where positions are relative."""
    positions = getattr(network.config, "max_position_embeddings", None)
    if positions is None:
        return None
    # RoBERTa and its kin count from behind the padding token's number.
    owners = (m for m in network.modules() if not isinstance(m, torch.nn.Embedding))
    numbers = (getattr(module, "padding_idx", None) for module in owners)
    lost = next((number + 1 for number in numbers if isinstance(number, int)), 0)
    return int(positions) - lost
