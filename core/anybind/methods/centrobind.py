"""``centrobind``: every space is contrasted with the centroid of its row (CentroBind, arXiv:2410.02086).

    c_j = sum_l w_l z'_jl / sum_l w_l       over the spaces that row j shows
    L   = mean over spaces m of InfoNCE(c, z_m)

in every data set, each counting by its rows; rows with fewer than two spaces drop out. In the paper z' is an
augmented view: with ``augmentation`` above 0, the heads' output for noisier inputs. Without it the centroid
would contain the very vector it is compared with, so that one is left out then (``leave_one_out`` auto),
which is the default: it does as well or better. No anchor needs to be chosen. Cost: as ``all-pairs``, and a
second pass through the heads for an augmented view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from anybind.errors import UnknownNameError
from anybind.methods.trained import Setting, TrainedMethod
from anybind.objectives.centroid import centroid_info_nce
from anybind.objectives.tuples import stack_spaces
from anybind.training.options import named_number
from anybind.training.step import Objective, Step


@dataclass(frozen=True)
class CentroBind(TrainedMethod):
    """Heads trained against centroids.

    Args:
        augmentation: Noise of the view that centroids are made of, in standard deviations of the inputs; 0 for
            the same view.
        leave_one_out: Whether a space's centroid is made of the others; "auto": without augmentation.
        weights: "uniform", or "query": a candidate's spaces count by exp(cosine with the query / t).
        query_temperature: That t.
        space_weights: Weights of single spaces in the centroid, as "image=2"; 1 for the others.
        normalised: Scale centroids to unit length.
        detached: No gradient through the centroids.
    """

    augmentation: float = 0.0
    leave_one_out: bool | str = "auto"
    weights: str = "uniform"
    query_temperature: float = 0.1
    space_weights: Sequence[str] | None = None
    normalised: bool = False
    detached: bool = False

    label: ClassVar[str] = "centrobind"

    def settled(self, setting: Setting) -> CentroBind:
        """With ``leave_one_out`` decided.

        Raises:
            UnknownNameError, UsageError: ``space_weights`` names something else than a space and a number.
        """
        self._weights(setting)
        automatic = self.augmentation == 0
        return replace(self, leave_one_out=automatic if self.leave_one_out == "auto" else self.leave_one_out)

    def objective(self, setting: Setting) -> Objective:
        """InfoNCE with the centroids."""
        return CentroidContrast(self, self._weights(setting))

    def second_view(self) -> float:
        """The augmentation."""
        return self.augmentation

    def _weights(self, setting: Setting) -> dict[str, float]:
        weights = dict.fromkeys((space for part in setting.parts for space in part), 1.0)
        for entry in self.space_weights or ():
            space, weight = named_number(entry, "space_weights", above=0)
            if space not in weights:
                raise UnknownNameError(
                    "a weight is given for a space that is not trained", where="option space_weights",
                    got=space, expected=", ".join(sorted(weights)),
                )  # fmt: skip
            weights[space] = weight
        return weights


@dataclass(frozen=True)
class CentroidContrast:
    """The objective: the options, and a weight per space."""

    options: CentroBind
    weights: Mapping[str, float]

    def __call__(self, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        total, count = torch.zeros(()), 0
        for dataset, embedded in step.embedded.items():
            rows = int((torch.stack([*step.present[dataset].values()]).sum(0) >= 2).sum())
            if rows >= 2:
                total = total + rows * self._loss(step, dataset, sorted(embedded))
                count += rows
        return {"contrast": total / max(count, 1)}

    def _loss(self, step: Step, dataset: str, spaces: list[str]) -> Tensor:
        present, options = step.present[dataset], self.options
        vectors, shown = stack_spaces(step.embedded[dataset], present, spaces)
        view = None if step.augmented is None else stack_spaces(step.augmented[dataset], present, spaces)[0]
        return centroid_info_nce(
            vectors, shown, torch.stack([step.scales[space] for space in spaces]), anchor_vectors=view,
            leave_one_out=bool(options.leave_one_out),
            weights=torch.tensor([self.weights[space] for space in spaces]),
            query_temperature=options.query_temperature if options.weights == "query" else None,
            normalised=options.normalised, detached=options.detached,
        )  # fmt: skip
