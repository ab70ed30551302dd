"""What the conformance kit tries the data set on."""

from __future__ import annotations

from pathlib import Path

from anybind.testing import DatasetExample


def few_emoji(folder: Path) -> DatasetExample:
    """A small part of the shipped collection, in three languages."""
    return DatasetExample(options={"split": "d1", "pairs": 40, "languages": ["en", "ja", "zh-hant"]})
