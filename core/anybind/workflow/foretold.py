"""What a binder said before it was judged, beside what its test pairs then showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import NoPathError
from anybind.evaluation.recall_curve import mean_curve, recall_curve
from anybind.evaluation.reliability import reliability

if TYPE_CHECKING:
    from anybind.binder import Binder

_PRIOR = 0.5
_MOST_ROWS = 2000  # of a reliability table: all of them with each other
_MEAN = ("mrr", "mrr_interval", "identification")


@dataclass(frozen=True)
class Foretold:
    """Of one test.

    Attributes:
        forecast: ``Forecast.to_dict`` for a gallery of all test items; None if nothing was forecast.
        recall_curve: As of ``anybind.evaluation.recall_curve``, with forecasts where there are some.
        reliability: As of ``anybind.evaluation.reliability``; None where scores are no probabilities.
    """

    forecast: Mapping[str, Any] | None = None
    recall_curve: Sequence[Mapping[str, Any]] = field(default_factory=list)
    reliability: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"forecast": self.forecast, "recall_curve": self.recall_curve, "reliability": self.reliability}


def foretold(binder: Binder, vectors: Mapping[str, torch.Tensor], pair: tuple[str, str]) -> Foretold:
    """What was said of a pair, and what its (n, dim) test vectors show; row i of both spaces is one item."""
    n = len(vectors[pair[0]])
    curve = recall_curve(binder, vectors, pair, forecast=lambda gallery: _forecast(binder, pair, gallery, n))
    return Foretold(_forecast(binder, pair, n, n), curve, _reliability(binder, vectors, pair))


def mean_foretold(entries: Sequence[Foretold]) -> Foretold:
    """Over several seeds: mean forecast and curve; the reliability is that of the first."""
    forecasts = [each.forecast for each in entries if each.forecast is not None]
    return Foretold(
        _mean_forecast(forecasts) if len(forecasts) == len(entries) else None,
        mean_curve([each.recall_curve for each in entries]), entries[0].reliability,
    )  # fmt: skip


def _forecast(binder: Binder, pair: tuple[str, str], gallery: int, queries: int) -> dict[str, Any] | None:
    if binder.basis is None:
        return None
    try:
        return binder.forecast(*pair, gallery=gallery, queries=queries).to_dict()
    except NoPathError:  # its hops have too few rows
        return None


def _mean_forecast(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first, with the numbers' means; the intervals' ends too, as those of a mean of seeds whose errors agree."""
    mean = {name: _mean([each[name] for each in several]) for name in _MEAN}
    recall = {k: fmean(each["recall"][k] for each in several) for k in several[0]["recall"]}
    return {**several[0], **mean, "recall": recall}


def _mean(values: Sequence[Any]) -> Any:
    if isinstance(values[0], float | int):
        return fmean(values)
    return [fmean(ends) for ends in zip(*values, strict=True)]


def _reliability(
    binder: Binder, vectors: Mapping[str, torch.Tensor], pair: tuple[str, str]
) -> dict[str, Any] | None:
    """Of the probabilities of test items with each other, at even odds: at 1 / n next to all would be 0."""
    if binder.basis is None:
        return None
    try:
        same_item = binder.basis.same_item(*pair)
    except NoPathError:
        return None
    (a, rows_a), (b, rows_b) = ((name, vectors[name][:_MOST_ROWS]) for name in pair)
    told = same_item.probability(binder.score(a, rows_a, b, rows_b), _PRIOR)
    return reliability(told, torch.eye(len(rows_a), dtype=torch.bool), prior=_PRIOR)
