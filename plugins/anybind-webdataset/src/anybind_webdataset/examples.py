"""Two small shards, for the conformance checks."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from anybind.testing import DatasetExample


def two_shards(folder: Path) -> DatasetExample:
    """Six samples in two shards: a sentence, and a label in JSON that one of them lacks."""
    for shard in range(2):
        with tarfile.open(folder / f"rows-{shard:03d}.tar", "w") as archive:
            for row in range(3 * shard, 3 * shard + 3):
                write(archive, f"{row:06d}.txt", f"sentence {row}".encode())
                if row != 4:
                    write(archive, f"{row:06d}.json", json.dumps({"label": f"kind {row % 2}"}).encode())
    endings = ["text=txt", "text_label=json:label"]
    options = {"path": str(folder / "rows-{000..001}.tar"), "endings": endings}
    return DatasetExample(options=options, kinds={"text_label": "text"})


def write(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file with a content."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
