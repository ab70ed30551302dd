"""The README.md of an artifact: what binds to what, on which data, how well, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anybind.artifact import SpaceInfo, Training

_USAGE = """## Use

```python
import anybind

binder = anybind.Binder.from_pretrained("PATH_OF_THIS_FOLDER")
{calls}
```
"""


def model_card(method: str, spaces: Mapping[str, SpaceInfo], training: Training, metrics: str | None) -> str:
    """The card as Markdown.

    Args:
        method: The binder's method.
        spaces: What is bound.
        training: On which data.
        metrics: metrics.json, if anything was measured; left out when it is not what a run writes.
    """
    parts = [
        f"# A binder of {', '.join(sorted(spaces))}",
        f"Method `{method}`, made with anybind.",
        "## Spaces", _spaces_table(spaces),
        "## Training data", _training_table(training),
        *_numbers(metrics),
        _USAGE.format(calls=_calls(spaces)),
        "## Licences",
        "A binder inherits the terms of the encoders and data it was made from; see the table of spaces. "
        "What is marked unknown must be found out before this binder is passed on.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _spaces_table(spaces: Mapping[str, SpaceInfo]) -> str:
    rows = [
        (name, space.modality, str(space.dim), space.encoder or "vectors of your own", space.revision or "",
         space.distribution or "", space.licence or "unknown")
        for name, space in sorted(spaces.items())
    ]  # fmt: skip
    return table(("space", "modality", "dims", "encoder", "revision", "from", "licence"), rows)


def _training_table(training: Training) -> str:
    rows = [
        (name, ", ".join(f"{space} {count}" for space, count in sorted(dataset.rows.items())))
        for name, dataset in sorted(training.datasets.items())
    ]
    return table(("data set", "rows per space"), rows)


def _numbers(metrics: str | None) -> list[str]:
    try:
        results: list[dict[str, Any]] = json.loads(metrics)["results"] if metrics else []
        rows = [_result_row(result) for result in results]
        seeds, queries = (len(results[0]["per_seed"]), int(results[0]["n_queries"])) if results else (0, 0)
    except (ValueError, KeyError, TypeError, IndexError):
        return []
    if not rows:
        return []
    header = ("pair", "MRR", "R@1", "R@5", "R@10", "chance MRR", "oracle MRR")
    note = f"Mean of both directions over {seeds} seeds, {queries} queries each."
    return ["## Measured", table(header, rows), note]


def _result_row(result: Mapping[str, Any]) -> tuple[str, ...]:
    recall = [f"{result['recall'][k]:.3f}" for k in ("1", "5", "10")]
    oracle = f"{result['oracle']['mrr']:.3f}" if result["oracle"] else ""
    mrr, chance = f"{result['mrr']:.3f}", f"{result['chance']['mrr']:.3f}"
    return (" – ".join(result["pair"]), mrr, *recall, chance, oracle)


def _calls(spaces: Mapping[str, SpaceInfo]) -> str:
    names = sorted(spaces)
    a, b = names[0], names[-1]
    if spaces[a].encoder and spaces[b].encoder:
        return f'left = binder.encode([...], modality="{a}")\nright = binder.encode([...], modality="{b}")'
    return f'scores = binder.score("{a}", vectors_a, "{b}", vectors_b)'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = [header, ["---" for _ in header], *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that stays one cell, whatever it holds: no line break, no HTML, no bar of the table."""
    line = " ".join(escape(text, quote=False).split())
    return line.replace("\\", "\\\\").replace("|", "\\|")
