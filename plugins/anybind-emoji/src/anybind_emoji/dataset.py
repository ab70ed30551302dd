"""The data set ``emoji``: rows of one split, with the modalities that were asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anybind
from anybind_emoji import collection, splits


class EmojiDataset:
    """Emoji of one split: a picture and its texts.

    A row maps ``image`` to PNG bytes (128 x 128, RGB or palette, opaque) and ``text_<language>`` to
    ``name: keyword, keyword``. The split ``oracle`` is the items of ``d1``, the split ``all`` the whole
    collection.

    Args:
        split: ``d1`` ... ``dN``, ``test``, ``oracle`` or ``all``.
        parts: How many disjoint training parts there are, at least 1.
        pairs: Items in each part; None takes as many as fit beside the 300 of ``test``.
        seed: Seeds the cut, at least 0. The ids of ``test`` depend on nothing else.
        languages: Languages whose texts rows hold; all if not given.
        modalities: What rows hold; None means ``image`` and the text of every language in ``languages``.

    Attributes:
        collection: Name of the items themselves; it changes whenever a picture or text does.
        modalities: What every row holds.
        ids: Unicode hexcodes of the rows, e.g. ``1F436``.
        groups: For every row the first emoji of its family of near-duplicates.
        attribution: What must stand wherever the pictures are shown.

    Raises:
        anybind.UsageError: an option has a value that does not exist or cannot be met.
        anybind.DataError: the shipped data is missing or damaged.
    """

    attribution: str = collection.ATTRIBUTION

    def __init__(
        self,
        *,
        split: str | None = None,
        parts: int = 2,
        pairs: int | None = None,
        seed: int = 0,
        languages: Sequence[str] = collection.LANGUAGES,
        modalities: Sequence[str] | None = None,
    ) -> None:
        _at_least("parts", parts, 1)
        _at_least("seed", seed, 0)
        self.modalities = _modalities(languages, modalities)
        self.collection = collection.collection_name()
        self._items = collection.items()
        self.ids: tuple[str, ...] = tuple(self._choose(split, parts, pairs, seed))
        self.groups: tuple[str, ...] = tuple(self._items[identifier].family for identifier in self.ids)

    def _choose(self, split: str | None, parts: int, pairs: int | None, seed: int) -> Iterable[str]:
        known = splits.split_names(parts)
        if split is None:
            raise _refusal("is missing", "split", got="nothing", expected=known)
        if split not in known:
            raise _refusal("names a split that does not exist", "split", got=split, expected=known)
        if split == "all":
            return self._items
        families = {item.id: item.family for item in self._items.values()}
        cut = splits.make_splits(families, parts=parts, pairs=pairs, seed=seed)
        return cut["d1" if split == "oracle" else split]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Row ``index``: modality -> PNG bytes or text."""
        item = self._items[self.ids[index]]
        return {modality: _source(item, modality) for modality in self.modalities}


def _source(item: collection.Item, modality: str) -> bytes | str:
    return (
        collection.pictures()[item.id] if modality == "image" else item.text[modality.removeprefix("text_")]
    )


def _modalities(languages: Sequence[str], modalities: Sequence[str] | None) -> tuple[str, ...]:
    wanted = tuple(languages)
    _known("languages", wanted, collection.LANGUAGES)
    offered = ("image", *(f"text_{language}" for language in wanted))
    if modalities is None:
        return offered
    _known("modalities", tuple(modalities), offered)
    return tuple(modalities)


def _known(option: str, values: tuple[str, ...], known: Sequence[str]) -> None:
    """Every value must be known, at least one given, none twice."""
    if not values:
        raise _refusal("is empty", option, got="[]", expected=known)
    for i, value in enumerate(values):
        if value in values[:i]:
            raise _refusal("names an entry twice", option, got=value, expected="each entry once")
        if value not in known:
            raise _refusal("names an entry that does not exist", option, got=value, expected=known)


def _at_least(option: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise _refusal("is too small", option, got=value, expected=f"{minimum} or more")


def _refusal(what: str, option: str, *, got: object, expected: str | Sequence[str]) -> anybind.UsageError:
    known = () if isinstance(expected, str) else expected
    close = difflib.get_close_matches(str(got), known, n=1)
    return anybind.UsageError(
        f"Option {option} of data set emoji {what}.",
        where=f"data set emoji, option {option}",
        got=got,
        expected=", ".join(known) if known else expected,
        hint=f"did you mean {close[0]!r}?" if close else None,
    )
