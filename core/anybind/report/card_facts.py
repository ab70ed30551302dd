"""What a model card tells of: an artifact's content, and what was measured, in the shape a run writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anybind.artifact import PathInfo, SpaceInfo, Training
from anybind.forecasting.forecast import Basis
from anybind.licences import Combined
from anybind.provenance import combined_licence


@dataclass(frozen=True)
class Measured:
    """One result of a run.

    Attributes:
        pair: The two spaces.
        mrr: Mean reciprocal rank, mean of both directions and all seeds, of 1.
        interval: Its 95 % bootstrap interval, if there is one.
        recall: k -> recall at k, of 1.
        chance: The MRR of guessing.
        oracle: The MRR of the same method on true pairs, if it was measured.
        seeds: How many seeds.
        queries: Queries of each.
        leaked: Test items that occur in training data, by id.
        warnings: What else the run warns of.
    """

    pair: tuple[str, str]
    mrr: float
    interval: tuple[float, float] | None
    recall: Mapping[int, float]
    chance: float
    oracle: float | None
    seeds: int
    queries: int
    leaked: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CardFacts:
    """What a model card tells of.

    Attributes:
        method: The binder's method.
        spaces: What is bound.
        training: On which data, and by which paths.
        metrics: metrics.json, if anything was measured.
        licence: The licence that a person has chosen, if any.
        repo_id: The repository it is for, if it is known.
        fewest_summed: Rows of the smallest of the sums in moments.safetensors, if these are kept.
        basis: What forecasts are calculated from, if there is something.
    """

    method: str
    spaces: Mapping[str, SpaceInfo]
    training: Training
    metrics: str | None = None
    licence: str | None = None
    repo_id: str | None = None
    fewest_summed: int | None = None
    basis: Basis | None = None

    @cached_property
    def licences(self) -> Combined:
        """The licences of all parts, taken together."""
        return combined_licence(self.spaces, self.training)

    @cached_property
    def measured(self) -> list[Measured]:
        """The results in metrics.json; none when it is not what a run writes."""
        try:
            results = json.loads(self.metrics)["results"] if self.metrics else []
            return [_measured(result) for result in results]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return []

    @property
    def paths(self) -> dict[tuple[str, ...], PathInfo]:
        """Sorted pair -> the path by which it was bound."""
        return {tuple(sorted(path.pair)): path for path in self.training.paths}


def _measured(result: Mapping[str, Any]) -> Measured:
    a, b = result["pair"]
    interval = result.get("interval", {}).get("mrr")
    return Measured(
        (str(a), str(b)), float(result["mrr"]), (float(interval[0]), float(interval[1])) if interval else None,
        {int(k): float(value) for k, value in result["recall"].items()}, float(result["chance"]["mrr"]),
        float(result["oracle"]["mrr"]) if result["oracle"] else None, len(result["per_seed"]),
        int(result["n_queries"]), int(result.get("leaked_ids", 0)),
        tuple(str(warning) for warning in result.get("warnings") or ()),
    )  # fmt: skip
