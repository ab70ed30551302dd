"""Files appear whole or not at all, whatever the disk does."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from anybind.errors import StoreError
from anybind.store import files


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_all_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    files.write_whole(tmp_path, {"a": b"1", "b": b"2"}, "token")
    assert names_in(tmp_path) == ["a", "b"]
    assert (tmp_path / "b").read_bytes() == b"2"


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_failing_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, after: int
) -> None:
    real, calls = getattr(os, call), []

    def fails_later(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(files.os, call, fails_later)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(tmp_path, {"a": b"1", "b": b"2"}, "token")
    assert names_in(tmp_path) == []


def test_an_interrupt_between_two_files_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if target.name == "b":
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(tmp_path, {"a": b"1", "b": b"2"}, "token")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "writable"),
        (errno.ENOTDIR, "a file stands where a folder is needed"),
        (errno.EIO, "check the disk"),
    ],
)
def test_storing_says_what_to_do(tmp_path: Path, code: int, hint: str) -> None:
    with pytest.raises(StoreError) as caught, files.storing("write a shard", tmp_path / "x"):
        raise OSError(code, os.strerror(code))
    assert caught.value.what == "cannot write a shard"
    assert caught.value.where == tmp_path / "x"
    assert caught.value.got == os.strerror(code)
    assert hint in str(caught.value.hint)


def test_sweep_removes_old_temporary_files_only(tmp_path: Path) -> None:
    for name in (".old.t.tmp", ".new.t.tmp", "old"):
        (tmp_path / name).write_bytes(b"")
    for name in (".old.t.tmp", "old"):
        os.utime(tmp_path / name, (time.time() - 100,) * 2)
    files.sweep(tmp_path, older_than=50)
    assert names_in(tmp_path) == [".new.t.tmp", "old"]
