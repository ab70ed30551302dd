"""Video files become frames with their rate; what is no video becomes an error."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from anybind.builtin import video
from anybind.builtin.video import Video, VideoClip
from anybind.errors import DataError, PluginError
from anybind.specs import ModalitySpec

VIDEO = Video(ModalitySpec(name="video", factory="anybind.builtin.video:Video"))


def moving(frames: int = 10, side: int = 32) -> NDArray[np.uint8]:
    """A bright column that moves to the right on a dark ground."""
    array = np.full((frames, side, side, 3), 20, dtype=np.uint8)
    for i in range(frames):
        array[i, :, 3 * i : 3 * i + 3] = 220
    return array


def video_file(frames: NDArray[np.uint8], rate: int = 5, *, kind: str = "mp4", codec: str = "mpeg4") -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def test_a_file_gives_its_frames_in_order_with_their_rate(tmp_path: Path) -> None:
    frames = moving()
    path = tmp_path / "a.mp4"
    path.write_bytes(video_file(frames))
    for source in (path, str(path), path.read_bytes()):
        clip = VIDEO.load(source)
        VIDEO.check(clip)
        assert clip.frames.shape == frames.shape
        assert (clip.rate, clip.seconds) == (5.0, 2.0)
        brightest = clip.frames.astype(int).sum((1, 3)).argmax(1)  # the encoder loses detail, not the movement
        assert np.abs(brightest - (3 * np.arange(10) + 1)).max() <= 2


def test_clips_and_frames_pass() -> None:
    clip = VideoClip(moving(), 25.0)
    assert VIDEO.load(clip) is clip
    assert VIDEO.load(clip.frames).rate == 1.0


@pytest.mark.parametrize("source", [b"", b"no video", Path("nowhere.mp4"), 3, None])
def test_what_is_no_video(source: Any) -> None:
    with pytest.raises(DataError):
        VIDEO.load(source)


def test_sound_alone_is_no_video() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(DataError, match="no video"):
        VIDEO.load(buffer.getvalue())


def test_overlong_videos_are_refused_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = video_file(moving())
    monkeypatch.setattr(video, "MAX_BYTES", 5 * 32 * 32 * 3)
    with pytest.raises(DataError, match="too long"):
        VIDEO.load(data)


@pytest.mark.parametrize(
    "sample",
    [
        "a.mp4", VideoClip(moving()[0], 5.0), VideoClip(moving().astype(np.float32), 5.0),  # type: ignore[arg-type]
        VideoClip(moving()[:0], 5.0), VideoClip(moving(), 0.0), VideoClip(moving(), float("nan")),
    ],
)  # fmt: skip
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        VIDEO.check(sample)


def test_the_preview_shows_three_frames_side_by_side() -> None:
    shown = VIDEO.preview(VideoClip(moving(), 5.0))
    assert shown.startswith('<img src="data:image/png;base64,')
    assert 'width="96" height="32"' in shown
    assert 'alt="2.0 s of video"' in shown
    assert 'width="32"' in VIDEO.preview(VideoClip(moving(1), 5.0))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PluginError, match='pip install "av>=13"'):
        VIDEO.load(b"x")
