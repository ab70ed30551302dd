"""How far an extraction or a training is: what callbacks are told, and the bar drawn when there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from anybind.distributed import Runtime

Told = TypeVar("Told")


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
    with _reporting(progress, runtime, "row", _show_rows) as report:
        yield report


@contextmanager
def reporting_epochs(progress: EpochCallback | None, runtime: Runtime) -> Iterator[EpochCallback]:
    """As ``reporting``, for the epochs of a training; the bar shows the loss and the held-out retrieval."""
    with _reporting(progress, runtime, "epoch", _show_epochs) as report:
        yield report


@contextmanager
def _reporting(
    progress: Callable[[Told], None] | None, runtime: Runtime, unit: str, show: Callable[[_Bar, Told], None]
) -> Iterator[Callable[[Told], None]]:
    if runtime.rank != 0 or (progress is None and not sys.stderr.isatty()):
        yield lambda _: None
    elif progress is not None:
        yield progress
    else:
        bar = _Bar(unit)
        try:
            yield lambda told: show(bar, told)
        finally:
            bar.close()


def _show_rows(bar: _Bar, progress: Progress) -> None:
    bar.show(progress.label, progress.done, progress.total)


def _show_epochs(bar: _Bar, progress: EpochProgress) -> None:
    numbers = {"loss": progress.losses.get("total"), "held-out MRR": progress.held_out}
    shown = [f"{name} {value:.3f}" for name, value in numbers.items() if value is not None]
    bar.show(progress.label, progress.epoch, progress.epochs, ", ".join(shown))


class _Bar:
    """A tqdm bar for each label, with rate and time left."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: Any = None
        self._label = ""

    def show(self, label: str, done: int, total: int, more: str = "") -> None:
        """Draw how far a label is; another label begins another bar."""
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        if label != self._label:
            self.close()
            self._bar = tqdm(total=total, desc=label, unit=self._unit, file=sys.stderr)
            self._label = label
        if more:
            self._bar.set_postfix_str(more, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the line of the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar, self._label = None, ""
