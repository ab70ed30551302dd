"""Clips that the conformance checks try the encoders on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import anybind
from anybind.testing import EncoderExample


def clips(folder: Path) -> EncoderExample:
    """Four clips: of several lengths and rates, one of them shorter than a window."""
    generator = np.random.default_rng(0)
    samples = []
    for rate, seconds in ((16_000, 1.0), (22_050, 1.3), (16_000, 0.05), (8_000, 2.0)):
        time = np.arange(int(rate * seconds)) / rate
        tone = np.sin(2 * np.pi * generator.uniform(200, 800) * time)
        sound = 0.3 * tone + 0.05 * generator.standard_normal(len(time))
        samples.append(anybind.AudioClip(sound.astype(np.float32), rate))
    return EncoderExample(samples=samples, options={}, wrong="no sound")
