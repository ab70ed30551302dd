"""``anybind plan --what-if``: what would help a pair of spaces most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anybind.cli.common import first_seed, open_store
from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.workflow import Graph, WhatIf

Found = tuple[tuple[str, str], "Sequence[WhatIf]"]


def show_what_would_help(
    out: Output, graph: Graph, pairs: Sequence[tuple[str, ...]], store_path: Path | None, gallery: int, more: int
) -> None:
    """Calculate it for every pair, and print it."""
    from anybind.workflow import what_if

    found: list[Found] = []
    for a, c in pairs:
        pair = graph.resolve(a), graph.resolve(c)
        told = what_if(graph, open_store(graph, store_path), pair, gallery=gallery, more=more,
                       seed=first_seed(graph, None), echo=out.note)  # fmt: skip
        found.append((pair, told))
    plans = [{"pair": list(pair), "gallery": gallery, "what_if": [each.to_dict() for each in told]}
             for pair, told in found]  # fmt: skip
    out.result({"graph": graph.path, "plans": plans}, _lines(found, gallery))


def _lines(found: Sequence[Found], gallery: int) -> Iterator[str]:
    for pair, told in found:
        yield f"{pair[0]} → {pair[1]}: what would help, R@10 among {gallery:,} items"
        for each in told:
            gain = "" if each.gain is None else f"{each.gain:+.3f}, to {each.recall:.3f}"
            yield f"  {gain:<16}  {each.action}"
            yield f"  {'':<16}  ({each.why})"
        yield ""
