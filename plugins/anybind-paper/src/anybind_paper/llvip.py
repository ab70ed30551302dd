"""LLVIP: 15,488 pairs of visible and infrared pictures of streets at night (Jia et al., ICCVW 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anybind.encoder_kit.datasets import OnError, inside
from anybind_paper.base import PaperDataset, Rows, Source, file, known_split, opened
from anybind_paper.labels import voc_labels

HOMEPAGE = "https://bupt-ai-cz.github.io/LLVIP/"
SPLITS = ("train", "test", "all")
MODALITIES = ("image", "thermal", "text")

_PLACE_DIGITS = 2


class LLVIP(PaperDataset):
    """Pictures in visible light and infrared. The group of a row is its place: the first two digits of its name.

    Args:
        root: The folder with ``visible/``, ``infrared/`` and ``Annotations/``.
        split: ``train`` (12,025), ``test`` (3,463), or ``all``.
        modalities: Of image, thermal and text (the annotated objects, e.g. ``2 person``); all that is there if None.
        on_error: Whether missing files are refused or left out.
        collection: A name for the items.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        modalities: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        known_split(split, SPLITS)
        place, faults = opened(root, "LLVIP", HOMEPAGE, on_error)
        annotated = (place / "Annotations").is_dir()
        rows: Rows = {}
        for part in SPLITS[:-1] if split == "all" else (split,):
            for name in _names(place, part):
                key = Path(name).stem
                rows[key] = {
                    "image": file(inside(place, f"visible/{part}/{name}", place)),
                    "thermal": file(inside(place, f"infrared/{part}/{name}", place)),
                }
                annotation = place / "Annotations" / f"{key}.xml"
                if annotated:
                    rows[key]["text"] = Source(partial(voc_labels, annotation), annotation)
        super().__init__(
            "llvip", place, rows, offered=MODALITIES if annotated else MODALITIES[:-1], modalities=modalities,
            groups={key: key[:_PLACE_DIGITS] for key in rows}, faults=faults, collection=collection,
        )  # fmt: skip


def _names(root: Path, part: str) -> list[str]:
    """Names of pictures that are in the one folder or the other."""
    folders = [root / kind / part for kind in ("visible", "infrared")]
    paths = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return sorted({path.name for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png")})
