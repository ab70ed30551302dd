"""Tar shards: where each sample's files begin and end, from one pass over the headers. Nothing is unpacked."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from braceexpand import braceexpand

import anybind

MAX_MEMBER = 2 * 2**30
MAX_SHARDS = 100_000

# The rule by which the webdataset library takes names apart: all before the first dot of the file's name is the key.
_NAME = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
_META = re.compile(r"__[^/]*__($|/)")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(?!\\)|^pipe:")


@dataclass(frozen=True)
class Member:
    """A file in a shard: ``size`` bytes at ``offset``."""

    shard: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its content.

        Raises:
            DataError: the shard is gone, or shorter than it was.
        """
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise anybind.DataError("a shard cannot be read", where=self.shard, got=error.strerror or error) from error
        if len(content) != self.size:
            got = f"{len(content)} of {self.size} bytes at {self.offset}"
            raise anybind.DataError("a shard ends too soon", where=self.shard, got=got)
        return content


@dataclass
class Sample:
    """Files of one key that stand one after the other in a shard.

    Attributes:
        key: The name up to the first dot.
        members: Ending, in lower case -> file.
        faults: What is wrong with files of this key.
    """

    shard: Path
    key: str
    members: dict[str, Member] = field(default_factory=dict)
    faults: list[anybind.DataError] = field(default_factory=list)


def find_shards(path: str) -> list[Path]:
    """The shards a path names: a file, a folder (its ``.tar`` files by name), or a name with braces.

    Raises:
        UsageError: an address on the net, or braces that cannot be read.
        DataError: there are none, or one is missing.
    """
    if _URL.match(path) or _URL.match(Path(path).name) or "://" in path:
        raise anybind.UsageError("shards are read from disk", got=path, hint="fetch them first; see the README")
    if Path(path).is_dir():
        shards = sorted(Path(path).glob("*.tar"))
    else:
        shards = [Path(name) for name in _expanded(path)]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing or not shards:
        got = f"{len(missing)} of {len(shards)} missing, the first: {missing[0]}" if missing else "no .tar file"
        raise anybind.DataError("shards are missing", where=path, got=got, expected="files on disk")
    return shards


def read_samples(shard: Path) -> Iterator[Sample]:
    """The samples of a shard in their order, grouped as the webdataset library groups them.

    Raises:
        DataError: no tar file, a compressed one, or one that ends too soon.
    """
    current: Sample | None = None
    for info in _members(shard):
        match = _NAME.match(info.name)
        if info.isdir() or match is None or _META.match(info.name):
            continue
        key, ending = match[1], match[2].lower()
        if current is None or current.key != key:
            if current is not None:
                yield current
            current = Sample(shard, key)
        _add(current, info, ending)
    if current is not None:
        yield current


def _add(sample: Sample, info: tarfile.TarInfo, ending: str) -> None:
    problem = _problem(info) or ("two files of one ending" if ending in sample.members else None)
    if problem is not None:
        fault = anybind.DataError("a file of a shard cannot be used", where=f"{sample.shard}: {info.name}", got=problem)
        sample.faults.append(fault)
    else:
        sample.members[ending] = Member(sample.shard, info.offset_data, info.size)


def _problem(info: tarfile.TarInfo) -> str | None:
    if not info.isreg() or info.issparse():
        return "a link, a device or a sparse file"
    return f"{info.size} bytes, more than {MAX_MEMBER}" if info.size > MAX_MEMBER else None


def _members(shard: Path) -> Iterator[tarfile.TarInfo]:
    total = shard.stat().st_size
    try:
        with tarfile.open(shard, "r:") as archive:
            while (info := archive.next()) is not None:
                if info.isreg() and info.offset_data + info.size > total:
                    raise anybind.DataError("a shard ends too soon", where=shard, got=f"{total} bytes, in {info.name}")
                yield info
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header otherwise
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        hint = "unpack compressed shards first: samples can be reached in plain tar files only"
        raise anybind.DataError(
            "a shard cannot be read", where=shard, got=error, expected="a plain tar file", hint=hint
        ) from error


def _expanded(path: str) -> list[str]:
    names: list[str] = []
    try:
        for name in braceexpand(path):
            names.append(name)
            if len(names) > MAX_SHARDS:
                raise anybind.UsageError("braces name too many shards", got=path, expected=f"at most {MAX_SHARDS}")
    except ValueError as error:  # unbalanced
        raise anybind.UsageError("braces cannot be read", got=path, expected="e.g. train-{000..009}.tar") from error
    return names
