"""What an objective sees of one training step, and what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from torch import Generator, Tensor

BySpace: TypeAlias = Mapping[str, Tensor]
ByDataset: TypeAlias = Mapping[str, BySpace]


@dataclass(frozen=True)
class Step:
    """One batch of every data set, as an objective sees it.

    The logits of a pair of spaces (a, b) are ``cosine * sqrt(scales[a] * scales[b])``.

    Attributes:
        embedded: Data set -> space -> (n, r) float32 unit rows, with gradient. A space that a data set does
            not have is absent; rows that are not present hold zeros. n is the same for all data sets but
            those with fewer rows than a batch, which give all they have.
        present: Data set -> space -> (n,) bool, with the keys of ``embedded``.
        inputs: Data set -> space -> (n, d) float32, the centred rows before noise; no gradient.
        scales: Space -> () float32, one over the temperature; with gradient where it is learnt.
        epoch: From 0 to ``epochs`` - 1.
        epochs: How many epochs the schedule has.
        augmented: A second, noised view with the layout of ``embedded``; None unless the method asks for it.
        generator: For random choices of the objective, seeded by fit, epoch and step; the same on every rank.
    """

    embedded: ByDataset
    present: ByDataset
    inputs: ByDataset
    scales: BySpace
    epoch: int
    epochs: int
    augmented: ByDataset | None = None
    generator: Generator | None = None


class Objective(Protocol):
    """A training objective.

    Optional hooks are looked up by name. ``begin_stage(folds)`` is called once, with the (n,) fold of every row of
    every data set. ``begin_epoch(epoch, embed_all)`` is called before every epoch;
    ``embed_all()`` returns ``(embedded, present)`` of all rows, without gradient. ``state() -> dict[str, Tensor]``
    and ``load_state(state)`` hold what must survive a resume.
    """

    def __call__(self, step: Step) -> Mapping[str, Tensor]:
        """The () float32 parts of the loss by name, weighted; training minimises their sum."""
