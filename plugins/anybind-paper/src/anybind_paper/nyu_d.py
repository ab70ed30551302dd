"""NYU Depth V2: 1,449 labelled pictures of rooms with depth (Silberman et al., ECCV 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anybind
from anybind.encoder_kit.datasets import OnError
from anybind_paper.base import PaperDataset, Rows, Source, first_file, known_split, opened, text
from anybind_paper.matlab import opened_hdf5, stored, texts, variables

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

HOMEPAGE = "https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html"
SPLITS = {"train": ("trainNdxs",), "test": ("testNdxs",), "all": ("trainNdxs", "testNdxs")}
DEPTHS = {"filled": "depths", "raw": "rawDepths"}
MODALITIES = ("image", "depth", "text")


class NYUDepth(PaperDataset):
    """Pictures of rooms with their depth and what room it is. The group of a row is its scene.

    Args:
        root: The folder with ``nyu_depth_v2_labeled.mat`` and ``splits.mat``.
        split: ``train`` (795), ``test`` (654), or ``all``.
        depth: ``filled``: with the holes painted over, or ``raw``: as measured, 0 where unknown. Both in metres.
        modalities: Of image, depth and text; all if None.
        on_error: Whether faulty rows are refused or left out.
        collection: A name for the items; depth is part of the one that is made.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        depth: str = "filled",
        modalities: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        known_split(split, SPLITS)
        place, faults = opened(root, "NYU Depth V2", HOMEPAGE, on_error)
        labelled = first_file(place, ["nyu_depth_v2_labeled.mat"], faults.remedy)
        splits = first_file(place, ["splits.mat"], faults.remedy)
        with opened_hdf5(labelled) as file:
            kinds, scenes = texts(file, "sceneTypes"), texts(file, "scenes")
            shapes = [stored(file, name).shape[0] for name in ("images", DEPTHS[depth])]
        if {len(kinds), len(scenes), *shapes} != {len(kinds)}:
            got = f"{len(kinds)} types, {len(scenes)} scenes, {shapes[0]} pictures, {shapes[1]} depth maps"
            raise anybind.DataError("a MATLAB file is inconsistent", where=labelled, got=got, expected="one of each")
        rows: Rows = {}
        groups: dict[str, str] = {}
        for number in _numbers(splits, split, len(kinds)):
            key = f"{number:04d}"
            rows[key] = {
                "image": Source(partial(_picture, labelled, number - 1)),
                "depth": Source(partial(_depth, labelled, DEPTHS[depth], number - 1)),
                "text": text(kinds[number - 1].replace("_", " ")),
            }
            groups[key] = scenes[number - 1]
        super().__init__(
            f"nyu-d-{depth}", place, rows, offered=MODALITIES, modalities=modalities, groups=groups, faults=faults,
            index=[labelled, splits], collection=collection,
        )  # fmt: skip


def _numbers(path: Path, split: str, most: int) -> list[int]:
    """The rows of a split, from 1."""
    import numpy as np

    found = variables(path, SPLITS[split]).values()
    numbers = sorted({int(number) for array in found for number in np.atleast_1d(array).ravel()})
    if not numbers or numbers[0] < 1 or numbers[-1] > most:
        got = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise anybind.DataError("a split does not fit the pictures", where=path, got=got, expected=f"1 to {most}")
    return numbers


def _picture(path: Path, row: int) -> PillowImage:
    """MATLAB stores columns first: (3, width, height) here."""
    import numpy as np
    from PIL import Image

    with opened_hdf5(path) as file:
        values = stored(file, "images")[row]
        return Image.fromarray(np.ascontiguousarray(values.transpose(2, 1, 0)))


def _depth(path: Path, name: str, row: int) -> anybind.DepthMap:
    """(width, height) of metres here."""
    import numpy as np

    with opened_hdf5(path) as file:
        values = stored(file, name)[row]
        return anybind.DepthMap(np.ascontiguousarray(values.T, dtype=np.float32))
