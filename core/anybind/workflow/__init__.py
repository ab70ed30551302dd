"""The verbs: load a graph, plan, extract, fit, evaluate, run. They compose the layers and hold no maths.

Planning needs no torch; what does is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anybind.workflow.graph import Graph, load_graph, plan_catalogue

if TYPE_CHECKING:
    from anybind.workflow.evaluating import EntryResult, evaluate_graph
    from anybind.workflow.extending import extend_graph
    from anybind.workflow.fitting import fit_graph
    from anybind.workflow.isolated import extract_isolated
    from anybind.workflow.refitting import RefitEntry, RefitResult, published_graph, refit
    from anybind.workflow.running import RunResult, run
    from anybind.workflow.vectors import default_store, extract_graph, gallery

__all__ = [
    "EntryResult",
    "Graph",
    "RefitEntry",
    "RefitResult",
    "RunResult",
    "default_store",
    "evaluate_graph",
    "extend_graph",
    "extract_graph",
    "extract_isolated",
    "fit_graph",
    "gallery",
    "load_graph",
    "plan_catalogue",
    "published_graph",
    "refit",
    "run",
]

_HOMES = {
    "EntryResult": "evaluating",
    "evaluate_graph": "evaluating",
    "extend_graph": "extending",
    "fit_graph": "fitting",
    "RefitEntry": "refitting",
    "RefitResult": "refitting",
    "published_graph": "refitting",
    "refit": "refitting",
    "RunResult": "running",
    "run": "running",
    "default_store": "vectors",
    "extract_graph": "vectors",
    "extract_isolated": "isolated",
    "gallery": "vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
