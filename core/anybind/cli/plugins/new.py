"""``anybind plugins new``: a complete plugin of the user's own, whose tests pass at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybind.cli.common import PATH, command, load_registry
from anybind.cli.output import Output

if TYPE_CHECKING:
    from anybind.plugin_template import NewPlugin


@command("new")
@click.argument("name")
@click.option("--modality", required=True, metavar="X", help="What its encoder reads: a new modality, or one there is.")
@click.option("--output", type=PATH, default=Path(), metavar="DIR", help="Where the plugin's folder goes [here].")
def new(out: Output, name: str, modality: str, output: Path) -> None:
    """Write a plugin: packaging, an encoder, a data set, examples, tests, and a README that says what to replace.

    A modality that is installed is read as it is; for any other name the plugin brings one of its own. The tests of
    what is written pass at once.

    \b
    anybind plugins new wrist --modality accelerometer
    anybind plugins new my-net --modality image
    """
    from anybind.plugin_template import write_plugin

    made = write_plugin(name, modality, output, load_registry())
    out.result(made.to_dict(), _lines(made))


def _lines(made: NewPlugin) -> Iterator[str]:
    brings = "the modality, " if made.new_modality else ""
    yield f"{made.folder}: {brings}the encoder {made.encoder!r} and the data set {made.dataset!r} for {made.modality!r}"
    yield from (f"  {file}" for file in made.files)
    yield "next:"
    yield f"  pip install -e {made.folder}"
    yield f"  anybind plugins check {made.entry_point}"
    yield f"then see {made.folder / 'README.md'} for what to replace"
