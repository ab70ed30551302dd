"""``anybind extract``: embed a graph's data sets into its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from anybind.cli.common import PATH, command, graph_argument, open_graph, open_store, store_option
from anybind.cli.output import Output
from anybind.cli.results import left_out_lines
from anybind.cli.tables import table
from anybind.errors import UnknownNameError, UsageError
from anybind.options import did_you_mean

if TYPE_CHECKING:
    from anybind.extract import ExtractReport
    from anybind.workflow import Graph

_HEADER = ("space", "rows", "written", "reused", "seconds")


@command("extract")
@graph_argument
@store_option
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do about a sample that cannot be read.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Threads that load samples."
)
@click.option(
    "--encoder", "encoders", multiple=True, metavar="NAME",
    help="Embed by this encoder only; the name of a space or of an encoder. May be given again.",
)
@click.option(
    "--python", type=PATH, metavar="ENV",
    help="Embed in another Python environment: its folder or its interpreter. Needs --encoder.",
)
def extract(
    out: Output, graph_path: Path, store_path: Path | None, on_error: Literal["fail", "skip"], workers: int,
    encoders: tuple[str, ...], python: Path | None,
) -> None:  # fmt: skip
    """Embed what a graph's data sets hold and its store lacks.

    A run that was killed goes on where it was. Several ranks share the work:

    \b
    torchrun --nproc-per-node 2 -m anybind extract graph.yaml

    An encoder whose dependencies do not go with the others' runs in an environment of its own:

    \b
    anybind extract graph.yaml --encoder NAME --python other/.venv
    """
    graph = open_graph(graph_path)
    spaces = _spaces(graph, encoders)
    from anybind.distributed import Runtime
    from anybind.workflow import extract_graph, extract_isolated

    store = open_store(graph, store_path)
    with Runtime.from_env() as runtime:
        if python is not None:
            _require_alone(encoders, runtime.world)
            report = extract_isolated(
                graph, store, python, spaces=spaces, on_error=on_error, workers=workers, progress=out.progress
            )
        else:
            report = extract_graph(
                graph, store, spaces=spaces, on_error=on_error, workers=workers, progress=out.progress,
                runtime=runtime,
            )  # fmt: skip
        if runtime.rank == 0:
            out.result({"store": store.root, **report.to_dict()}, _lines(report, store.root))


def _spaces(graph: Graph, encoders: Sequence[str]) -> list[str]:
    """The names of the spaces that are asked for, by their own name or by their encoder's; all by default."""
    known = graph.spaces.values()
    unknown = [name for name in encoders if not any(name in (space.name, space.encoder) for space in known)]
    if unknown:
        names = dict.fromkeys(name for space in known for name in (space.name, space.encoder))
        raise UnknownNameError(
            "the graph has no such encoder", where=graph.path, got=", ".join(unknown),
            expected=f"some of {', '.join(names)}", hint=did_you_mean(unknown[0], names),
        )  # fmt: skip
    return [space.name for space in known if not encoders or {space.name, space.encoder} & set(encoders)]


def _require_alone(encoders: Sequence[str], world: int) -> None:
    if not encoders:
        raise UsageError("--python needs to know which encoder to run there", hint="add --encoder NAME")
    if world > 1:
        raise UsageError("--python runs one process", got=f"{world} ranks", hint="start it without torchrun")


def _lines(report: ExtractReport, store: Path) -> Iterator[str]:
    rows = [
        (s.space, str(s.rows), str(s.fill.written), str(s.fill.reused), f"{s.seconds:.1f}")
        for s in report.spaces
    ]
    yield from table(_HEADER, rows, right=_HEADER[1:])
    yield from left_out_lines(report.skipped)
    yield f"store {store}"
