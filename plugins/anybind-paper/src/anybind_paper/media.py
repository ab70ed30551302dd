"""Sound and single frames out of video files, with PyAV, which is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anybind

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_SAMPLES = 200_000_000


def sound_of(path: Path) -> anybind.AudioClip:
    """The first sound track of a video, its channels averaged, at its own rate.

    Raises:
        DataError: missing, unreadable, too long, or silent: without a sound track.
    """
    import numpy as np

    with _opened(path) as container:
        if not container.streams.audio:
            raise anybind.DataError("a video has no sound", where=path)
        stream = container.streams.audio[0]
        parts, length = [], 0
        for frame in container.decode(stream):
            parts.append(_mono(frame))
            length += len(parts[-1])
            if length > MAX_SAMPLES:
                raise anybind.DataError("sound is too long", where=path, expected=f"at most {MAX_SAMPLES} samples")
        if not length:
            raise anybind.DataError("a video has no sound", where=path, got="an empty track")
        return anybind.AudioClip(np.concatenate(parts), int(stream.rate))


def middle_frame(path: Path) -> PillowImage:
    """The frame in the middle of a video, in RGB.

    Raises:
        DataError: missing, unreadable, or without a frame.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise anybind.DataError("a video has no frames", where=path)
        middle = (container.duration or 0) / 2  # in microseconds
        if middle:
            container.seek(int(middle))
        last = None
        for frame in container.decode(video=0):
            last = frame
            if frame.time is None or frame.time * 1_000_000 >= middle:
                break
        if last is None:
            raise anybind.DataError("a video has no frames", where=path)
        picture: PillowImage = last.to_image()
        return picture


def _mono(frame: Any) -> Any:
    """(samples,) float32 of a frame of sound, full scale -1 to 1."""
    import numpy as np

    values = frame.to_ndarray()
    if not frame.format.is_planar:  # (1, samples x channels)
        values = values.reshape(-1, frame.layout.nb_channels).T
    if values.dtype.kind == "u":
        values = values.astype(np.float32) - 128
        scale = 128.0
    else:
        scale = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max) + 1
    return np.ascontiguousarray(values.mean(axis=0, dtype=np.float64) / scale, dtype=np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import av
    except ImportError as error:
        hint = "pip install av (extra 'video' of anybind)"
        raise anybind.PluginError("videos need PyAV", where=path, got=error, hint=hint) from error
    try:
        with av.open(str(path)) as container:
            yield container
    except anybind.AnybindError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise anybind.DataError("a video cannot be read", where=path, got=error, expected="a video file") from error
