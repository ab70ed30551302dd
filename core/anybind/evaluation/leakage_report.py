"""What a test and training data have in common, as it is told: counts, examples, thresholds and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

Why: TypeAlias = Literal["id", "content", "near-duplicate"]
_STRENGTH: dict[Why, int] = {"id": 0, "content": 1, "near-duplicate": 2}
_EXAMPLES = 20
_MANY = 0.05  # of a space's training rows with a copy among the others, that a reader should know of


@dataclass(frozen=True)
class Leak:
    """A test item that is found in training data, in one space.

    Attributes:
        test, training: The ids of the two items.
        dataset: The training data set.
        space: The space in which it is found.
        why: ``id`` (the same item), ``content`` (equal vectors: the same to the encoder) or ``near-duplicate``.
        cosine: Of the two vectors, in [-1, 1]; None for ``id``, and for a family that has no vector in the test.
    """

    test: str
    training: str
    dataset: str
    space: str
    why: Why
    cosine: float | None = None

    @property
    def order(self) -> tuple[int, float]:
        """The surer the find, the lower."""
        return _STRENGTH[self.why], -(self.cosine or 0.0)


@dataclass(frozen=True)
class Compared:
    """One space of the test held against one training data set.

    Attributes:
        dataset, space: Which.
        rows: Training rows that hold the space.
        threshold: The cosine above which two items are near-duplicates; None where it cannot be told.
        repeated: The share of (up to 2,000 sampled) training rows with an equal among the others.
    """

    dataset: str
    space: str
    rows: int
    threshold: float | None
    repeated: float


@dataclass(frozen=True)
class Leakage:
    """What training data and a test have in common.

    An item is counted once, by the surest of its finds.

    Attributes:
        checked: Test items.
        leaks: For every test item and space that is found in training data the surest find; the surest first.
        compared: What was held against what.
    """

    checked: int
    leaks: tuple[Leak, ...]
    compared: tuple[Compared, ...]

    @cached_property
    def by_item(self) -> Mapping[str, Leak]:
        """Test id -> its surest find; the surest first."""
        surest: dict[str, Leak] = {}
        for leak in self.leaks:
            surest.setdefault(leak.test, leak)
        return surest

    @property
    def shared_ids(self) -> int:
        """Test items that are training items, by id."""
        return self._counted("id")

    @property
    def same_content(self) -> int:
        """Other test items whose vector in some space equals a training item's."""
        return self._counted("content")

    @property
    def near_duplicates(self) -> int:
        """Other test items with a near-duplicate in the training data."""
        return self._counted("near-duplicate")

    @property
    def both_sides(self) -> int:
        """Test items found in two spaces: these may leak the pair itself, through one row or through the pivot."""
        spaces = {each.space for each in self.compared}
        found = Counter(leak.test for leak in self.leaks if leak.space in spaces)
        return sum(times > 1 for times in found.values())

    @property
    def threshold(self) -> float | None:
        """The lowest cosine of a near-duplicate in any comparison; None where none could be told."""
        return min((each.threshold for each in self.compared if each.threshold is not None), default=None)

    def warnings(self) -> list[str]:
        """A sentence for each kind of find, with an example; none if nothing was found."""
        return list(_warnings(self))

    def to_dict(self) -> dict[str, Any]:
        """Counts, thresholds and at most 20 examples, one an item, as plain JSON values."""
        examples = list(self.by_item.values())[:_EXAMPLES]
        return {
            "shared_ids": self.shared_ids, "same_content": self.same_content, "near_duplicates": self.near_duplicates,
            "both_sides": self.both_sides, "threshold": self.threshold, "checked": self.checked,
            "examples": [asdict(leak) for leak in examples], "compared": [asdict(each) for each in self.compared],
        }  # fmt: skip

    def _counted(self, why: Why) -> int:
        return sum(leak.why == why for leak in self.by_item.values())


_FOUND: dict[Why, tuple[str, str]] = {
    "id": ("test item is in the training data too", "test items are in the training data too"),
    "content": ("test item has the same content as a training item",
                "test items have the same content as training items"),
    "near-duplicate": ("test item has a near-duplicate in the training data",
                       "test items have near-duplicates in the training data"),
}  # fmt: skip


def _warnings(leakage: Leakage) -> Iterator[str]:
    surest = leakage.by_item.values()
    for why, (one, many) in _FOUND.items():
        found = [leak for leak in surest if leak.why == why]
        if found:
            yield f"{len(found)} {one if len(found) == 1 else many}: {_example(found[0])}."
    if leakage.both_sides:
        items = "test item is" if leakage.both_sides == 1 else "test items are"
        yield f"{leakage.both_sides} {items} found in the training data in both spaces of the pair."
    shared = {(leak.dataset, leak.space) for leak in surest if leak.why == "content"}
    for each in leakage.compared:
        if each.repeated > _MANY and (each.dataset, each.space) in shared:
            yield (
                f"{100 * each.repeated:.0f} % of the {each.space} of data set {each.dataset} equal another one there: "
                "equal content is common in it, and need not be a leak."
            )


def _example(leak: Leak) -> str:
    if leak.why == "id":
        return f"for example {leak.test!r} in data set {leak.dataset}"
    cosine = "" if leak.cosine is None or leak.why == "content" else f", cosine {leak.cosine:.4f}"
    return f"for example {leak.space} of {leak.test!r} and of {leak.training!r} in data set {leak.dataset}{cosine}"
