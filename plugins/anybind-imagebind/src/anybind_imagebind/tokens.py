"""CLIP's tokens from its list of merges, ``bpe_simple_vocab_16e6.txt.gz`` or ``merges.txt``.

The list is all there is to it: the first 512 tokens are the 256 bytes, within and at the end of a word, each merge adds
one, and the last two begin and end a text (Radford et al. 2021, arXiv:2103.00020).
"""

from __future__ import annotations

import gzip
import html
import unicodedata
import zlib
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps

import anybind

MERGE_FILES = ("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "merges.txt")
_END_OF_WORD = "</w>"
_BYTES, _ENDS = 512, 2
_LARGEST = 50_000_000
# English endings, runs of letters, single digits, runs of anything else but spaces.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_QUOTES = {**dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'"), **dict.fromkeys(range(0x201C, 0x2020), '"')}


class ClipTokens:
    """Texts to lists of ids.

    Args:
        path: The list of merges.
        vocabulary: How many tokens the network knows; that many merges are used.
        longest: Most tokens of a text, with the two that enclose it.

    Raises:
        anybind.PluginError: the list is missing, damaged or too short.
    """

    def __init__(self, path: Path, *, vocabulary: int, longest: int) -> None:
        merges = read_merges(path, vocabulary - _BYTES - _ENDS)
        symbols = _byte_symbols()
        names = [*symbols, *(symbol + _END_OF_WORD for symbol in symbols), *(a + b for a, b in merges)]
        try:
            model = BPE({name: i for i, name in enumerate(names)}, merges, end_of_word_suffix=_END_OF_WORD)
        except Exception as error:  # the library raises nothing more exact
            raise anybind.PluginError(
                "CLIP's merges do not build on each other", where=path, got=error, expected=" or ".join(MERGE_FILES)
            ) from error
        self._tokenizer = Tokenizer(model)
        words = Split(Regex(_WORDS), behavior="removed", invert=True)
        self._tokenizer.pre_tokenizer = Steps([words, ByteLevel(add_prefix_space=False, use_regex=False)])
        self._start, self._end = vocabulary - 2, vocabulary - 1
        self._inner = longest - _ENDS

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, enclosed by those that begin and end it."""
        found = self._tokenizer.encode_batch([tidied(text) for text in texts], add_special_tokens=False)
        return [[self._start, *each.ids[: self._inner], self._end] for each in found]


def tidied(text: str) -> str:
    """Lower case, composed, with plain quotes and without HTML entities, which may be escaped twice.

    The published code uses ftfy, which would also mend text that was decoded wrongly.
    """
    plain = unicodedata.normalize("NFC", text).translate(_QUOTES)
    return html.unescape(html.unescape(plain)).lower()


def find_merges(place: Path) -> Path:
    """The list of merges: ``place`` itself, or the one in that folder; raises PluginError when there is none."""
    if not place.is_dir():
        return place
    found = next((place / name for name in MERGE_FILES if (place / name).is_file()), None)
    if found is None:
        raise anybind.PluginError(
            "there is no list of CLIP's merges", where=place, expected=" or ".join(MERGE_FILES),
            hint="copy it beside the checkpoint, or name it in the option tokenizer; CLIP and open_clip ship it",
        )  # fmt: skip
    return found


def read_merges(path: Path, count: int) -> list[tuple[str, str]]:
    """The first ``count`` merges of a list; its first line is a comment.

    Raises:
        anybind.PluginError: the file is missing, damaged, too large or too short.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST)
        lines = content.decode("utf-8").split("\n")[1 : 1 + count]
        pairs = [tuple(line.split()) for line in lines]
        wrong = next((line for line, pair in zip(lines, pairs, strict=True) if len(pair) != 2), None)
        if wrong is not None or len(pairs) != count:
            raise ValueError(f"{len(pairs)} lines" if wrong is None else f"the line {wrong!r}")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise anybind.PluginError(
            "the list of CLIP's merges cannot be read", where=path, got=error,
            expected=f"a line of comment, then {count} lines of two symbols",
        ) from error  # fmt: skip
    return [(pair[0], pair[1]) for pair in pairs]


def _byte_symbols() -> list[str]:
    """A printable character for each byte: itself where it is one, else one from U+0100 on; in CLIP's order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(code) for code in (*printable, *range(0x100, 0x100 + others))]
