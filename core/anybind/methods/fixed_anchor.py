"""``fixed-anchor``: ImageBind's scheme. Every space is contrasted with one anchor, never with another.

    L = mean over m != anchor of InfoNCE(z_anchor, z_m)       (or SigLIP's sigmoid loss)

over the data sets that hold both, each counting by its rows. Spaces that no data set holds together meet
through the anchor. Use it where one space is held with all others and its embeddings are the best; otherwise
``all-pairs`` uses more of the data. Cost: rows * (dims * joint_dim + batch_size * joint_dim) per epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from anybind.errors import UnknownNameError
from anybind.methods.joined import Parts
from anybind.methods.trained import PairLoss, Setting, TrainedMethod, mean_over_pairs, pair_loss
from anybind.training.step import Objective, Step


@dataclass(frozen=True)
class FixedAnchor(TrainedMethod):
    """Heads trained against an anchor.

    Args:
        loss: "softmax" (InfoNCE) or "sigmoid" (SigLIP).
        anchor: A space, or "auto": the one that rows hold together with the most other spaces; among equals
            one on the first target's route, then the one with the most paired rows.
        freeze_anchor: Keep the anchor's vectors as they are, but for their leading ``joint_dim`` directions.
    """

    loss: str = "softmax"
    anchor: str = "auto"
    freeze_anchor: bool = False

    label: ClassVar[str] = "fixed-anchor"

    def objective(self, setting: Setting) -> Objective:
        """InfoNCE with the anchor."""
        return AnchorContrast(self.anchor, pair_loss(self.loss))

    def settled(self, setting: Setting) -> FixedAnchor:
        """With a space as the anchor.

        Raises:
            UnknownNameError: the anchor is no space that some row pairs with another.
        """
        known = sorted(space for part in setting.parts for space in part)
        if self.anchor == "auto":
            return replace(self, anchor=chosen_anchor(setting))
        if self.anchor not in known:
            raise UnknownNameError(
                "the anchor is no space that rows pair with another", where="option anchor", got=self.anchor,
                expected=f"auto, {', '.join(known)}",
            )  # fmt: skip
        return self

    def trained_parts(self, setting: Setting) -> Parts:
        """The anchor and the spaces that rows pair with it; what is further away cannot be trained."""
        return (tuple(sorted({self.anchor, *neighbours(setting, self.anchor)})),)

    def frozen_spaces(self) -> frozenset[str]:
        """The anchor, if it is frozen."""
        return frozenset({self.anchor}) if self.freeze_anchor else frozenset()


@dataclass(frozen=True)
class AnchorContrast:
    """The objective: the mean loss of the pairs that the anchor is one of."""

    anchor: str
    loss: PairLoss

    def __call__(self, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        return {"contrast": mean_over_pairs(step, self.loss, lambda a, b: self.anchor in (a, b))}


def neighbours(setting: Setting, space: str) -> set[str]:
    """The spaces that some row holds together with a space."""
    edges = [{a, b} for _, a, b in setting.data.moments.edges()]
    return {other for edge in edges if space in edge for other in edge - {space}}


def chosen_anchor(setting: Setting) -> str:
    """The anchor that "auto" stands for."""
    moments = setting.data.moments
    first = (setting.routes.get(setting.targets[0]) or ((),))[0] if setting.targets else ()
    spaces = sorted(space for part in setting.parts for space in part)

    def merit(space: str) -> tuple[int, bool, int]:
        others = neighbours(setting, space)
        return len(others), space in first[1:-1], sum(moments.pairs(space, other) for other in others)

    return max(spaces, key=merit)
