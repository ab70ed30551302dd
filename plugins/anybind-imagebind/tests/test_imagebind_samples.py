"""What each kind of sample becomes before the network sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anybind_imagebind import examples, plugin
from anybind_imagebind.audio import Sounds, mel_picture
from anybind_imagebind.depth import DepthMaps
from anybind_imagebind.encoder import clip_starts
from anybind_imagebind.imu import Recordings, middle_readings
from anybind_imagebind.video import Videos, frame_pairs, short_side, squares

import anybind
from anybind.encoder_kit.sound import kaldi_fbank

SPECS = {spec.modality: spec.model_copy(update={"dim": examples.DIM}) for spec in plugin.anybind_encoders()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(examples.write_tiny_checkpoint(tmp_path_factory.mktemp("imagebind")))


def test_clips_are_spread_from_the_beginning_to_the_end() -> None:
    assert clip_starts(10, 2, 3) == [0, 4, 8]
    assert clip_starts(10, 2, 1) == [0]
    assert clip_starts(2, 2, 5) == clip_starts(0.3, 2, 5) == [0]


def test_sound_is_energies_filled_up_before_they_are_scaled() -> None:
    sound = torch.from_numpy(examples._sound(1.0, 16_000).samples) + 0.25
    picture = mel_picture(sound)
    energies = kaldi_fbank(sound - sound.mean(), 16_000)
    assert picture.shape == (1, 128, 204)
    torch.testing.assert_close(picture[0, :, :98], (energies.T + 4.268) / 9.138)
    torch.testing.assert_close(picture[0, :, 98:], torch.full((128, 106), 4.268 / 9.138))
    assert mel_picture(torch.zeros(40_000)).shape == (1, 128, 204)


def test_a_sound_at_another_rate_is_nearly_the_same_vector(folder: str) -> None:
    times = {rate: np.arange(2 * rate) / rate for rate in (16_000, 44_100)}
    tones = {rate: np.sin(2 * np.pi * 440 * t).astype(np.float32) for rate, t in times.items()}
    rows = Sounds(SPECS["audio"], folder=folder).encode([anybind.AudioClip(tones[rate], rate) for rate in tones])
    assert torch.nn.functional.cosine_similarity(rows[0], rows[1], dim=0) > 0.99


def test_a_sound_must_have_one_frame_of_energies(folder: str) -> None:
    encoder = Sounds(SPECS["audio"], folder=folder)
    assert encoder.encode([anybind.AudioClip(np.ones(400, np.float32), 16_000)]).isfinite().all()
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([anybind.AudioClip(np.ones(399, np.float32), 16_000)])
    assert caught.value.where == "sample 0"


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 8000])
def test_the_shortest_sound_at_any_rate_is_read(folder: str, rate: int) -> None:
    sound = anybind.AudioClip(np.ones(-(-rate // 40), np.float32), rate)
    assert Sounds(SPECS["audio"], folder=folder).encode([sound]).isfinite().all()


def test_a_clip_of_video_is_its_first_and_last_frame() -> None:
    assert frame_pairs(250, 25.0, 5) == [(0, 49), (50, 99), (100, 149), (150, 199), (200, 249)]
    assert frame_pairs(1, 25.0, 5) == [(0, 0)]
    assert frame_pairs(30, 25.0, 5) == [(0, 29)]
    assert frame_pairs(3, 0.1, 2) == [(0, 0), (2, 2)]
    for rate in (1.0, 3.3, 23.976, 29.97):
        pairs = frame_pairs(100, rate, 7)
        assert all(0 <= first <= last < 100 for first, last in pairs)
        assert pairs[0][0] == 0
        assert pairs[-1][1] == 99


def test_squares_lie_along_the_longer_side() -> None:
    frames = torch.arange(4 * 9, dtype=torch.float32).view(1, 1, 4, 9)
    left, middle, right = squares(frames, 4, 3)
    assert [part[0, 0, 0, 0].item() for part in (left, middle, right)] == [0, 3, 5]
    tall = squares(frames.transpose(2, 3), 4, 3)
    assert all(torch.equal(a, b.transpose(2, 3)) for a, b in zip(tall, (left, middle, right), strict=True))
    assert torch.equal(squares(frames, 4, 1)[0], middle)
    assert short_side(torch.zeros(2, 3, 50, 100), 20).shape == (2, 3, 20, 40)


def test_video_keeps_frames_of_a_clip_together(folder: str) -> None:
    frames = np.zeros((4, 56, 56, 3), np.uint8)
    frames[-1, ..., 0] = 255
    (clip,) = Videos(SPECS["video"], folder=folder, clips=1, crops=1)._clips(anybind.VideoClip(frames, 2.0))
    assert clip.shape == (3, 2, 56, 56)
    assert torch.allclose(clip[:, 0].mean((1, 2)), torch.tensor([-1.7923, -1.7521, -1.4802]), atol=1e-3)
    assert torch.allclose(clip[:, 1].mean((1, 2)), torch.tensor([1.9303, -1.7521, -1.4802]), atol=1e-3)


def depth_clips(folder: str, metres: float, **options: Any) -> torch.Tensor:
    encoder = DepthMaps(SPECS["depth"], folder=folder, **options)
    (clip,) = encoder._clips(anybind.DepthMap(np.full((70, 90), metres, np.float32)))
    assert clip.shape == (1, 64, 64)
    return clip


@pytest.mark.parametrize(
    ("metres", "options", "disparity"),
    [
        (2.0, {}, 0.075 * 518.857901 / 16),
        (2.0, {"depth_scale": 1.0, "baseline": 0.1, "focal": 600.0}, 30.0),
        (0.0, {}, 0.075 * 518.857901 / 50),  # unknown: far away
        (1000.0, {}, 0.075 * 518.857901 / 50),
        (0.0001, {}, 75.0),
    ],
)
def test_depth_is_scaled_disparity(folder: str, metres: float, options: dict[str, float], disparity: float) -> None:
    clip = depth_clips(folder, metres, **options)
    torch.testing.assert_close(clip, torch.full_like(clip, (disparity / 75 - 0.0418) / 0.0295), rtol=1e-4, atol=1e-4)


def test_readings_of_the_right_rate_are_taken_as_they_are() -> None:
    samples = np.random.default_rng(0).standard_normal((6, 2400)).astype(np.float32)
    found = middle_readings(anybind.ImuClip(samples, 400.0), 5.0, 2000)
    np.testing.assert_allclose(found, samples[:, 200:2200], atol=1e-5)


def test_readings_of_other_rates_are_interpolated() -> None:
    slow = np.stack([np.sin(2 * np.pi * (np.arange(1000) + 0.5) / 200 + k) for k in range(6)]).astype(np.float32)
    found = middle_readings(anybind.ImuClip(slow, 200.0), 5.0, 2000)
    wanted = np.stack([np.sin(2 * np.pi * (np.arange(2000) + 0.5) / 400 + k) for k in range(6)])
    np.testing.assert_allclose(found[:, 1:-1], wanted[:, 1:-1], atol=2e-4)
    assert found.dtype == np.float32


def test_a_short_recording_keeps_its_ends() -> None:
    ramp = np.tile(np.arange(1, 5, dtype=np.float32), (6, 1))
    found = middle_readings(anybind.ImuClip(ramp, 2.0), 5.0, 20)
    assert found[0, 0] == 1
    assert found[0, -1] == 4
    assert (np.diff(found[0]) >= 0).all()


def test_a_recording_must_have_six_channels(folder: str) -> None:
    encoder = Recordings(SPECS["imu"], folder=folder)
    good = anybind.ImuClip(np.zeros((6, 10), np.float32), 200.0)
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([good, anybind.ImuClip(np.zeros((3, 10), np.float32), 200.0)])
    assert caught.value.where == "sample 1"
    assert encoder.encode([]).shape == (0, examples.DIM)


def test_seconds_choose_how_much_is_read(folder: str, tmp_path: Path) -> None:
    clip = examples.imu(tmp_path).samples[0]
    five, one = (Recordings(SPECS["imu"], folder=folder, seconds=s).encode([clip]) for s in (5.0, 1.0))
    assert (five - one).abs().max() > 1e-3
