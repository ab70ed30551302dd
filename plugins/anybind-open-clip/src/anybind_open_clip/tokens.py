"""Text to CLIP's tokens, as open_clip does it, with the ``tokenizer.json`` beside a checkpoint."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

import anybind

# open_clip tidies text with ftfy before it is cut into tokens. This is what ftfy does to text that is in order:
# plain quotes, usual widths, ligatures taken apart. It does not mend text that was decoded wrongly.
_QUOTES = {**dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'"), **dict.fromkeys(range(0x201C, 0x2020), '"')}
_COMPATIBLE = [0x3000, *range(0xFF01, 0xFFF0), 0x132, 0x133, 0x149, *range(0x1F1, 0x1F4), *range(0x1C4, 0x1CD),
               *range(0xFB00, 0xFB07)]  # fmt: skip
_TIDY = {code: unicodedata.normalize("NFKC", chr(code)).translate(_QUOTES) for code in _COMPATIBLE} | _QUOTES


def tidied(text: str) -> str:
    """Plain quotes and widths, and no HTML entities, which may be escaped twice."""
    return html.unescape(html.unescape(text.translate(_TIDY))).strip()


class ClipTokens:
    """Texts to padded ids.

    Args:
        path: The file ``tokenizer.json``.
        context_length: Most tokens of a text, with its first and last; what is longer is cut.
        vocab_size: How many tokens the network knows.

    Raises:
        anybind.PluginError: the file is missing or damaged, or is not CLIP's tokenizer for this network.
    """

    def __init__(self, path: Path, *, context_length: int, vocab_size: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more exact
            raise anybind.PluginError(
                "a checkpoint's tokenizer cannot be read", where=path, got=str(error).split("\n", 1)[0],
                expected="the file tokenizer.json that CLIP's checkpoints come with",
                hint=None if path.exists() else "copy it from the repository of any CLIP with the same tokens",
            ) from error  # fmt: skip
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context_length)
        self._tokenizer.encode_special_tokens = True  # a text that spells the end token does not end there
        ends = self._tokenizer.encode("").ids
        size = self._tokenizer.get_vocab_size()
        if len(ends) != 2 or ends != [size - 2, size - 1] or size != vocab_size:
            raise anybind.PluginError(
                "a checkpoint's tokenizer is not CLIP's for this network", where=path,
                got=f"{size} tokens, an empty text as {ends}",
                expected=f"{vocab_size} tokens, an empty text as {[vocab_size - 2, vocab_size - 1]}",
            )  # fmt: skip

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """(len(texts), longest) int64, padded with 0."""
        found = self._tokenizer.encode_batch([tidied(text) for text in texts])
        longest = max(len(text.ids) for text in found)
        return torch.tensor([text.ids + [0] * (longest - len(text.ids)) for text in found])
