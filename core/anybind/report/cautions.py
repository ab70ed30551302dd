"""What a reader must know before trusting the numbers: warnings of the run, and items that leaked into training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from anybind.report.figures.axes import folded, number, table

_KINDS = {"shared_ids": "by id", "same_content": "by content", "near_duplicates": "as a near-duplicate"}


def cautions_html(results: Sequence[Mapping[str, Any]]) -> str:
    """Warnings and leaked items of all results; an empty text when there are none."""
    told = [f"<li>{text}</li>" for text in dict.fromkeys(_told(results))]
    if not told:
        return ""
    examples = [each for result in results for each in (result.get("leakage") or {}).get("examples") or ()]
    return f'<ul class="careful-list">{"".join(told)}</ul>{_examples(examples)}'


def leak_sentence(result: Mapping[str, Any]) -> str:
    """What the leakage check of a result found, as HTML; an empty text when none was made."""
    leakage = result.get("leakage")
    if leakage is None:
        leaked = result.get("leaked_ids")
        if leaked is None:
            return ""
        return f"Careful: {leaked:,} test items are in the training data too." if leaked else _CLEAN
    found = [f"{leakage[key]:,} {words}" for key, words in _KINDS.items() if leakage[key]]
    if found:
        return f"Careful: test items were seen in training: {', '.join(found)}."
    threshold = leakage.get("threshold")
    near = "" if threshold is None else f" A near-duplicate is one of a cosine of {threshold:.3f} or more."
    return f"{_CLEAN[:-1]}: none by id, by content or as a near-duplicate.{near}"


_CLEAN = "No test item is in the training data."


def _told(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The warnings of every result; where it has none, what leaked."""
    for result in results:
        pair = " ↔ ".join(escape(str(space)) for space in result["pair"])
        sentence = leak_sentence(result)
        leaked = [sentence] if sentence.startswith("Careful") else []
        for text in [escape(str(warning)) for warning in result.get("warnings") or ()] or leaked:
            yield f"<strong>{pair}</strong>: {text}"


def _examples(examples: Sequence[Mapping[str, Any]]) -> str:
    if not examples:
        return ""
    rows = dict.fromkeys(
        (str(each["test"]), str(each["training"]), str(each["dataset"]), str(each["space"]), str(each["why"]),
         number(each.get("cosine")))
        for each in examples
    )  # fmt: skip
    head = ("Test item", "training item", "data set", "space", "found by", "cosine")
    return folded("Some of them", table(head, rows, "Test items that are in the training data"))
