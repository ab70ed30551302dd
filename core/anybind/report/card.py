"""The README.md of an artifact: what binds to what, on which data, how well, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        metrics: metrics.json, if anything was measured.
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
        (name, ", ".join(f"{space} {count}" for space, count in sorted(content.get("rows", {}).items())))
        for name, content in sorted(training.datasets.items())
    ]
    return table(("data set", "rows per space"), rows)


def _numbers(metrics: str | None) -> list[str]:
    results: list[dict[str, Any]] = json.loads(metrics).get("results", []) if metrics else []
    if not results:
        return []
    rows = [
        (" – ".join(r["pair"]), f"{r['mrr']:.3f}", *(f"{r['recall'][k]:.3f}" for k in ("1", "5", "10")),
         f"{r['chance']['mrr']:.3f}", f"{r['oracle']['mrr']:.3f}" if r["oracle"] else "")
        for r in results
    ]  # fmt: skip
    note = f"Mean of both directions over {len(results[0]['per_seed'])} seeds, {results[0]['n_queries']} queries each."
    return ["## Measured", table(("pair", "MRR", "R@1", "R@5", "R@10", "chance MRR", "oracle MRR"), rows), note]


def _calls(spaces: Mapping[str, SpaceInfo]) -> str:
    names = sorted(spaces)
    a, b = names[0], names[-1]
    if spaces[a].encoder and spaces[b].encoder:
        return f'left = binder.encode([...], modality="{a}")\nright = binder.encode([...], modality="{b}")'
    return f'scores = binder.score("{a}", vectors_a, "{b}", vectors_b)'


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
