"""The data set ``webdataset``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anybind
from anybind.encoder_kit.datasets import Faults, LazyRow, OnError, Skipped, chosen, collection_name, file_mark, pairs
from anybind_webdataset.shards import Member, Sample, find_shards, read_samples

# The usual endings, for when none are named.
USUAL = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "text": ("txt",),
    "audio": ("wav", "flac", "mp3", "ogg"),
    "video": ("mp4", "webm", "mkv", "avi"),
    "vector": ("npy",),
}
_EXPECTED = "modality=ending, or modality=ending:field for a field of JSON, e.g. image=jpg, text=json:caption"


class Place(NamedTuple):
    """Where a modality's source stands: in the file with an ending, or in a field of that file's JSON object."""

    ending: str
    field: str | None


class WebDataset:
    """Samples in tar shards. A sample is what stands in a row with one key; ids are the keys.

    Opening reads the headers of all shards; a sample's bytes are read when asked for, and nothing is unpacked.

    Args:
        path: The shards: one file, a folder, or a name with braces, e.g. ``train-{000..009}.tar``.
        modalities: The modalities to use; all if None.
        endings: Which ending is which modality. A modality may be named again, for another ending.
        shard_in_id: Begin ids with the shard's name.
        on_error: ``fail`` refuses files that cannot be used (links, two of one ending) and keys that come again;
            ``skip`` leaves them out and lists them.
        collection: A name for the items. If None it comes from the shards' names, sizes and times, and ``endings``.

    Raises:
        UsageError: an option cannot be read, or ``path`` is no place on disk.
        DataError: shards are missing or broken, or hold none of the endings.
    """

    def __init__(
        self,
        *,
        path: str,
        modalities: Sequence[str] | None = None,
        endings: Sequence[str] | None = None,
        shard_in_id: bool = False,
        on_error: OnError = "fail",
        collection: str | None = None,
    ) -> None:
        shards = find_shards(path)
        places = _places(endings)
        faults = Faults(on_error)
        self._samples = _by_id(shards, shard_in_id, faults)
        self.skipped: Sequence[Skipped] = faults.settle()
        held = {ending for sample in self._samples.values() for ending in sample.members}
        found = [name for name, choices in places.items() if any(place.ending in held for place in choices)]
        self.modalities = chosen(found if endings is None else list(places), modalities, Path(path))
        self._places = {name: places[name] for name in self.modalities}
        self._samples = {key: sample for key, sample in self._samples.items() if self._sources(sample)}
        self.ids: Sequence[str] = tuple(self._samples)
        if not self.ids:
            raise anybind.DataError(
                "shards hold no such files", where=path, got=", ".join(sorted(held)[:20]) or "no files",
                expected=", ".join(place.ending for choices in self._places.values() for place in choices),
            )  # fmt: skip
        marks = [file_mark(shard) for shard in shards]
        fingerprint = [*marks, *sorted(endings or ())]
        self.collection = collection_name("webdataset", collection, Path(path), *fingerprint)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Modality -> bytes of its file, or text of its JSON field; each is read when it is asked for."""
        return LazyRow(self._sources(self._samples[self.ids[index]]))

    def _sources(self, sample: Sample) -> dict[str, Callable[[], Any]]:
        found: dict[str, Callable[[], Any]] = {}
        for modality, choices in self._places.items():
            place = next((place for place in choices if place.ending in sample.members), None)
            if place is not None:
                member = sample.members[place.ending]
                found[modality] = member.read if place.field is None else partial(_field, member, place, sample.key)
        return found


def _places(endings: Sequence[str] | None) -> dict[str, list[Place]]:
    if endings is None:
        return {name: [Place(ending, None) for ending in usual] for name, usual in USUAL.items()}
    places: dict[str, list[Place]] = {}
    for modality, text in pairs("endings", endings, _EXPECTED):
        ending, _, name = text.partition(":")
        places.setdefault(modality, []).append(Place(ending.removeprefix(".").lower(), name or None))
    return places


def _by_id(shards: Sequence[Path], shard_in_id: bool, faults: Faults) -> dict[str, Sample]:
    """Samples by id, in order; of samples with one id the first is kept."""
    samples: dict[str, Sample] = {}
    for shard in shards:
        for sample in read_samples(shard):
            identifier = f"{shard.stem}/{sample.key}" if shard_in_id else sample.key
            for fault in sample.faults:
                faults.add(identifier, fault)
            if identifier in samples:
                first = samples[identifier].shard
                hint = "" if first == shard else " (shard_in_id: true tells shards apart)"
                where, got = f"{shard}: {sample.key}", f"first in {first}{hint}"
                faults.add(identifier, anybind.DataError("a key comes again", where=where, got=got))
            else:
                samples[identifier] = sample
    return samples


def _field(member: Member, place: Place, key: str) -> Any:
    """A field of a JSON object: text, or a list of numbers."""
    where = f"{member.shard}: {key}.{place.ending}"
    try:
        content = json.loads(member.read())
    except (ValueError, RecursionError) as error:
        raise anybind.DataError("a file is no JSON", where=where, got=error) from error
    value = content.get(place.field) if isinstance(content, dict) else None
    if not isinstance(value, str | list):
        got = type(value).__name__
        raise anybind.DataError("a file lacks a field", where=where, got=got, expected=f"text in {place.field}")
    return value
