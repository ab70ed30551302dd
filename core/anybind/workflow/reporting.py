"""``report``: the page of a run made again from what the run left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.artifact import GRAPH, METRICS
from anybind.binder import Binder
from anybind.bridge_plan import Edge, expected_quality
from anybind.declaration import parse_declaration
from anybind.errors import AnybindError, ArtifactError
from anybind.graph import BridgeGraph
from anybind.plugins import installed_registry
from anybind.report.cautions import cautions_html
from anybind.report.figures.forecast_plot import forecast_figure
from anybind.report.figures.heat_map import heat_map
from anybind.report.numbers import results_html
from anybind.report.page import Page, write_page
from anybind.store import EmbeddingStore
from anybind.workflow.evaluating import require_same_encoders
from anybind.workflow.graph import Graph
from anybind.workflow.showing import run_facts, write_run_page
from anybind.workflow.vectors import default_store

if TYPE_CHECKING:
    from anybind.registry import Registry

PAGE = "report.html"


def rebuild_page(
    run: Path | str,
    out: Path | str | None = None,
    *,
    samples: bool = True,
    graph: Path | str | None = None,
    store: Path | str | None = None,
    registry: Registry | None = None,
) -> Path:
    """Make the page of a run again, from its metrics.json and artifact/.

    Args:
        run: The run's folder.
        out: The page; ``report.html`` in the run's folder if None.
        samples: Show queries, what they found and a map, for which the data and the vectors must be at hand. Without,
            the page has the numbers and the graph alone and needs nothing but the folder.
        graph: Where the graph's file lies now, from where its relative paths begin; as metrics.json says if None.
            What is in the file is not read: the artifact holds the graph as it was run.
        store: Where the vectors lie; ``store`` beside the run if None.
        registry: Where names are looked up; the installed plugins if None.

    Returns:
        Where the page is.

    Raises:
        ArtifactError: the folder is not one of a run, or damaged.
        AnybindError: the data or vectors are not at hand, or the page cannot be written.
    """
    folder, known = Path(run), registry or installed_registry()
    target = Path(out) if out is not None else folder / PAGE
    metrics = _read_metrics(folder / METRICS)
    binder = Binder.from_pretrained(folder / "artifact", registry=known)
    place = Path(graph if graph is not None else str(metrics["graph"]))
    if not samples:
        return write_page(target, _bare_page(binder, metrics, place))
    try:
        opened = Graph(parse_declaration(_graph_text(binder, folder), GRAPH, known), known, place)
        require_same_encoders(opened, binder)
        vectors = EmbeddingStore(Path(store) if store is not None else default_store(folder))
        matrix = metrics.get("matrix") or ()
        return write_run_page(target, opened, vectors, binder, metrics["results"], metrics["seeds"], matrix)
    except AnybindError as error:
        error.hint = "; or ".join([*([str(error.hint)] if error.hint else []), "leave the samples out: --no-samples"])
        raise


def _read_metrics(path: Path) -> dict[str, Any]:
    """metrics.json, tried on everything that will draw it, so that a strange file is refused before work begins."""
    hint = "give the folder that 'anybind run' wrote its results to"
    try:
        found = json.loads(path.read_text("utf-8"))
        results_html(found["results"])
        cautions_html(found["results"])
        forecast_figure(found["results"])
        heat_map(found.get("matrix") or ())
        run_facts(found["graph"], "", found["seeds"])
        str(found["name"])
    except OSError as error:
        raise ArtifactError("there is no metrics.json of a run", where=path, got=error.strerror or error,
                            hint=hint) from error  # fmt: skip
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ArtifactError("this metrics.json is not what a run writes", where=path,
                            got=f"{type(error).__name__}: {error}", hint=hint) from error  # fmt: skip
    return dict(found)


def _graph_text(binder: Binder, folder: Path) -> str:
    if GRAPH not in binder.texts:
        raise ArtifactError("the run's artifact has no graph", where=folder / "artifact", got=f"no {GRAPH}")
    return binder.texts[GRAPH]


def _bare_page(binder: Binder, metrics: Mapping[str, Any], graph: Path) -> Page:
    """The page without samples; the bridging graph is the one the artifact was fitted on."""
    bridge = BridgeGraph(binder.spaces, _edges(binder))
    facts = run_facts(str(graph), binder.method_name, metrics["seeds"])
    facts.pop("Items shown")
    return Page(
        title=str(metrics["name"]), bridge=bridge, plans=[bridge.plan(*path.pair) for path in binder.training.paths],
        results=metrics["results"], matrix=metrics.get("matrix") or (), galleries=None, facts=facts,
        attributions=[d.attribution for d in binder.training.datasets.values() if d.attribution],
    )  # fmt: skip


def _edges(binder: Binder) -> list[Edge]:
    edges = []
    for name, dataset in sorted(binder.training.datasets.items()):
        for a, b in combinations(sorted(dataset.rows.keys() & binder.spaces.keys()), 2):
            pairs = min(dataset.rows[a], dataset.rows[b])
            if pairs:
                one, other = binder.spaces[a], binder.spaces[b]
                kind = "re-encoding" if one.modality == other.modality else "dataset"
                quality = expected_quality(pairs, one.dim, other.dim)
                edges.append(Edge(a, b, kind, name, pairs, quality, "pair counts"))  # type: ignore[arg-type]
    return edges
