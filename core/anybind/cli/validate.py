"""``anybind validate``: check a graph file."""

from __future__ import annotations

from pathlib import Path

from anybind.cli.common import command, graph_argument, open_graph
from anybind.cli.output import Output


@command("validate")
@graph_argument
def validate(out: Output, graph_path: Path) -> None:
    """Check a graph file against what is installed.

    Every problem comes in one report, as file:line:col, with exit code 3.
    """
    graph = open_graph(graph_path)
    declared = graph.declaration
    counts = [
        _counted(len(graph.spaces), "space"),
        _counted(len(declared.datasets), "data set"),
        _counted(len(graph.targets), "target"),
    ]
    fields = {
        "valid": True,
        "graph": graph_path,
        "name": graph.name,
        "spaces": {name: space.model_dump() for name, space in graph.spaces.items()},
        "datasets": list(declared.datasets),
        "targets": graph.targets,
    }
    out.result(fields, [f"{graph_path}: valid: {', '.join(counts)}"])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
