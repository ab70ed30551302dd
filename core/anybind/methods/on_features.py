"""The options by which a method asks for kernel features of its rows, and the choice among them on held-out rows.

A method that inherits ``OnFeatures`` sees features (``anybind.features``) in place of vectors; nothing else
about it changes. "auto" is settled before rows are prepared for good: they are prepared for each alternative,
and the one whose ridge regressions retrieve held-out rows best is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Self

import torch

from anybind.features import FeatureOptions
from anybind.fit_data import FitData
from anybind.methods.hops import cosine
from anybind.methods.linalg import cholesky
from anybind.methods.selection import Edge, selection_folds, symmetric_mrr
from anybind.moments import Group

FEATURE_OPTIONS = ("features", "kernel", "width", "landmarks", "feature_dims")
WIDTHS = (2.0, 1.0, 0.3)
_RIDGES = (0.03, 0.3, 3.0)
_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class OnFeatures:
    """Options of a method that can work on kernel features.

    Args:
        features: "identity" (the vectors themselves), "nystroem", "fourier", or "auto": identity or nystroem,
            whichever retrieves held-out rows better.
        kernel: "gaussian" or "laplacian".
        width: The kernel's width, in units of the median distance, or "auto"; larger is narrower.
        landmarks: Rows of a space that stand for all, at most.
        feature_dims: Features of a space: at most, where they are nystroem.
    """

    features: str = "auto"
    kernel: str = "gaussian"
    width: float | str = "auto"
    landmarks: int = 1024
    feature_dims: int = 384

    @property
    def input_features(self) -> FeatureOptions | None:
        """The features the data must come in; what is "auto" must have been settled, see ``alternatives``."""
        if self.features == "identity":
            return None
        return FeatureOptions(self.features, self.kernel, float(self.width), self.landmarks, self.feature_dims)

    def alternatives(self) -> tuple[Self, ...]:
        """The methods to choose among before the rows are prepared, in order of preference."""
        if self.features == "identity":
            return (self,)
        kind = "nystroem" if self.features == "auto" else self.features
        widths = WIDTHS if self.width == "auto" else (self.width,)
        made = [replace(self, features=kind, width=width) for width in widths]
        return (*made, replace(self, features="identity")) if self.features == "auto" else tuple(made)

    def held_out(self, data: FitData) -> float:
        """How well ridge regressions on these rows retrieve held-out rows; see ``feature_quality``."""
        return feature_quality(data)

    def feature_config(self) -> dict[str, Any]:
        """The options as plain values, for ``config``."""
        return {name: getattr(self, name) for name in FEATURE_OPTIONS}

    @staticmethod
    def saved_features(config: Mapping[str, Any]) -> dict[str, Any]:
        """The options out of a saved ``config``, for the constructor."""
        return {name: config[name] for name in FEATURE_OPTIONS}


def feature_quality(data: FitData) -> float:
    """Mean reciprocal rank of held-out rows, by ridge regression of each space on each other it is paired with.

    The geometric mean over edges, since what the hops of a route keep multiplies; of every edge, the mean over
    directions and folds at the best of three ridges. One Cholesky factor, (dims)^3 / 3, for each of these.

    Raises:
        SelectionError: too few paired rows can be held out.
    """
    edges = data.moments.edges()
    folds = selection_folds(data, edges, limit=_FOLDS)
    logs = []
    for edge in edges:
        by_ridge = [[value for fold in folds for value in _retrieved(data, edge, fold, ridge)] for ridge in _RIDGES]
        if by_ridge[0]:
            logs.append(math.log(max(fmean(values) for values in by_ridge)))
    return math.exp(fmean(logs))


def _retrieved(data: FitData, edge: Edge, fold: int, ridge: float) -> list[float]:
    """Both directions of an edge; none where a fold holds no two of its rows, or all."""
    dataset, a, b = edge
    means = data.means(without_fold=fold)
    rows = dict(zip((a, b), data.samples[dataset].paired(a, b, fold), strict=True))
    both = [g for g in data.groups(without_fold=fold) if a in g.spaces and b in g.spaces]
    if len(rows[a]) < 2 or not both or (dataset, a) not in means or (dataset, b) not in means:
        return []
    centred = {space: rows[space].to(torch.float64) - means[dataset, space] for space in (a, b)}
    return [
        symmetric_mrr(cosine(_predicted(both, x, y, centred[x], ridge), centred[y])) for x, y in ((a, b), (b, a))
    ]


def _predicted(groups: Sequence[Group], x: str, y: str, rows: torch.Tensor, ridge: float) -> torch.Tensor:
    n = sum(g.n for g in groups)
    own = torch.stack([g.n / n * g.block(x, x) for g in groups]).sum(0)
    cross = torch.stack([g.n / n * g.block(x, y) for g in groups]).sum(0)
    level = own.diagonal().mean().clamp(min=torch.finfo(own.dtype).tiny)
    own.diagonal().add_(ridge * level)
    return torch.cholesky_solve(rows.T, cholesky(own, f"space {x!r}")).T @ cross
