"""Keeping what a fit expects beside the vectors it was fitted on, where ``plan`` finds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anybind.forecast_record import GALLERIES, RecordedForecasts, write_forecasts

if TYPE_CHECKING:
    from anybind.binder import Binder
    from anybind.store import EmbeddingStore
    from anybind.workflow.graph import Graph


def record_forecasts(graph: Graph, store: EmbeddingStore, binder: Binder) -> Path | None:
    """Write what a binder expects of every path to forecast.json in the store; None where it expects nothing.

    Raises:
        StoreError: the file is damaged, or cannot be written.
    """
    if binder.basis is None:
        return None
    paths = {
        basis.path: {gallery: basis.forecast(gallery).to_dict() for gallery in GALLERIES}
        for basis in binder.basis.paths
    }
    recorded = RecordedForecasts(binder.method_name, binder.training.seed, paths)
    return write_forecasts(Path(store.root), graph.name, graph.state, recorded)
