"""ObjectFolder 1.0 and ObjectFolder Real: what objects look like, sound like and feel like.

ObjectFolder 1.0 (Gao et al., CoRL 2021) is published as neural networks; its objects are the first 100 of the 1,000
whose views, sounds and touches the ObjectFolder Benchmark (Gao et al., CVPR 2023) gives as files. Both readers read
the layout of that benchmark.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import anybind
from anybind.encoder_kit.datasets import OnError, inside
from anybind_paper.base import PaperDataset, Rows, file, first_file, known_split, opened, read_json, text, wrong_content

HOMEPAGE = "https://github.com/rhgao/ObjectFolder"
REAL_HOMEPAGE = "https://objectfolder.stanford.edu/objectfolder-real-download"
SPLITS = ("train", "val", "test", "all")
MODALITIES = ("image", "audio", "touch", "text")

_FILES = {"image": ("vision", "png"), "audio": ("audio", "wav"), "touch": ("touch", "png")}
_FORM = "split -> object -> list of instances"


class _Objects(PaperDataset):
    """Instances of objects: row ``object/instance`` has the files of that number; its group is the object."""

    def __init__(
        self,
        name: str,
        homepage: str,
        *,
        root: str,
        split: str,
        most: int,
        modalities: Sequence[str] | None,
        on_error: OnError,
        collection: str | None,
    ) -> None:
        known_split(split, SPLITS)
        place, faults = opened(root, name, homepage, on_error)
        listed = first_file(place, ["split.json"], faults.remedy)
        names, index = self._names(place)
        rows: Rows = {}
        groups: dict[str, str] = {}
        for item, instance in _instances(listed, split):
            if item.isdecimal() and int(item) > most:
                continue
            key = f"{item}/{instance}"
            rows[key] = {
                modality: file(inside(place, f"{folder}/{key}.{ending}", listed))
                for modality, (folder, ending) in _FILES.items()
            }
            groups[key] = item
            if item in names:
                rows[key]["text"] = text(names[item])
        offered = MODALITIES if names else MODALITIES[:-1]
        super().__init__(
            name, place, rows, offered=offered, modalities=modalities, groups=groups, faults=faults,
            index=[listed, *index], collection=collection,
        )  # fmt: skip

    def _names(self, root: Path) -> tuple[Mapping[str, str], Sequence[Path]]:
        """Object -> what it is, and the file below ``root`` that says so."""
        raise NotImplementedError


class ObjectFolder(_Objects):
    """ObjectFolder 1.0: 100 virtual objects. Text comes from ``objects.csv``, where that lies in the folder.

    Args:
        root: The folder of the benchmark's data, with ``vision/``, ``audio/``, ``touch/`` and ``split.json``.
        split: ``train``, ``val``, ``test`` (by objects), or ``all``.
        objects: Use the objects up to this number: 100 are ObjectFolder 1.0, 1,000 ObjectFolder 2.0.
        modalities: Of image, audio, touch and text; all that is there if None.
        on_error: Whether missing files are refused or left out.
        collection: A name for the items.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        objects: int = 100,
        modalities: Sequence[str] | None = None,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        super().__init__(
            "objectfolder", HOMEPAGE, root=root, split=split, most=objects, modalities=modalities, on_error=on_error,
            collection=collection,
        )  # fmt: skip

    def _names(self, root: Path) -> tuple[Mapping[str, str], Sequence[Path]]:
        path = root / "objects.csv"
        if not path.is_file():
            return {}, ()
        try:
            content = path.read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            raise anybind.DataError("a file cannot be read", where=path, got=error) from error
        return _described(content, path, name=1, material=3), (path,)


class ObjectFolderReal(_Objects):
    """ObjectFolder Real: 100 household objects, measured. Text is their published name and material.

    Args:
        root: The folder of the benchmark's data, with ``vision/``, ``audio/``, ``touch/`` and ``split.json``.
        split: ``train``, ``val``, ``test`` (by instances of each object), or ``all``.
        modalities: Of image, audio, touch and text; all if None.
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
        super().__init__(
            "objectfolder-real", REAL_HOMEPAGE, root=root, split=split, most=100, modalities=modalities,
            on_error=on_error, collection=collection,
        )  # fmt: skip

    def _names(self, root: Path) -> tuple[Mapping[str, str], Sequence[Path]]:
        path = files("anybind_paper") / "objectfolder_real.csv"
        return _described(path.read_text("utf-8"), Path(str(path)), name=1, material=2), ()


def _instances(path: Path, split: str) -> list[tuple[str, str]]:
    """(object, instance) of a split, in order of their numbers."""
    content = read_json(path)
    wanted = [name for name in SPLITS[:-1] if split in (name, "all")]
    try:
        found = [
            (str(item), str(instance))
            for name in wanted if split != "all" or name in content
            for item, instances in content[name].items()
            for instance in instances
        ]  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise wrong_content(path, _FORM) from error
    return sorted(dict.fromkeys(found), key=lambda pair: [_number(part) for part in pair])


def _described(content: str, where: Path, *, name: int, material: int) -> dict[str, str]:
    """Object -> ``soup spoon, ceramic``."""
    try:
        rows = [row for row in csv.reader(content.splitlines()) if row]
        return {row[0]: f"{_plain(row[name])}, {row[material].lower()}" for row in rows}
    except (csv.Error, IndexError) as error:
        raise wrong_content(where, "lines of number, name and material") from error


def _plain(name: str) -> str:
    return name.replace("_dot_", ".").replace("_", " ").lower()


def _number(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else -1, text)
