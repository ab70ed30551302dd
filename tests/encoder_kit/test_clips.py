"""Wrong sounds, videos, depth maps and recordings are told by their place, before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from anybind import AudioClip, DataError, DepthMap, ImuClip, VideoClip
from anybind.encoder_kit.clips import check_depth_maps, check_recordings, check_sounds, check_videos

SOUND = AudioClip(np.zeros(800, np.float32), 8000)
VIDEO = VideoClip(np.zeros((2, 4, 5, 3), np.uint8), 25.0)
DEPTH = DepthMap(np.ones((3, 4), np.float32))
RECORDING = ImuClip(np.zeros((6, 10), np.float32), 200.0)


def six(encoder: str, samples: list[Any]) -> None:
    check_recordings(encoder, samples, channels=6)


@pytest.mark.parametrize(
    ("check", "good"), [(check_sounds, SOUND), (check_videos, VIDEO), (check_depth_maps, DEPTH), (six, RECORDING)]
)
def test_good_samples_pass_and_others_are_told_by_place(check: Callable[..., None], good: Any) -> None:
    check("some-encoder", [])
    check("some-encoder", [good, good])
    with pytest.raises(DataError, match="some-encoder") as caught:
        check("some-encoder", [good, "a text"])
    assert caught.value.where == "sample 1"
    assert caught.value.got == "str"


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (check_sounds, AudioClip(np.zeros((2, 5), np.float32), 8000)),
        (check_sounds, AudioClip(np.zeros(0, np.float32), 8000)),
        (check_sounds, AudioClip(np.array([1, np.nan], np.float32), 8000)),
        (check_sounds, AudioClip(np.zeros(9, np.float32), 0)),
        (check_sounds, AudioClip([0.0, 1.0], 8000)),  # type: ignore[arg-type]
        (check_videos, VideoClip(np.zeros((0, 4, 5, 3), np.uint8), 25.0)),
        (check_videos, VideoClip(np.zeros((2, 4, 5), np.uint8), 25.0)),
        (check_videos, VideoClip(np.zeros((2, 4, 5, 4), np.uint8), 25.0)),
        (check_videos, VideoClip(np.zeros((2, 4, 5, 3), np.uint16), 25.0)),  # type: ignore[arg-type]
        (check_videos, VideoClip(np.zeros((2, 4, 5, 3), np.uint8), 0.0)),
        (check_videos, VideoClip(np.zeros((2, 4, 5, 3), np.uint8), float("nan"))),
        (check_depth_maps, DepthMap(np.full((2, 2), -1, np.float32))),
        (check_depth_maps, DepthMap(np.full((2, 2), np.inf, np.float32))),
        (check_depth_maps, DepthMap(np.zeros((2, 2), np.int64))),  # type: ignore[arg-type]
        (check_depth_maps, DepthMap(np.zeros((0, 2), np.float32))),
        (six, ImuClip(np.zeros((3, 10), np.float32), 200.0)),
        (six, ImuClip(np.zeros((6, 10), np.float32), 0.0)),
        (six, ImuClip(np.full((6, 10), np.nan, np.float32), 200.0)),
    ],
)
def test_wrong_contents_are_told(check: Callable[..., None], wrong: Any) -> None:
    with pytest.raises(DataError) as caught:
        check("e", [wrong])
    assert caught.value.where == "sample 0"
    assert caught.value.got
    assert caught.value.expected


def test_a_sound_can_be_too_short() -> None:
    check_sounds("e", [SOUND], seconds=0.1)
    with pytest.raises(DataError, match="read a sample") as caught:
        check_sounds("e", [SOUND], seconds=0.2)
    assert caught.value.got == "800 frames at 8000 Hz"
    assert "0.2 s" in str(caught.value.expected)
