"""``anybind extract``: embed a graph's data sets into its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from anybind.cli.common import command, graph_argument, open_graph, open_store, store_option
from anybind.cli.output import Output
from anybind.cli.tables import table

if TYPE_CHECKING:
    from anybind.extract import ExtractReport

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
def extract(
    out: Output, graph_path: Path, store_path: Path | None, on_error: Literal["fail", "skip"], workers: int
) -> None:
    """Embed what a graph's data sets hold and its store lacks.

    A run that was killed goes on where it was. Several ranks share the work:

    \b
    torchrun --nproc-per-node 2 -m anybind extract graph.yaml
    """
    graph = open_graph(graph_path)
    from anybind.distributed import Runtime
    from anybind.workflow import extract_graph

    store = open_store(graph, store_path)
    with Runtime.from_env() as runtime:
        report = extract_graph(
            graph, store, on_error=on_error, workers=workers, progress=out.progress, runtime=runtime
        )
        if runtime.rank == 0:
            out.result({"store": store.root, **report.to_dict()}, _lines(report, store.root))


def _lines(report: ExtractReport, store: Path) -> Iterator[str]:
    rows = [
        (s.space, str(s.rows), str(s.fill.written), str(s.fill.reused), f"{s.seconds:.1f}")
        for s in report.spaces
    ]
    yield from table(_HEADER, rows, right=_HEADER[1:])
    for skipped in report.skipped:
        yield f"! left out: {skipped.dataset}, {skipped.modality}, id {skipped.id}: {skipped.reason}"
    yield f"store {store}"
