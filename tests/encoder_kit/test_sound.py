"""Sound for encoders: against loops written out from the formulas, and against numbers of torchaudio 2.11."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.encoder_kit.sound import kaldi_fbank, mel_triangles, resample
from anybind.errors import DataError

Sound = NDArray[np.float32]


def hiss(count: int) -> Sound:
    """A made-up sound with energy everywhere."""
    i = np.arange(count, dtype=np.float64)
    return (0.3 * np.sin(2e-5 * i * i) + 0.1 * np.sin(1.3 * i * i) + 0.05).astype(np.float32)


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Sound:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def fbank_by_loops(sound: Sound, rate: int, mel_bins: int, power: float) -> NDArray[np.float64]:
    """Kaldi's recipe, one frame, one frequency and one triangle at a time."""
    size, step = rate * 25 // 1000, rate * 10 // 1000
    padded = 2 ** math.ceil(math.log2(size))
    hann = np.array([(0.5 - 0.5 * math.cos(2 * math.pi * i / (size - 1))) ** power for i in range(size)])
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in (20, rate / 2))
    rows = []
    for start in range(0, len(sound) - size + 1, step):
        frame = sound[start : start + size].astype(np.float64)
        frame = frame - frame.mean()
        frame = np.array([frame[i] - 0.97 * frame[max(i - 1, 0)] for i in range(size)]) * hann
        row = np.zeros(mel_bins)
        for k in range(padded // 2):
            energy = abs(np.sum(frame * np.exp(-2j * np.pi * k * np.arange(size) / padded))) ** 2
            place = (1127 * math.log(1 + k * rate / padded / 700) - low) / (high - low) * (mel_bins + 1)
            row += energy * np.array([max(0.0, 1 - abs(place - (b + 1))) for b in range(mel_bins)])
        rows.append(np.log(np.maximum(row, np.finfo(np.float32).eps)))
    return np.array(rows)


@pytest.mark.parametrize(("window", "power"), [("hanning", 1.0), ("povey", 0.85)])
@pytest.mark.parametrize(("rate", "mel_bins"), [(16_000, 30), (11_025, 17)])
def test_fbank_is_kaldis_recipe(window: str, power: float, rate: int, mel_bins: int) -> None:
    sound = hiss(rate // 16)
    found = kaldi_fbank(sound, rate, mel_bins=mel_bins, window=window)  # type: ignore[arg-type]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), fbank_by_loops(sound, rate, mel_bins, power), atol=2e-3)


def test_fbank_is_that_of_torchaudio() -> None:
    plain = kaldi_fbank(hiss(8000), 16_000, mel_bins=128)
    known = {(0, 0): -1.5883, (0, 40): -12.8403, (20, 80): 0.5820, (20, 127): 2.8933, (47, 0): -7.5875,
             (47, 40): -2.4793, (47, 127): 3.1003}  # fmt: skip
    assert plain.shape == (48, 128)
    assert {place: plain[place].item() for place in known} == pytest.approx(known, abs=2e-3)
    povey = kaldi_fbank(hiss(8000), 16_000, mel_bins=40, window="povey")
    known = {(0, 0): -1.5218, (0, 20): -4.9452, (47, 39): 3.8742}
    assert {place: povey[place].item() for place in known} == pytest.approx(known, abs=2e-3)


def test_frames_that_do_not_fit_are_left_out() -> None:
    lengths = {399: 0, 400: 1, 559: 1, 560: 2, 32_000: 198}
    assert {n: len(kaldi_fbank(hiss(n), 16_000)) for n in lengths} == lengths
    assert len(kaldi_fbank(hiss(0), 16_000, mel_bins=5)) == 0
    assert len(kaldi_fbank(hiss(32_000), 16_000, frame_shift_ms=20, frame_length_ms=40)) == 99


def test_silence_is_the_floor_and_a_band_can_be_chosen() -> None:
    silent = kaldi_fbank(np.zeros(1000, np.float32), 16_000, mel_bins=8)
    assert torch.equal(silent, torch.full_like(silent, math.log(np.finfo(np.float32).eps)))
    narrow = kaldi_fbank(tone(3000, 16_000), 16_000, mel_bins=8, low_hz=2000, high_hz=4000)
    edges = np.linspace(*(1127 * math.log(1 + hertz / 700) for hertz in (2000, 4000)), 10)
    nearest = np.abs(edges[1:-1] - 1127 * math.log(1 + 3000 / 700)).argmin()
    assert set(narrow.argmax(1).tolist()) == {int(nearest)}


def test_triangles_meet_where_the_next_begins() -> None:
    weights = mel_triangles(10, 512, 16_000, 20, 8000)
    assert weights.shape == (257, 10)
    inside = weights[12:200].sum(1)  # between the first peak and the last one
    torch.testing.assert_close(inside, torch.ones_like(inside))
    assert not weights[256].any()


@pytest.mark.parametrize(("rate", "new_rate"), [(44_100, 16_000), (16_000, 44_100), (48_000, 16_000), (22_050, 16_001)])
def test_a_tone_stays_that_tone(rate: int, new_rate: int) -> None:
    found = resample(tone(440, rate), rate, new_rate)
    assert found.shape == (math.ceil(rate // 2 * new_rate / rate),)
    middle = slice(200, len(found) - 200)
    np.testing.assert_allclose(found[middle], tone(440, new_rate)[: len(found)][middle], atol=2e-3)


def test_what_the_new_rate_cannot_carry_is_gone() -> None:
    found = resample(tone(15_000, 48_000), 48_000, 16_000)
    assert found[100:-100].abs().max() < 1e-3
    assert resample(tone(15_000, 48_000), 48_000, 44_100).abs().max() > 0.9


def test_resampling_is_that_of_torchaudio() -> None:
    found = resample(hiss(22_050), 44_100, 16_000)
    known = {0: 0.04896, 1: 0.03295, 1000: 0.34483, 4321: 0.05958, 7999: 0.29751}
    assert {place: found[place].item() for place in known} == pytest.approx(known, abs=2e-5)


def test_resampling_is_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(hiss(3000), 44_100, 16_000)
    monkeypatch.setattr("anybind.encoder_kit.sound._CHUNK", 1000)
    assert torch.equal(resample(hiss(3000), 44_100, 16_000), whole)


def test_the_same_rate_and_no_sound_change_nothing() -> None:
    assert torch.equal(resample(hiss(50), 8000, 8000), torch.from_numpy(hiss(50)))
    assert resample(hiss(0), 8000, 16_000).shape == (0,)
    assert resample(torch.ones(4, dtype=torch.float64), 2, 4).dtype == torch.float32


def test_wrong_sound_and_wrong_rates_are_told() -> None:
    with pytest.raises(DataError, match="shape") as caught:
        kaldi_fbank(np.zeros((2, 500), np.float32), 16_000)
    assert caught.value.got == (2, 500)
    with pytest.raises(DataError, match="rate"):
        resample(hiss(10), 0, 16_000)
    with pytest.raises(DataError, match="rate is too low") as caught:
        kaldi_fbank(hiss(100), 39)
    assert caught.value.got == "39 Hz"
    with pytest.raises(DataError, match="rate is too low"):
        kaldi_fbank(hiss(1000), 8000, high_hz=5000)
