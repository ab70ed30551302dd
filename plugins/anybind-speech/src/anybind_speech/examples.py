"""What the conformance checks try the data set and the modality on."""

from __future__ import annotations

from pathlib import Path

from anybind.testing import DatasetExample, ModalityExample
from anybind_speech import collection


def few_rows(folder: Path) -> DatasetExample:
    """A small part."""
    return DatasetExample(options={"split": "d1", "pairs": 40})


def clips(folder: Path) -> ModalityExample:
    """Two clips, and what is none."""
    sources = list(collection.clips().values())
    return ModalityExample(sources=sources[:2], broken=[sources[0][:20], b"no sound", folder / "missing.flac"])
