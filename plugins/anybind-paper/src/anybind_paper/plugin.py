"""What anybind-paper adds: readers of published data sets. None of them downloads anything."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import collection, on_error

ANYBIND_HOOK_API = 1

_VIDEO = ("video", "image", "audio", "text")
_OBJECT = ("image", "audio", "touch", "text")
_ROOM = ("image", "depth", "text")
_STREET = ("image", "thermal", "text")


@anybind.hookimpl
def anybind_datasets() -> list[anybind.DatasetSpec]:
    """``msr-vtt``, ``ave``, ``objectfolder``, ``objectfolder-real``, ``nyu-d``, ``sun-d``, ``llvip``, ``flir``."""
    option = anybind.OptionSpec
    captions = option(type="int", default=1, minimum=1, maximum=20, description="Captions of a video to make rows of.")
    objects = option(
        type="int", default=100, minimum=1, maximum=1000, description="Use the objects up to this number."
    )
    depth = option(
        type="str", default="filled", choices=("filled", "raw"),
        description="Depth with its holes filled, or as measured.",
    )  # fmt: skip
    official = ("train", "validate", "test", "train-7k", "train-9k", "test-1k")
    halves, thirds = ("train", "test", "all"), ("train", "val", "test", "all")
    return [
        _spec("msr-vtt", "msr_vtt:MSRVTT", _VIDEO, official, "Videos with captions.", captions=captions),
        _spec("ave", "ave:AVE", _VIDEO, thirds, "Videos of events that are seen and heard."),
        _spec(
            "objectfolder", "objectfolder:ObjectFolder", _OBJECT, thirds,
            "ObjectFolder 1.0: views, sounds and touches of 100 virtual objects.", "CC-BY-4.0", objects=objects,
        ),
        _spec(
            "objectfolder-real", "objectfolder:ObjectFolderReal", _OBJECT, thirds,
            "Views, sounds and touches of 100 household objects.",
        ),
        _spec("nyu-d", "nyu_d:NYUDepth", _ROOM, halves, "NYU Depth V2: rooms with their depth.", depth=depth),
        _spec("sun-d", "sun_d:SUNRGBD", _ROOM, halves, "SUN RGB-D: rooms with their depth.", depth=depth),
        _spec("llvip", "llvip:LLVIP", _STREET, halves, "Streets at night in visible light and infrared."),
        _spec(
            "flir", "flir:FLIR", _STREET, ("train", "val", "video", "all"),
            "FLIR ADAS: visible and thermal pictures from a car.",
        ),
    ]  # fmt: skip


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A tiny folder in the published layout for each data set."""
    return [
        anybind.ExampleSpec(kind="dataset", name=name, factory=f"anybind_paper.examples:{name.replace('-', '_')}")
        for name in (spec.name for spec in anybind_datasets())
    ]


def _spec(
    name: str, factory: str, modalities: tuple[str, ...], splits: tuple[str, ...], description: str,
    licence: str = "unknown", **options: anybind.OptionSpec,
) -> anybind.DatasetSpec:  # fmt: skip
    root = anybind.OptionSpec(type="path", required=True, description="The folder; the README shows its layout.")
    split = anybind.OptionSpec(type="str", required=True, choices=splits, description="The published split.")
    shared = {"root": root, "split": split, **options, "on_error": on_error(), "collection": collection()}
    return anybind.DatasetSpec(
        name=name, modalities=modalities, factory=f"anybind_paper.{factory}", licence=licence, options=shared,
        description=description,
    )  # fmt: skip
