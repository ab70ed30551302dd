"""The data set ``spoken-emoji``: rows of one split of the emoji, with their names as sound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anybind_emoji.dataset import EmojiDataset

import anybind
from anybind_speech import collection
from anybind_speech.plugin import MODALITIES

# Words that carry no meaning of their own: sharing them makes no name known.
LITTLE_WORDS = frozenset(("a", "and", "at", "in", "no", "o", "of", "on", "the", "to", "with"))


class SpokenEmoji:
    """Emoji of one split: a picture, an English text and the name as a spoken clip.

    The splits are those of the data set ``emoji`` with the same options: what is in ``d2`` here is in no other
    split there. A row maps ``image`` to PNG bytes, ``text_en`` to ``name: keyword, keyword``, and ``speech`` to
    the bytes of a FLAC of the name alone, 16 kHz, said by one of six synthetic voices.

    Args:
        split: ``d1`` ... ``dN``, ``test``, ``oracle`` (the items of ``d1``) or ``all``.
        parts: How many disjoint training parts there are, at least 1.
        pairs: Items in each part; None takes as many as fit beside the 300 of ``test``.
        seed: Seeds the cut, at least 0.
        words: ``unseen`` keeps the rows of ``test`` whose name shares no word with any name of d1 ... dN, little
            words such as "with" aside; ``any`` keeps all.
        modalities: What rows hold; None means all three.

    Attributes:
        collection: Name of the items themselves; it changes whenever a clip, picture or text does.
        modalities: What every row holds.
        ids: Unicode hexcodes of the rows, as in ``emoji``.
        groups: For every row the first emoji of its family of near-duplicates.
        voices: For every row the name of the voice.
        attribution: What must stand wherever the samples are shown.

    Raises:
        anybind.UsageError: an option has a value that does not exist or cannot be met.
        anybind.DataError: the shipped data is missing or damaged.
    """

    def __init__(
        self,
        *,
        split: str | None = None,
        parts: int = 2,
        pairs: int | None = None,
        seed: int = 0,
        words: str = "any",
        modalities: Sequence[str] | None = None,
    ) -> None:
        self.modalities = _known(MODALITIES if modalities is None else modalities)
        others = [name for name in self.modalities if name != "speech"]
        if words not in ("any", "unseen") or (words == "unseen" and split != "test"):
            raise _refusal("words", f"{words} with split {split}", "any, or unseen with split test")

        def emoji(name: str | None) -> EmojiDataset:
            held = others or ["text_en"]
            return EmojiDataset(split=name, parts=parts, pairs=pairs, seed=seed, languages=["en"], modalities=held)

        self._emoji = emoji(split)
        self._rows: Sequence[int] = range(len(self._emoji))
        if words == "unseen":
            seen = words_of(name for part in range(parts) for name in emoji(f"d{part + 1}").ids)
            self._rows = [row for row in self._rows if not words_of([self._emoji.ids[row]]) & seen]
        self.ids: tuple[str, ...] = tuple(self._emoji.ids[row] for row in self._rows)
        self.groups: tuple[str, ...] = tuple(self._emoji.groups[row] for row in self._rows)
        self.voices: tuple[str, ...] = tuple(collection.spoken()[name].voice for name in self.ids)
        self.collection = f"{collection.collection_name()}-{self._emoji.collection}"
        self.attribution = f"{collection.ATTRIBUTION} {self._emoji.attribution}"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Row ``index``: modality -> PNG bytes, text, or FLAC bytes."""
        row = self._emoji[self._rows[index]]
        clip = {"speech": collection.clips()[self.ids[index]]} if "speech" in self.modalities else {}
        return {name: {**row, **clip}[name] for name in self.modalities}


def words_of(identifiers: Iterable[str]) -> set[str]:
    """The words of some emoji's names, without little words."""
    names = (collection.spoken()[name].spoken.lower() for name in identifiers)
    return {word for name in names for word in re.findall(r"\w+", name)} - LITTLE_WORDS


def _known(modalities: Sequence[str]) -> tuple[str, ...]:
    """Each must exist, at least one be given, none twice."""
    wrong = [name for name in modalities if name not in MODALITIES]
    if wrong or not modalities or len(set(modalities)) < len(modalities):
        raise _refusal("modalities", ", ".join(modalities) or "none", f"some of {', '.join(MODALITIES)}, each once")
    return tuple(modalities)


def _refusal(option: str, got: object, expected: str) -> anybind.UsageError:
    return anybind.UsageError(
        f"Option {option} of data set spoken-emoji cannot be met.",
        where=f"data set spoken-emoji, option {option}", got=got, expected=expected,
    )  # fmt: skip
