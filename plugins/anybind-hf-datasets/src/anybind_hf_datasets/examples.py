"""A small data set on disk, for the conformance checks."""

from __future__ import annotations

from pathlib import Path

import datasets  # type: ignore[import-untyped]

from anybind.testing import DatasetExample


def saved_to_disk(folder: Path) -> DatasetExample:
    """Six sentences in two languages, as ``save_to_disk`` writes them."""
    rows = {
        "key": [f"s{row}" for row in range(6)],
        "en": [f"sentence {row}" for row in range(6)],
        "fr": [f"phrase {row}" if row != 2 else None for row in range(6)],
    }
    datasets.Dataset.from_dict(rows).save_to_disk(str(folder / "saved"))
    columns = ["text_en=en", "text_fr=fr"]
    return DatasetExample(options={"path": str(folder / "saved"), "columns": columns, "id_column": "key"})
