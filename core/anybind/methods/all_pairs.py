"""``all-pairs``: every two spaces that a row shows are contrasted with each other.

    L = mean over data sets and pairs (m, l) of InfoNCE(z_m, z_l)       (or SigLIP's sigmoid loss)

each pair counting by its rows in the batch. Spaces that no data set holds together meet through the spaces
that they share. Use it where rows show several spaces: unlike ``fixed-anchor`` it needs no choice, and learns
from pairs without the anchor. Cost: as ``fixed-anchor``, times the pairs for the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from anybind.methods.trained import PairLoss, Setting, TrainedMethod, mean_over_pairs, pair_loss
from anybind.training.step import Objective, Step


@dataclass(frozen=True)
class AllPairs(TrainedMethod):
    """Heads trained against each other.

    Args:
        loss: "softmax" (InfoNCE) or "sigmoid" (SigLIP).
    """

    loss: str = "softmax"

    label: ClassVar[str] = "all-pairs"

    def objective(self, setting: Setting) -> Objective:
        """The mean loss of all pairs."""
        return PairContrast(pair_loss(self.loss))


@dataclass(frozen=True)
class PairContrast:
    """The objective."""

    loss: PairLoss

    def __call__(self, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        return {"contrast": mean_over_pairs(step, self.loss, lambda a, b: True)}
