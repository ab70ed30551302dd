"""What the conformance kit tries the encoders on. Their weights are small and installed: they are used as they are."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from anybind.testing import EncoderExample


def pictures(folder: Path) -> EncoderExample:
    """Gradients of several sizes, for ``efficientnet-lite0``."""
    ramp = Image.linear_gradient("L")
    samples = [
        ramp.convert("RGB"),
        ramp.rotate(90).resize((90, 60)).convert("RGB"),
        Image.merge("RGB", (ramp, ramp.rotate(180), Image.radial_gradient("L"))).resize((40, 70)),
        Image.new("RGB", (33, 33), "orange"),
    ]
    return EncoderExample(samples=samples, options={"image_size": 64}, wrong="a.png", tolerance=1e-4)


def sentences(folder: Path) -> EncoderExample:
    """English of several lengths, for ``minilm-l6``."""
    return EncoderExample(samples=["A dog.", "rain", "The train to the coast was late again, " * 12], wrong=b"bytes")


def languages(folder: Path) -> EncoderExample:
    """Several languages, for ``use-multilingual``."""
    return EncoderExample(samples=["A dog sleeps.", "Der Zug nach Norden hat Verspätung.", "猫", "雨が降る"], wrong=7)
