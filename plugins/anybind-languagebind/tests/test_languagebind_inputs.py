"""What the towers are given: frames, depths, spectrograms, squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from anybind_languagebind import examples, plugin
from anybind_languagebind.audio import AudioTower, spectrograms
from anybind_languagebind.depth import DepthTower, grey
from anybind_languagebind.pixels import centre_square, normalised
from anybind_languagebind.settings import VisionSettings
from anybind_languagebind.video import VideoTower, even_places
from PIL import Image

import anybind
from anybind.encoder_kit.sound import kaldi_fbank

SOUND = VisionSettings(num_mel_bins=28, target_length=56, patch_size=14)


def _tower(kind: type, name: str, folder: Path) -> object:
    example = getattr(examples, f"{name}_tower")(folder)
    spec = next(spec for spec in plugin.anybind_encoders() if spec.name == f"languagebind-{name}")
    return kind(spec.model_copy(update={"dim": example.dim}), **example.options)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 15, 16, 17, 300, 7193])
def test_frames_are_even_from_first_to_last(length: int) -> None:
    places = even_places(length, 8)
    assert places.tolist() == np.linspace(0, length - 1, 8, dtype=int).tolist()
    assert (places[0], places[-1]) == (0, length - 1 if length > 1 else 0)


def test_short_clips_repeat_their_frames() -> None:
    assert even_places(1, 8).tolist() == [0] * 8
    assert even_places(3, 8).tolist() == [0, 0, 0, 0, 1, 1, 1, 2]
    assert even_places(8, 8).tolist() == list(range(8))
    assert even_places(5, 1).tolist() == [0]


def test_a_short_clip_has_the_vector_of_the_clip_with_its_frames_repeated(tmp_path: Path) -> None:
    tower = _tower(VideoTower, "video", tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (3, 30, 40, 3), dtype=np.uint8)
    repeated = frames[[0, 0, 0, 0, 1, 1, 1, 2]]
    short, long, backwards = tower.encode(
        [anybind.VideoClip(clip, 25.0) for clip in (frames, repeated, repeated[::-1].copy())]
    )
    torch.testing.assert_close(short, long)
    assert (short - backwards).abs().max() > 0.01


def test_frames_that_are_not_chosen_have_no_effect(tmp_path: Path) -> None:
    tower = _tower(VideoTower, "video", tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 3), dtype=np.uint8)
    other = frames.copy()
    other[sorted(set(range(16)) - set(even_places(16, 8).tolist()))] = 0
    a, b = tower.encode([anybind.VideoClip(clip, 25.0) for clip in (frames, other)])
    assert torch.equal(a, b)


def test_depth_is_cut_at_one_centimetre_and_ten_metres() -> None:
    metres = np.array([[0, 0.004, 0.01], [5, 10, 80]], dtype=np.float32)
    np.testing.assert_allclose(grey(metres, 10), [[0.001, 0.001, 0.001], [0.5, 1, 1]], rtol=1e-6)
    np.testing.assert_allclose(grey(metres, 0), np.maximum(metres, 0.01) / 80, rtol=1e-6)


def test_depth_tower_sees_depth_and_not_what_lies_beyond_it(tmp_path: Path) -> None:
    tower = _tower(DepthTower, "depth", tmp_path)
    metres = np.random.default_rng(0).uniform(0.5, 9, (30, 40)).astype(np.float32)
    metres[10:15, 10:15] = 11
    far = np.where(metres > 10, np.float32(90), metres)
    a, b, half = tower.encode([anybind.DepthMap(each) for each in (metres, far, metres / 2)])
    assert torch.equal(a, b)
    assert (a - half).abs().max() > 0.01


def test_a_short_sound_is_repeated_whole_and_silence_follows() -> None:
    sound = torch.randn(3000, generator=torch.Generator().manual_seed(0))
    pieces = spectrograms(sound, SOUND)
    assert pieces.shape == (3, 28, 56)
    whole = torch.cat([sound, sound, torch.zeros(8960 - 6000)])  # 560 ms at 16 kHz
    mel = kaldi_fbank(whole, 16000, mel_bins=28, window="hanning")
    assert len(mel) == 54
    expected = torch.cat([mel, torch.zeros(2, 28)]).T
    for piece in pieces:
        torch.testing.assert_close(piece, expected)


@pytest.mark.parametrize("frames", [8961, 9200, 9201, 9360, 9500, 20000, 40321])
def test_pieces_of_a_long_sound_are_those_of_its_whole_spectrogram(frames: int) -> None:
    sound = torch.randn(frames, generator=torch.Generator().manual_seed(0))
    mel = kaldi_fbank(sound, 16000, mel_bins=28, window="hanning")
    starts = [part[0] if len(part) else 0 for part in np.array_split(range(max(1, len(mel) - 56 + 1)), 3)]
    for piece, start in zip(spectrograms(sound, SOUND), starts, strict=True):
        expected = mel[int(start) : int(start) + 56]
        assert piece.shape == (28, 56)
        torch.testing.assert_close(piece[:, : len(expected)].T, expected)
        assert not piece[:, len(expected) :].any()


def test_published_sizes_take_ten_seconds_and_a_third() -> None:
    settings = VisionSettings(num_mel_bins=112, target_length=1036)
    sound = torch.randn(20 * 16000, generator=torch.Generator().manual_seed(0))
    first, second, third = spectrograms(sound, settings)
    assert first.shape == (112, 1036)
    # 1998 steps, so 963 beginnings: 0, 321, 642
    torch.testing.assert_close(first[:, 321:], second[:, :-321])
    torch.testing.assert_close(first[:, 642:], third[:, :-642])


def test_sound_is_resampled_before_it_is_cut(tmp_path: Path) -> None:
    tower = _tower(AudioTower, "audio", tmp_path)
    seconds = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    other = np.sin(2 * np.pi * 3000 * seconds).astype(np.float32)
    fast, slow, different = tower.encode(
        [anybind.AudioClip(tone, 48000), anybind.AudioClip(tone[::3].copy(), 16000), anybind.AudioClip(other, 48000)]
    )
    assert fast @ slow > 0.999
    assert fast @ different < fast @ slow


def test_squares_are_cut_from_the_middle() -> None:
    wide = torch.zeros(1, 3, 40, 100)
    wide[:, :, :, 30:70] = 1
    assert torch.equal(centre_square(wide, 40, "bicubic"), torch.ones(1, 3, 40, 40))
    tall = torch.arange(80.0)[None, None, :, None].expand(1, 3, 80, 8).contiguous()
    square = centre_square(tall, 4, "bilinear")
    assert square.shape == (1, 3, 4, 4)
    # 80 rows to 40, each the mean of two; rows 18 to 21 of them are the middle.
    torch.testing.assert_close(square[0, 0, :, 0], torch.tensor([36.5, 38.5, 40.5, 42.5]))


def test_with_smoothing_pictures_shrink_as_pillow_shrinks_them() -> None:
    values = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(values).resize((40, 30), Image.Resampling.BICUBIC), dtype=np.float32)
    tensor = torch.from_numpy(values).permute(2, 0, 1)[None].float()
    smooth = centre_square(tensor, 30, "bicubic", antialias=True)[0].permute(1, 2, 0).numpy().clip(0, 255)
    assert np.abs(smooth - pillow[:, 5:35]).max() <= 1.01
    rough = centre_square(tensor, 30, "bicubic")[0].permute(1, 2, 0).numpy()
    assert np.abs(rough - pillow[:, 5:35]).max() > 20


def test_pictures_are_normalised_channel_by_channel() -> None:
    means = torch.tensor([0.48145466, 0.4578275, 0.40821073])[None, :, None, None].expand(1, 3, 2, 2)
    torch.testing.assert_close(normalised(means), torch.zeros(1, 3, 2, 2))
    expected = [0.26 / 0.26862954, 0.26 / 0.26130258, 0.26 / 0.27577711]
    assert normalised(means + 0.26)[0, :, 0, 0].tolist() == pytest.approx(expected)
