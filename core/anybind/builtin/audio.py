"""The modality ``audio``: one channel of sound with its sampling rate."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anybind.errors import DataError, PluginError
from anybind.factories import how_to_install
from anybind.specs import ModalitySpec

MAX_VALUES = 200_000_000
"""Longer files are refused before they are read; about 35 minutes of stereo at 48 kHz."""

_PREVIEW_SECONDS = 10
_TYPES = "path, bytes or AudioClip"


@dataclass(frozen=True, eq=False)
class AudioClip:
    """A piece of sound.

    Attributes:
        samples: (frames,) float32, one channel, full scale is -1 to 1.
        rate: Frames a second.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate


class Audio:
    """Reads sound files (WAV, FLAC, OGG, MP3); several channels are averaged, the rate stays as it is."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> AudioClip:
        """The sound of ``source`` (a path, the bytes of a file, or an AudioClip).

        Raises:
            DataError: missing, no sound file, empty, or too long.
            PluginError: soundfile is not installed.
        """
        if isinstance(source, AudioClip):
            return source
        if not isinstance(source, str | Path | bytes):
            raise DataError("sound cannot be read", got=type(source).__name__, expected=_TYPES)
        where = None if isinstance(source, bytes) else Path(source)
        library = _soundfile()
        try:
            with library.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
                _refuse_long(file.frames, file.channels, where)
                frames = file.read(file.frames, dtype="float32", always_2d=True)
                rate = int(file.samplerate)
        except (library.LibsndfileError, OSError, RuntimeError, ValueError, TypeError) as error:
            raise DataError(
                "sound cannot be read", where=where, got=error, expected="a sound file"
            ) from error
        return AudioClip(np.ascontiguousarray(frames.mean(axis=1, dtype=np.float32)), rate)

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a finite, non-empty AudioClip."""
        if not isinstance(sample, AudioClip):
            raise DataError("sound is not an AudioClip", got=type(sample).__name__, expected="AudioClip")
        array = sample.samples
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != np.float32:
            got = f"{getattr(array, 'shape', type(array).__name__)} {getattr(array, 'dtype', '')}"
            raise DataError("sound has the wrong shape", got=got, expected="(frames,) float32")
        if not len(array) or sample.rate < 1:
            got = f"{len(array)} frames at {sample.rate} Hz"
            raise DataError("sound is empty", got=got, expected="at least one frame, and a rate")
        if not np.isfinite(array).all():
            raise DataError("sound is not finite", got="NaN or Inf", expected="finite numbers")

    def preview(self, sample: AudioClip) -> str:
        """A player for the first 10 seconds, as 16-bit WAV inside the HTML."""
        shown = np.clip(sample.samples[: _PREVIEW_SECONDS * sample.rate], -1, 1)
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample.rate)
            file.writeframes((shown * 32767).astype("<i2").tobytes())
        data = base64.b64encode(buffer.getvalue()).decode()
        return f'<audio controls preload="none" src="data:audio/wav;base64,{data}"></audio>'


def _soundfile() -> Any:
    try:
        import soundfile  # type: ignore[import-untyped,unused-ignore]
    except (ImportError, OSError) as error:  # OSError: the package is there, its C library is not
        hint = how_to_install("soundfile")
        raise PluginError("sound needs soundfile", where="modality audio", got=error, hint=hint) from error
    return soundfile


def _refuse_long(frames: int, channels: int, where: Path | None) -> None:
    if frames * channels > MAX_VALUES:
        got = f"{frames} frames of {channels} channels"
        raise DataError("sound is too long", where=where, got=got, expected=f"at most {MAX_VALUES} numbers")
