"""The verbs: load a graph, plan, extract, fit, evaluate, run. They compose the layers and hold no maths.

Planning needs no torch; what does is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anybind.workflow.graph import Graph, load_graph, plan_catalogue

if TYPE_CHECKING:
    from anybind.workflow.all_pairs import graph_matrix
    from anybind.workflow.diagnosing import diagnose_graph
    from anybind.workflow.evaluating import EntryResult, evaluate_graph
    from anybind.workflow.extending import extend_graph
    from anybind.workflow.fitting import fit_graph
    from anybind.workflow.forecasting import record_forecasts
    from anybind.workflow.improving import WhatIf, what_if
    from anybind.workflow.isolated import extract_isolated
    from anybind.workflow.refitting import RefitEntry, RefitResult, published_graph, refit
    from anybind.workflow.reporting import rebuild_page
    from anybind.workflow.running import RunResult, run
    from anybind.workflow.vectors import default_store, extract_graph, gallery

__all__ = [
    "EntryResult",
    "Graph",
    "RefitEntry",
    "RefitResult",
    "RunResult",
    "WhatIf",
    "default_store",
    "diagnose_graph",
    "evaluate_graph",
    "extend_graph",
    "extract_graph",
    "extract_isolated",
    "fit_graph",
    "gallery",
    "graph_matrix",
    "load_graph",
    "plan_catalogue",
    "published_graph",
    "rebuild_page",
    "record_forecasts",
    "refit",
    "run",
    "what_if",
]

_HOMES = {
    "EntryResult": "evaluating",
    "diagnose_graph": "diagnosing",
    "evaluate_graph": "evaluating",
    "extend_graph": "extending",
    "fit_graph": "fitting",
    "graph_matrix": "all_pairs",
    "RefitEntry": "refitting",
    "RefitResult": "refitting",
    "published_graph": "refitting",
    "refit": "refitting",
    "rebuild_page": "reporting",
    "record_forecasts": "forecasting",
    "RunResult": "running",
    "run": "running",
    "default_store": "vectors",
    "extract_graph": "vectors",
    "extract_isolated": "isolated",
    "gallery": "vectors",
    "WhatIf": "improving",
    "what_if": "improving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
