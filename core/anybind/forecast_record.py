"""forecast.json beside the stored vectors: what fits on them expect of every path, for planning without torch.

    {"schema_version": 1, "graphs": {NAME: {"of": sha256, "method": ..., "seed": ..., "paths": [
        {"spaces": [a, b, c], "forecasts": [<Forecast.to_dict()>, one per size of gallery]}]}}}

An entry is of one state of a graph's encoders and data sets, which ``of`` names; for another state it says nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anybind.errors import StoreError

FORECASTS = "forecast.json"
SCHEMA_VERSION = 1
GALLERIES = (10, 100, 1000, 10_000)
_QUALITY_GALLERY = 100
_LEAST_QUALITY = 1e-6


@dataclass(frozen=True)
class RecordedForecasts:
    """What one fit of a graph expects.

    Attributes:
        method: The binder method.
        seed: The seed of the data sets.
        paths: Spaces of a path, in either direction -> its forecasts, by size of gallery, as ``Forecast.to_dict``.
    """

    method: str
    seed: int
    paths: Mapping[tuple[str, ...], Mapping[int, Mapping[str, Any]]] = field(default_factory=dict)

    def of_path(self, spaces: Sequence[str], gallery: int) -> Mapping[str, Any] | None:
        """The forecast of a path at one of ``GALLERIES``; None if there is none."""
        found = self.paths.get(tuple(spaces)) or self.paths.get(tuple(reversed(spaces))) or {}
        return found.get(gallery)

    def hop_quality(self, a: str, b: str) -> float | None:
        """How far above chance a hop's retrieval is, as a share of what there is above it, in (0, 1].

        The expected MRR among 100 items: (MRR - chance) / (1 - chance).
        """
        found = self.of_path((a, b), _QUALITY_GALLERY)
        if found is None:
            return None
        share = (float(found["mrr"]) - float(found["chance"])) / (1 - float(found["chance"]))
        return min(max(share, _LEAST_QUALITY), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        paths = [
            {"spaces": list(spaces), "forecasts": list(forecasts.values())} for spaces, forecasts in self.paths.items()
        ]
        return {"method": self.method, "seed": self.seed, "paths": paths}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> RecordedForecasts:
        """Back from ``to_dict``; raises KeyError, TypeError or ValueError for anything else."""
        paths = {
            tuple(map(str, path["spaces"])): {int(each["gallery"]): dict(each) for each in path["forecasts"]}
            for path in known["paths"]
        }
        for forecasts in paths.values():
            for each in forecasts.values():
                _ = float(each["mrr"]), float(each["chance"]), each["recall"]["10"], each["mrr_interval"]
        return cls(str(known["method"]), int(known["seed"]), paths)


def read_forecasts(store: Path, graph: str, state: str) -> RecordedForecasts | None:
    """What was recorded of a graph in this state; None if nothing was, or of another state.

    Args:
        store: The store's folder.
        graph: The graph's name.
        state: What the encoders and data sets are; see ``workflow.graph.Graph.state``.

    Raises:
        StoreError: the file is damaged.
    """
    entry = _read(store / FORECASTS).get(graph)
    if entry is None or entry.get("of") != state:
        return None
    try:
        return RecordedForecasts.from_dict(entry)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(store / FORECASTS, error) from error


def write_forecasts(store: Path, graph: str, state: str, recorded: RecordedForecasts) -> Path:
    """Record what a fit of a graph expects, in place of what an earlier one did; other graphs' entries stay.

    Raises:
        StoreError: the file is damaged, or cannot be written.
    """
    path = store / FORECASTS
    graphs = {**_read(path), graph: {"of": state, **recorded.to_dict()}}
    content = json.dumps({"schema_version": SCHEMA_VERSION, "graphs": graphs}, indent=1, ensure_ascii=False)
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=store, prefix=".forecast-", delete=False) as file:
            file.write(content + "\n")
        os.replace(file.name, path)
    except OSError as error:
        raise StoreError("the forecasts cannot be written", where=path, got=error.strerror or error,
                         hint="free some space or make the store writable") from error  # fmt: skip
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {known['schema_version']}")
        graphs = known["graphs"]
        if not isinstance(graphs, dict) or not all(isinstance(entry, dict) for entry in graphs.values()):
            raise ValueError("graphs is no mapping")
        return graphs
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError("the forecasts cannot be read", where=path, got=error.strerror or error) from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(
        "the file of forecasts is damaged", where=path, got=error, hint="delete it: the next fit writes it again"
    )
