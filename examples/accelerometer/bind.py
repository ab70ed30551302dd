"""Bind a sensor that nobody else has, a two-axis accelerometer on a wrist, to German words."""

from pathlib import Path

import numpy as np

import anybind


@anybind.register_modality("accelerometer")
def window(counts):
    """One recording: counts of the sensor -> (2, time) in m/s2."""
    return np.asarray(counts, dtype=np.float32) * 9.81 / 1024


@anybind.register_encoder("motion-spectrum", modality="accelerometer", dim=99)
def spectrum(windows):
    """How strong each frequency is (turning left and right apart), how strong each axis, and how long it takes."""
    rows = []
    for x, y in windows:
        turning = np.abs(np.fft.fft(x + 1j * y, 512))
        rows.append(np.log1p([*turning[:48], *turning[-48:], x.std(), y.std(), len(x)]))
    return np.array(rows)


(found,) = anybind.run(Path(__file__).with_name("graph.yaml")).results
chance = found["chance"]
print(f"right at once: {found['recall']['1']:.0%}, chance {chance['recall']['1']:.0%}")
print(f"MRR: {found['mrr']:.2f}, chance {chance['mrr']:.2f}")
