"""The modality ``video``: moving pictures as an array of frames with their rate."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anybind.errors import DataError, PluginError
from anybind.factories import how_to_install
from anybind.specs import ModalitySpec

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_BYTES = 2_000_000_000
"""Longer videos are refused while they are read; about 100 s at 640 × 360 and 30 frames a second."""

_PREVIEW_PIXELS = 128
_PREVIEW_FRAMES = 3
_TYPES = "path, bytes, (frames, height, width, 3) uint8 array or VideoClip"


@dataclass(frozen=True, eq=False)
class VideoClip:
    """A piece of video.

    Attributes:
        frames: (frames, height, width, 3) uint8, red, green and blue.
        rate: Frames a second, above 0.
    """

    frames: NDArray[np.uint8]
    rate: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.frames) / self.rate


class Video:
    """Reads video files with PyAV (MP4, WebM, MKV, AVI, ...) and animated GIF; sound is left out."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> VideoClip:
        """The video of ``source``: a path, the bytes of a file, frames at 1 a second, or a VideoClip.

        Raises:
            DataError: missing, no video, without frames, or too long.
            PluginError: PyAV is not installed.
        """
        if isinstance(source, VideoClip):
            return source
        if isinstance(source, np.ndarray):
            return VideoClip(source, 1.0)
        if not isinstance(source, str | Path | bytes):
            raise DataError("a video cannot be read", got=type(source).__name__, expected=_TYPES)
        where = None if isinstance(source, bytes) else Path(source)
        av = _av()
        try:
            with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
                return _decoded(container, where)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DataError("a video cannot be read", where=where, got=error, expected="a video file") from error

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a VideoClip with at least one frame."""
        if not isinstance(sample, VideoClip):
            raise DataError("a video is not a VideoClip", got=type(sample).__name__, expected="VideoClip")
        frames = sample.frames
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            got = f"{getattr(frames, 'shape', type(frames).__name__)} {getattr(frames, 'dtype', '')}"
            raise DataError("a video has the wrong shape", got=got, expected="(frames, height, width, 3) uint8")
        if not frames.size or not sample.rate > 0:
            got = f"{frames.shape} at {sample.rate} frames a second"
            raise DataError("a video is empty", got=got, expected="at least one frame, and a rate")

    def preview(self, sample: VideoClip) -> str:
        """First, middle and last frame side by side, as a PNG inside the HTML."""
        chosen = np.unique(np.linspace(0, len(sample.frames) - 1, _PREVIEW_FRAMES).round().astype(int))
        strip = _side_by_side([_small(sample.frames[i]) for i in chosen])
        buffer = io.BytesIO()
        strip.save(buffer, format="PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        size = f'width="{strip.width}" height="{strip.height}"'
        return f'<img src="data:image/png;base64,{data}" {size} alt="{sample.seconds:.1f} s of video">'


def _decoded(container: Any, where: Path | None) -> VideoClip:
    if not container.streams.video:
        raise DataError("a file holds no video", where=where, got="no video stream", expected="a video file")
    stream = container.streams.video[0]
    frames: list[NDArray[np.uint8]] = []
    for frame in _bounded(container.decode(stream), where):
        frames.append(frame)
    if not frames:
        raise DataError("a video has no frames", where=where, expected="at least one frame")
    return VideoClip(np.stack(frames), float(stream.average_rate or stream.guessed_rate or 1))


def _bounded(decoded: Iterator[Any], where: Path | None) -> Iterator[NDArray[np.uint8]]:
    total = 0
    for frame in decoded:
        total += frame.width * frame.height * 3
        if total > MAX_BYTES:
            got = f"more than {MAX_BYTES} bytes of pixels"
            raise DataError("a video is too long", where=where, got=got, hint="cut it into clips, or scale it down")
        yield frame.to_ndarray(format="rgb24")


def _small(frame: NDArray[np.uint8]) -> PillowImage:
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
    return picture


def _side_by_side(pictures: list[PillowImage]) -> PillowImage:
    from PIL import Image

    strip = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    return strip


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        hint = how_to_install("av")
        raise PluginError("videos need PyAV", where="modality video", got=error, hint=hint) from error
    return av
