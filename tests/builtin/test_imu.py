"""Inertial recordings are (channels, samples), from arrays, .npy files and CSV."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anybind.builtin.imu import DEFAULT_RATE, Imu, ImuClip
from anybind.errors import DataError
from anybind.specs import ModalitySpec

IMU = Imu(ModalitySpec(name="imu", factory="anybind.builtin.imu:Imu"))
TWO = np.stack([np.sin(np.arange(50) / 5), np.cos(np.arange(50) / 5)]).astype(np.float32)


def as_csv(header: str, *, clock: bool) -> bytes:
    rows = [f"{i / 100}," * clock + f"{a!r},{b!r}" for i, (a, b) in enumerate(TWO.T.tolist())]
    return "\n".join([header, *rows] if header else rows).encode()


def test_arrays_and_files_give_the_same(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, TWO)
    path = tmp_path / "a.npy"
    path.write_bytes(buffer.getvalue())
    tables = as_csv("x,y", clock=False), as_csv("", clock=False)
    for source in (TWO, ImuClip(TWO), buffer.getvalue(), path, str(path), *tables):
        loaded = IMU.load(source)
        IMU.check(loaded)
        np.testing.assert_allclose(loaded.samples, TWO)
        assert loaded.rate == DEFAULT_RATE


def test_a_column_of_seconds_gives_the_rate() -> None:
    loaded = IMU.load(as_csv("time,x,y", clock=True))
    np.testing.assert_allclose(loaded.samples, TWO)
    assert loaded.rate == pytest.approx(100)
    assert loaded.seconds == pytest.approx(0.5)


@pytest.mark.parametrize("source", [b"", b"x,y\n1,a", b"1,2\n3", Path("nowhere.csv"), 3, None, np.zeros(3)])
def test_what_is_no_recording(source: Any) -> None:
    with pytest.raises(DataError):
        IMU.load(source)


def test_seconds_that_stand_still_are_no_rate() -> None:
    with pytest.raises(DataError, match="rate"):
        IMU.check(IMU.load(b"t,x\n0,1\n0,2"))


@pytest.mark.parametrize(
    "sample",
    [
        TWO, ImuClip(TWO * np.nan), ImuClip(TWO[0]), ImuClip(TWO[:, :0]), ImuClip(TWO, 0),
        ImuClip(TWO.astype(int)),
    ],
)  # fmt: skip
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        IMU.check(sample)


def test_the_preview_draws_a_line_a_channel() -> None:
    shown = IMU.preview(ImuClip(TWO, 100.0))
    assert shown.count("<polyline") == 2
    assert 'aria-label="2 channels, 0.5 s"' in shown
