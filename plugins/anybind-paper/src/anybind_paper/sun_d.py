"""SUN RGB-D: 10,335 pictures of rooms with depth from four sensors (Song et al., CVPR 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anybind
from anybind.encoder_kit.datasets import Faults, OnError, inside
from anybind_paper.base import PaperDataset, Rows, Source, file, first_file, known_split, opened, read_lines
from anybind_paper.matlab import variables

HOMEPAGE = "https://rgbd.cs.princeton.edu"
SPLITS = {"train": ("alltrain",), "test": ("alltest",), "all": ("alltrain", "alltest")}
DEPTHS = {"filled": "depth_bfx", "raw": "depth"}
MODALITIES = ("image", "depth", "text")

_LIST = "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"
_MARK = "SUNRGBD/"
_BITS = 3  # pictures of depth hold millimetres, turned by three bits
_VIDEOS = "xtion/sun3ddata/"


class SUNRGBD(PaperDataset):
    """Pictures of rooms with their depth and what room it is. Frames of one video are a group.

    Args:
        root: The folder with ``SUNRGBD/`` and ``SUNRGBDtoolbox/``.
        split: ``train`` (5,285), ``test`` (5,050), or ``all``.
        depth: ``filled``: with the holes filled (``depth_bfx``), or ``raw``: as measured, 0 where unknown.
        modalities: Of image, depth and text; all if None.
        on_error: Whether missing files are refused or left out.
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
        place, faults = opened(root, "SUN RGB-D", HOMEPAGE, on_error)
        listed = first_file(place, [_LIST], faults.remedy)
        rows: Rows = {}
        groups: dict[str, str] = {}
        for frame in _frames(listed, split, faults):
            at = inside(place, f"SUNRGBD/{frame}", listed)
            depth_file = _only_file(at / DEPTHS[depth])
            rows[frame] = {
                "image": file(_only_file(at / "image")),
                "depth": Source(partial(_depth, depth_file), depth_file),
                "text": Source(partial(_scene, at / "scene.txt"), at / "scene.txt"),
            }
            groups[frame] = frame.rpartition("/")[0] if frame.startswith(_VIDEOS) else frame
        super().__init__(
            f"sun-d-{depth}", place, rows, offered=MODALITIES, modalities=modalities, groups=groups, faults=faults,
            index=[listed], collection=collection,
        )  # fmt: skip


def _frames(path: Path, split: str, faults: Faults) -> list[str]:
    """Folders of the split's frames below ``SUNRGBD/``; the list names them as they lay on its authors' machine."""
    import numpy as np

    frames: dict[str, None] = {}
    for name, array in variables(path, SPLITS[split]).items():
        for entry in map(str, np.atleast_1d(array).ravel()):
            frame = "/".join(part for part in entry.partition(_MARK)[2].split("/") if part)
            if frame:
                frames[frame] = None
            else:
                error = anybind.DataError("a frame has no path", where=path, got=entry, expected=f"…/{_MARK}…")
                faults.add(f"{name}: {entry}", error)
    return list(frames)


def _only_file(folder: Path) -> Path:
    """The first file of a folder; it holds one."""
    try:
        return min(path for path in folder.iterdir() if not path.name.startswith("."))
    except (OSError, ValueError):
        return folder / "*"  # is missing, and told so


def _scene(path: Path) -> str:
    return " ".join(read_lines(path)).replace("_", " ")


def _depth(path: Path) -> anybind.DepthMap:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as picture:
            values = np.asarray(picture)
    except Exception as error:  # Pillow raises many things on a broken file
        raise anybind.DataError("a depth map cannot be read", where=path, got=error) from error
    if values.ndim != 2 or values.dtype.kind not in "iu" or values.max(initial=0) > 0xFFFF:
        got = f"{values.shape} {values.dtype}"
        raise anybind.DataError("a depth map cannot be read", where=path, got=got, expected="16 bits a pixel")
    turned = values.astype(np.uint16)
    millimetres = (turned >> _BITS) | (turned << (16 - _BITS))
    return anybind.DepthMap(np.divide(millimetres, 1000, dtype=np.float32))
