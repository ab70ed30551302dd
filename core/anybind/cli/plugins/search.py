"""``anybind plugins search``: what exists, installed or not, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from anybind.cli.common import command, load_registry
from anybind.cli.output import Output
from anybind.cli.tables import shortened, table

if TYPE_CHECKING:
    from anybind.registry_search import Found

_HEADER = ("kind", "name", "what", "licence", "provided by", "how to get it")
_MOST_ROWS = 40  # in the table; --json has all of them


@command("search")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--kind", type=click.Choice(["encoder", "dataset", "modality", "binder"]), help="Only these.")
def search(out: Output, words: tuple[str, ...], kind: str | None) -> int:
    """Find encoders, data sets, modalities and methods, installed or not, and how to get them.

    All the words must fit: a name, a modality, a description, a shared space, or who provides it. Without words
    everything is listed. Exit code 1 when nothing is found.

    \b
    anybind plugins search audio
    anybind plugins search touch --kind encoder
    """
    from anybind.registry_search import search as find
    from anybind.registry_search import suggestion

    registry = load_registry()
    found = find(registry, words, kind)
    better = None if found else suggestion(registry, words, kind)
    fields = {"words": words, "kind": kind, "found": [thing.to_dict() for thing in found], "did_you_mean": better}
    out.result(fields, _lines(found) if found else [_nothing(words, better)])
    return 0 if found else 1


def _lines(found: Sequence[Found]) -> Iterator[str]:
    yield from table(_HEADER, [_row(thing) for thing in found[:_MOST_ROWS]])
    if len(found) > _MOST_ROWS:
        yield f"and {len(found) - _MOST_ROWS} more: give another word or --kind, or see --json"


def _row(thing: Found) -> tuple[str, ...]:
    from anybind.registry import LABELS

    if thing.version is not None:
        way = f"installed, {thing.version}"
    else:
        way = thing.how_to_get or "no plugin yet"
    what = shortened(_what(thing), 50)
    return LABELS[thing.kind], thing.name, what, thing.licence or "–", thing.provided_by or "–", way


def _what(thing: Found) -> str:
    """The fact that matters most when one looks for a thing of its kind."""
    parts = ", ".join(thing.modalities)
    if thing.kind == "encoder":
        return parts if thing.dim is None else f"{parts}, {thing.dim} dims"
    if thing.kind == "dataset":
        return (parts or "as its options say") + (f"; {thing.pairs:,} pairs" if thing.pairs else "")
    if thing.kind == "modality" and parts:
        return f"{thing.description.rstrip('.')}; a kind of {thing.modalities[0]}"
    return thing.description


def _nothing(words: Sequence[str], better: str | None) -> str:
    return f"nothing is known by {' '.join(words)!r}" + (f"; did you mean {better!r}?" if better else "")
