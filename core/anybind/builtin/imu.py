"""The modality ``imu``: what an inertial sensor measures, channel by channel, with its sampling rate."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anybind.errors import DataError
from anybind.specs import ModalitySpec

DEFAULT_RATE = 200.0
"""Samples a second of a recording that does not say; Ego4D's, which ImageBind was trained on."""

MAX_VALUES = 200_000_000
_COLOURS = ("#c0392b", "#27ae60", "#2980b9", "#8e44ad", "#d35400", "#16a085")
_WIDTH, _HEIGHT, _POINTS = 240, 80, 120
_TYPES = "path, bytes, (channels, samples) array or ImuClip"


@dataclass(frozen=True, eq=False)
class ImuClip:
    """A piece of an inertial recording.

    Attributes:
        samples: (channels, samples) float32; by custom three of acceleration in m/s² and three of rotation in rad/s.
        rate: Samples a second, above 0.
    """

    samples: NDArray[np.float32]
    rate: float = DEFAULT_RATE

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(self.samples.shape[1] / self.rate)


class Imu:
    """Reads recordings: ``.npy`` files of (channels, samples), CSV with a column a channel, and arrays."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> ImuClip:
        """The recording of ``source``. A CSV may begin with a line of names; a column ``t`` or ``time`` is seconds.

        Raises:
            DataError: missing, or no recording.
        """
        if isinstance(source, ImuClip):
            return source
        if isinstance(source, str | Path | bytes):
            return _read(source)
        if isinstance(source, np.ndarray):
            return ImuClip(_channels(source, None))
        raise DataError("a recording cannot be read", got=type(source).__name__, expected=_TYPES)

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a finite, non-empty ImuClip."""
        if not isinstance(sample, ImuClip):
            raise DataError("a recording is not an ImuClip", got=type(sample).__name__, expected="ImuClip")
        array = sample.samples
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype != np.float32 or not array.size:
            got = f"{getattr(array, 'shape', type(array).__name__)} {getattr(array, 'dtype', '')}"
            raise DataError("a recording has the wrong shape", got=got, expected="(channels, samples) float32")
        if not np.isfinite(array).all() or not sample.rate > 0:
            got = f"NaN or Inf, or a rate of {sample.rate}"
            raise DataError("a recording is not finite", got=got, expected="finite numbers and a rate above 0")

    def preview(self, sample: ImuClip) -> str:
        """A line a channel, as SVG inside the HTML."""
        array = sample.samples
        step = max(1, array.shape[1] // _POINTS)
        low, high = float(array.min()), float(array.max())
        scaled = (high - array[:, ::step]) / max(high - low, 1e-9) * _HEIGHT
        across = np.linspace(0, _WIDTH, scaled.shape[1])
        lines = "".join(
            f'<polyline fill="none" stroke="{_COLOURS[i % len(_COLOURS)]}" points="'
            + " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, line, strict=True))
            + '"/>'
            for i, line in enumerate(scaled)
        )
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
            f'aria-label="{len(array)} channels, {sample.seconds:.1f} s">{lines}</svg>'
        )


def _read(source: str | Path | bytes) -> ImuClip:
    where = None if isinstance(source, bytes) else Path(source)
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        if content[:6] == b"\x93NUMPY":
            return ImuClip(_channels(np.load(io.BytesIO(content), allow_pickle=False), where))
        return _table(content.decode("utf-8-sig"), where)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            "a recording cannot be read", where=where, got=error, expected=".npy of (channels, samples), or CSV"
        ) from error


def _table(text: str, where: Path | None) -> ImuClip:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError("a recording is empty", where=where, expected="a line a sample")
    first = [cell.strip() for cell in lines[0].split(",")]
    names = first if any(not _is_number(cell) for cell in first) else []
    numbers = np.array([[float(cell) for cell in line.split(",")] for line in lines[bool(names) :]], ndmin=2)
    clock = next((i for i, name in enumerate(names) if name.lower() in ("t", "time")), None)
    if clock is None:
        return ImuClip(_channels(numbers.T, where))
    seconds = numbers[:, clock]
    rate = (len(seconds) - 1) / (seconds[-1] - seconds[0]) if len(seconds) > 1 and seconds[-1] > seconds[0] else 0.0
    return ImuClip(_channels(np.delete(numbers, clock, axis=1).T, where), float(rate))


def _channels(array: NDArray[Any], where: Path | None) -> NDArray[np.float32]:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.size > MAX_VALUES:
        got = f"{array.shape} {array.dtype}"
        raise DataError("a recording has the wrong shape", where=where, got=got, expected="(channels, samples) numbers")
    return np.ascontiguousarray(array, dtype=np.float32)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
