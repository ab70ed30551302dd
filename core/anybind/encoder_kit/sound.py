"""Sound to what networks take, with torch alone: another sampling rate, and Kaldi's log mel energies."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

from anybind.errors import DataError

Window = Literal["hanning", "povey"]

# Sinc interpolation: how many zero crossings the kernel reaches to each side, and the share of the band it keeps.
_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99
_CHUNK = 1 << 22  # how many numbers are held at a time
# What is taken for silence before the logarithm: the smallest step of float32 at 1.
_FLOOR = torch.finfo(torch.float32).eps


def resample(samples: Any, rate: int, new_rate: int) -> torch.Tensor:
    """Sound at another sampling rate, by a sinc kernel under a Hann window.

    What the new rate cannot carry is filtered out first, so nothing is folded into hearing range. The kernel is that
    of Smith's band-limited interpolation with 6 zero crossings and a roll-off of 0.99, as torchaudio's default.

    Args:
        samples: (frames,) array or tensor of numbers.
        rate: Frames a second now, at least 1.
        new_rate: Frames a second wanted, at least 1.

    Returns:
        (ceil(frames * new_rate / rate),) float32 tensor.

    Raises:
        DataError: ``samples`` has another shape, or a rate is below 1.
    """
    sound = _one_channel(samples)
    if rate < 1 or new_rate < 1:
        raise DataError("a sampling rate is wrong", got=f"{rate} Hz to {new_rate} Hz", expected="whole numbers from 1")
    if rate == new_rate or not len(sound):
        return sound
    common = math.gcd(rate, new_rate)
    old, new = rate // common, new_rate // common
    kernels, reach = _sinc_kernels(old, new)
    padded = torch.nn.functional.pad(sound, (reach, reach + 1))
    out = torch.empty(-(-len(sound) * new // old), dtype=torch.float32)
    taps = torch.arange(2 * reach + 1)
    step = max(1, _CHUNK // len(taps))
    for start in range(0, len(out), step):
        places = torch.arange(start, min(start + step, len(out)))
        around = padded[(places * old // new)[:, None] + taps]
        out[places] = (around * kernels[places % new]).sum(1)
    return out


def kaldi_fbank(
    samples: Any,
    rate: int,
    *,
    mel_bins: int = 128,
    frame_length_ms: float = 25.0,
    frame_shift_ms: float = 10.0,
    window: Window = "hanning",
    preemphasis: float = 0.97,
    low_hz: float = 20.0,
    high_hz: float | None = None,
) -> torch.Tensor:
    """Log mel filter bank energies as Kaldi's compute-fbank-feats makes them, without dither and without energy.

    Each frame loses its mean, is pre-emphasised, windowed and padded to a power of two; the power spectrum is summed
    under triangles that are even in mel (1127 ln(1 + Hz / 700)); the natural logarithm is taken. Frames that do not
    fit wholly into the sound are left out. Values are those of torchaudio.compliance.kaldi.fbank with dither 0.

    Args:
        samples: (frames,) array or tensor; full scale -1 ... 1 for networks trained with torchaudio.
        rate: Frames a second, at least 1.
        mel_bins: Number of triangles, at least 1.
        frame_length_ms: Length of a frame in milliseconds.
        frame_shift_ms: Step from frame to frame in milliseconds.
        window: ``hanning``, or ``povey`` (that to the power of 0.85).
        preemphasis: What share of the sample before is taken off each sample, 0 ... 1.
        low_hz: Where the first triangle begins.
        high_hz: Where the last one ends; None for half the rate.

    Returns:
        (n, mel_bins) float32 tensor, n = 1 + (frames - frame length) // frame shift, 0 for a shorter sound.

    Raises:
        DataError: ``samples`` has another shape, or the rate is too low for these frames or this band.
    """
    sound = _one_channel(samples)
    size, step = int(rate * frame_length_ms / 1000), int(rate * frame_shift_ms / 1000)
    high = rate / 2 if high_hz is None else high_hz
    if size < 2 or step < 1 or not low_hz < high <= rate / 2:
        raise DataError(
            "a sampling rate is too low", got=f"{rate} Hz",
            expected=f"enough for frames of {frame_length_ms} ms and a band of {low_hz} ... {high} Hz",
        )  # fmt: skip
    if len(sound) < size:
        return torch.zeros(0, mel_bins)
    frames = sound.unfold(0, size, step)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    shaped = (frames - preemphasis * before) * _window(window, size)
    padded = 1 << (size - 1).bit_length()
    power = torch.fft.rfft(shaped, n=padded).abs().square()
    energies: torch.Tensor = power @ mel_triangles(mel_bins, padded, rate, low_hz, high)
    return energies.clamp_min(_FLOOR).log()


def mel_triangles(mel_bins: int, fft_size: int, rate: int, low_hz: float, high_hz: float) -> torch.Tensor:
    """The weight of each frequency in each mel bin.

    Returns:
        (fft_size // 2 + 1, mel_bins) float32 in 0 ... 1; the highest frequency has weight 0, as in Kaldi.
    """
    frequencies = torch.arange(fft_size // 2, dtype=torch.float64) * (rate / fft_size)
    edges = torch.linspace(_mel(low_hz), _mel(high_hz), mel_bins + 2, dtype=torch.float64)
    places = 1127 * torch.log1p(frequencies / 700)
    rising = (places[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places[:, None]) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp_min(0)
    return torch.nn.functional.pad(weights, (0, 0, 0, 1)).to(torch.float32)


def _one_channel(samples: Any) -> torch.Tensor:
    sound = torch.as_tensor(samples).to(torch.float32)
    if sound.ndim != 1:
        raise DataError("sound has the wrong shape", got=tuple(sound.shape), expected="(frames,)")
    return sound


def _mel(hertz: float) -> float:
    return 1127 * math.log1p(hertz / 700)


def _window(name: Window, size: int) -> torch.Tensor:
    hann: torch.Tensor = torch.hann_window(size, periodic=False)
    return hann if name == "hanning" else hann**0.85


def _sinc_kernels(old: int, new: int) -> tuple[torch.Tensor, int]:
    """The (new, 2 * reach + 1) kernels, one for each place that a new frame can have between two old ones."""
    band = min(old, new) * _ROLLOFF
    reach = math.ceil(_ZERO_CROSSINGS * old / band)
    # How far after the old frame at or before it each new frame lies, in old frames.
    offsets = (torch.arange(new) * old % new).to(torch.float64) / new
    distance = (torch.arange(-reach, reach + 1) - offsets[:, None]) * (band / old)
    inside = distance.abs() < _ZERO_CROSSINGS
    hann = torch.cos(distance * (math.pi / 2 / _ZERO_CROSSINGS)).square()
    kernels = torch.sinc(distance) * hann * inside * (band / old)
    return kernels.to(torch.float32), reach
