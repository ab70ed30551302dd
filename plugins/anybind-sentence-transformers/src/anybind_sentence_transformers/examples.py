"""What the conformance kit runs the encoders on: a tiny model in the published files, and texts."""

from __future__ import annotations

from pathlib import Path

from anybind import testing
from anybind_sentence_transformers import tiny

TEXTS = ["a dog", "a cat that sleeps on a mat", "x", "two dogs and a cat"]


def any_model(folder: Path) -> testing.EncoderExample:
    """Any model."""
    options = {"folder": str(tiny.model(folder)), "dim": tiny.DIM}
    return testing.EncoderExample(samples=TEXTS, options=options, wrong=b"bytes")


def published(folder: Path) -> testing.EncoderExample:
    """A published model."""
    options = {"folder": str(tiny.model(folder))}
    return testing.EncoderExample(samples=TEXTS, options=options, wrong=b"bytes", dim=tiny.DIM)
