"""``anybind refit``: does a published binder come out again?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybind.cli.common import PATH, command, load_registry, open_store, store_option
from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.workflow import RefitResult

_SHOWN = 8


@command("refit")
@click.argument("source", metavar="DIR|OWNER/NAME")
@click.option("--revision", metavar="NAME", help="Branch, tag or commit on the Hub [main].")
@click.option("--token", metavar="TOKEN", help="A token of your own [the saved one, or HF_TOKEN].")
@click.option(
    "--data-root", type=PATH, metavar="DIR", default=Path(), help="Where relative paths in its graph begin [here]."
)
@store_option
@click.option("--out", "out_path", type=PATH, metavar="DIR", help="Folder for the binder that is fitted again.")
def refit(
    out: Output, source: str, revision: str | None, token: str | None, data_root: Path, store_path: Path | None,
    out_path: Path | None,
) -> int:  # fmt: skip
    """Fit a published binder again from its own graph, and compare the two.

    Embeds what the store lacks, fits with the same seed, method and options, and compares tensors, scores and
    numbers. Exit code 1 when it does not come out again.
    """
    from anybind.binder import Binder
    from anybind.workflow import published_graph
    from anybind.workflow import refit as fit_again

    registry = load_registry()
    published = Binder.from_pretrained(source, revision=revision, token=token, registry=registry)
    graph = published_graph(published, registry, data_root)
    result = fit_again(
        published, graph, open_store(graph, store_path), echo=out.note, progress=out.progress,
        epoch_progress=out.epoch_progress,
    )  # fmt: skip
    folder = result.binder.save_pretrained(out_path) if out_path is not None else None
    fields = {"source": source, "revision": published.revision, "binder": folder, **result.to_dict()}
    out.result(fields, _lines(result, folder))
    return 0 if result.reproduced else 1


def _lines(result: RefitResult, folder: Path | None) -> Iterator[str]:
    seed = result.binder.training.seed
    yield f"{result.binder.method_name}, seed {seed}: {'reproduced' if result.reproduced else 'NOT reproduced'}"
    for entry in result.entries:
        yield f"{' ↔ '.join(entry.pair)}: MRR {entry.published['mrr']:.4f} published, {entry.again['mrr']:.4f} again"
        if not entry.same:
            others = (name for name in entry.published if name != "mrr")
            yield "  " + ", ".join(f"{n} {entry.published[n]:.4f}, {entry.again[n]:.4f} again" for n in others)
        yield f"  scores differ by at most {entry.scores_differ:.1e} standard deviations"
    yield f"tensors  {result.tensors - len(result.differing)} of {result.tensors} the same"
    yield from _some([f"  {name}: differs by {distance:.1e}" for name, distance in result.differing.items()])
    yield from _some([f"chosen   {name}: {old} published, {new} again" for name, (old, new) in result.choices.items()])
    yield from (f"! {note}" for note in result.notes)
    if folder is not None:
        yield f"binder   {folder}"


def _some(lines: list[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN} more; --json lists every one"
