"""Progress is told to a callback, or drawn as a bar when there is a terminal, by rank 0 only."""

from __future__ import annotations

import io
import sys

import pytest

from anybind.distributed import Runtime
from anybind.progress import EpochProgress, Progress, reporting, reporting_epochs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(runtime: Runtime) -> list[Progress]:
    seen: list[Progress] = []
    with reporting(seen.append, runtime) as report:
        report(Progress("image", 1, 2, 0.5))
    return seen


def test_a_callback_hears_everything_on_rank_0() -> None:
    assert told(Runtime()) == [Progress("image", 1, 2, 0.5)]
    assert told(Runtime(rank=1, world=2)) == []


def test_rate_and_time_left() -> None:
    progress = Progress("image", 20, 100, 4.0)
    assert progress.rate == 5.0
    assert progress.seconds_left == 16.0
    assert Progress("image", 0, 100, 0.0).seconds_left is None


def test_a_terminal_gets_a_bar_for_each_space(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with reporting(None, Runtime()) as report:
        for label in ("image by toy", "text by toy"):
            report(Progress(label, 3, 10, 1.0))
            report(Progress(label, 10, 10, 2.0))
    drawn = terminal.getvalue()
    for text in ("image by toy: 100%", "text by toy: 100%", "10/10", "row/s", "<"):
        assert text in drawn


def test_no_terminal_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(None, Runtime()) as report:
        report(Progress("image", 3, 10, 1.0))
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_epochs_reach_the_callback_or_a_bar_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = [
        EpochProgress(label, epoch, 2, {"contrast": 1.5, "total": 2.25}, held_out, 1.0)
        for label, held_out in (("heads", 0.125), ("heads, all rows", None))
        for epoch in (1, 2)
    ]
    for runtime, heard in ((Runtime(), epochs), (Runtime(rank=1, world=2), [])):
        seen: list[EpochProgress] = []
        with reporting_epochs(seen.append, runtime) as report:
            for epoch in epochs:
                report(epoch)
        assert seen == heard
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with reporting_epochs(None, Runtime()) as report:
        for epoch in epochs:
            report(epoch)
    drawn = terminal.getvalue()
    for text in ("heads: 100%", "heads, all rows: 100%", "2/2", "loss 2.250, held-out MRR 0.125", "epoch/s"):
        assert text in drawn
