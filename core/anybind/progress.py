"""How far an extraction or a training is: what callbacks are told, and the bar drawn when there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anybind.distributed import Runtime


@dataclass(frozen=True)
class Progress:
    """How far the extraction of one space is.

    Attributes:
        label: The space for people.
        done: Rows embedded so far, of ``total``.
        seconds: Time since the space was begun.
    """

    label: str
    done: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second; 0 at the start."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The time left at the present rate; None while there is no rate."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class EpochProgress:
    """How far a training is.

    Attributes:
        label: The method for people.
        epoch: Epochs done, of ``epochs``.
        losses: Name of a part of the loss -> its mean over the epoch.
        held_out: Mean reciprocal rank on held-out rows, in [0, 1]; None in an epoch that is not judged.
        seconds: Time since this process began or resumed the training.
    """

    label: str
    epoch: int
    epochs: int
    losses: Mapping[str, float]
    held_out: float | None
    seconds: float


EpochCallback = Callable[[EpochProgress], None]


@contextmanager
def reporting(progress: ProgressCallback | None, runtime: Runtime) -> Iterator[ProgressCallback]:
    """Yield what to call: the callback, else a bar when stderr is a terminal; nothing on ranks above 0."""
    if runtime.rank != 0 or (progress is None and not sys.stderr.isatty()):
        yield lambda _: None
    elif progress is not None:
        yield progress
    else:
        bar = _Bar()
        try:
            yield bar
        finally:
            bar.close()


class _Bar:
    """A tqdm bar for each space, with rate and time left."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._label = ""

    def __call__(self, progress: Progress) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        if progress.label != self._label:
            self.close()
            self._bar = tqdm(total=progress.total, desc=progress.label, unit="row", file=sys.stderr)
            self._label = progress.label
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """End the line of the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar, self._label = None, ""
