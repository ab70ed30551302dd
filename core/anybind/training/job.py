"""A training, described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anybind.fit_context import FitContext
from anybind.fit_data import Sample
from anybind.training.options import TrainingOptions
from anybind.training.step import Objective


@dataclass(frozen=True)
class Job:
    """What to train.

    Attributes:
        label: The method for people.
        options: How to train.
        settings: All that the method was told, JSON-plain; a checkpoint made under other settings is not used.
        samples: Data set -> every row of it.
        spaces: The spaces that get a head, sorted.
        objective: Makes the objective; called anew for every stage.
        unseen: The samples as they would be had no row been seen, for judging; ``samples`` when None. See
            ``FitData.as_unseen``.
        seed: Seeds every random choice.
        context: The ranks, where to keep checkpoints, whom to tell.
        frozen: Spaces whose head is not trained: it keeps the leading directions of their rows.
        fewest: Rows that show fewer spaces are left out.
        augmentation: Noise of a second view of every batch, in standard deviations of the inputs; 0 for none.
        warm_up: Epochs before an objective of several stages is complete: training does not stop there.
    """

    label: str
    options: TrainingOptions
    settings: Mapping[str, Any]
    samples: Mapping[str, Sample]
    spaces: tuple[str, ...]
    objective: Callable[[], Objective]
    unseen: Mapping[str, Sample] | None = None
    seed: int = 0
    context: FitContext = field(default_factory=FitContext)
    frozen: frozenset[str] = frozenset()
    fewest: int = 2
    augmentation: float = 0.0
    warm_up: int = 0
