"""Filling: resumed after a kill, shared between processes and ranks, repaired, and safe on a full disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

from anybind.errors import DataError, ShapeError, StoreError, UsageError
from anybind.store import EmbeddingStore, FillReport, SpaceFolder, SpaceKey, check_vectors
from anybind.store import files as store_files
from anybind.store.claims import Claim, ClaimBoard

DIM = 4
KEY = SpaceKey("things", "image", "toy", "1", DIM)
IDS = [f"item{number:03d}" for number in range(100)]

# The same embedding as `vectors_of`, in a process of its own that logs what it embeds.
CHILD = """
import os, sys, time, zlib
from pathlib import Path
import torch
from anybind.distributed import Runtime
from anybind.store import EmbeddingStore, SpaceKey

def embed(ids):
    for identifier in ids:
        with open(log, "a") as file:
            file.write(identifier + "\\n")
        time.sleep(pause)
    return torch.tensor([[zlib.crc32(i.encode()) / 2**32 + k for k in range(4)] for i in ids])

root, log, pause, ids = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4].split(",")
start = Path(root + ".start")
Path(f"{root}.ready-{os.getpid()}").touch()
while len(sys.argv) > 5 and not start.exists():
    time.sleep(0.001)
with Runtime.from_env() as runtime:
    log = f"{log}-{runtime.rank}"
    folder = EmbeddingStore(root).folder(SpaceKey("things", "image", "toy", "1", 4))
    print(folder.fill(ids, embed, shard_size=10, runtime=runtime))
"""


def vectors_of(ids: Sequence[str]) -> torch.Tensor:
    rows = [[zlib.crc32(item.encode()) / 2**32 + k for k in range(DIM)] for item in ids]
    return torch.tensor(rows).reshape(-1, DIM)


def space_in(root: Path, **settings: float) -> SpaceFolder:
    return EmbeddingStore(root, **settings).folder(KEY)


def embed_nothing(ids: Sequence[str]) -> torch.Tensor:
    raise AssertionError(f"nothing was to be embedded, but {ids}")


def visible(folder: SpaceFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def child(*arguments: object, launcher: Sequence[str] = (), wait: bool = False) -> subprocess.Popen[str]:
    script = Path(str(arguments[0]) + ".child.py")
    script.write_text(dedent(CHILD))
    command = [sys.executable, *launcher, str(script), *map(str, arguments)]
    source = Path(store_files.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    if launcher:  # the launcher's own modules may warn
        del environment["PYTHONWARNINGS"]
    return subprocess.Popen(
        [*command, *(["wait"] if wait else [])], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_fills_what_is_missing_and_reports_it(tmp_path: Path) -> None:
    folder = space_in(tmp_path)
    seen: list[int] = []
    assert folder.fill(IDS[:25], vectors_of, shard_size=10, progress=seen.append) == FillReport(25, 0, 0)
    assert seen == [10, 10, 5]
    assert folder.fill(IDS[:25], embed_nothing) == FillReport(0, 25, 0)
    assert folder.fill(IDS[20:40], vectors_of) == FillReport(15, 5, 0)
    assert torch.equal(folder.read(IDS[:40]), vectors_of(IDS[:40]))
    assert visible(folder) == ["manifest.json"] + [
        f"shard-0000{number}.{ending}" for number in range(5) for ending in ("json", "safetensors")
    ]


def test_killed_in_the_middle_it_goes_on_at_the_shard_it_was_in(tmp_path: Path) -> None:
    root, log = tmp_path / "store", tmp_path / "log"
    folder = space_in(root)
    process = child(root, log, 0.02, ",".join(IDS))
    until((folder.path / "shard-00002.json").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.glob("shard-*")}
    present = folder.ids()
    assert 30 <= len(present) < 100
    assert len(present) % 10 == 0
    embedded: list[str] = []

    def embed(ids: Sequence[str]) -> torch.Tensor:
        embedded.extend(ids)
        return vectors_of(ids)

    began = time.monotonic()
    report = folder.fill(IDS, embed, shard_size=10)
    assert time.monotonic() - began < 30, "the dead run's claim must not be waited for"
    assert embedded == IDS[len(present) :]
    assert report == FillReport(100 - len(present), len(present), 0)
    complete = {name for name in before if (folder.path / name).with_suffix(".json").name in before}
    assert {name: (folder.path / name).stat().st_mtime_ns for name in complete} == {
        name: before[name] for name in complete
    }
    assert torch.equal(folder.read(IDS), vectors_of(IDS))
    assert not list(folder.path.glob("claim-*"))
    straight = space_in(tmp_path / "straight")
    straight.fill(IDS, vectors_of, shard_size=10)
    assert_same_files(folder, straight)


def assert_same_files(one: SpaceFolder, other: SpaceFolder) -> None:
    names = [name for name in visible(other) if not name.endswith(".tmp")]
    assert [name for name in visible(one) if not name.endswith(".tmp")] == names
    for name in names:
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name


def test_two_processes_fill_one_store(tmp_path: Path) -> None:
    """They want different, overlapping ids, in different order, and begin at the same moment."""
    root, log = tmp_path / "store", tmp_path / "log"
    orders = [",".join(IDS[:80]), ",".join(reversed(IDS[20:]))]
    processes = [child(root, f"{log}{k}", 0.002, order, wait=True) for k, order in enumerate(orders)]
    until(lambda: len(list(tmp_path.glob("store.ready-*"))) == 2)
    (tmp_path / "store.start").touch()
    outputs = [finished(process) for process in processes]
    embedded = [(tmp_path / f"log{k}-0").read_text().split() for k in range(2)]
    assert Counter(embedded[0] + embedded[1]) == Counter(IDS), "each id is embedded once"
    assert all(embedded), "both took part"
    folder = space_in(root)
    assert sorted(folder.ids()) == IDS
    assert torch.equal(folder.read(IDS), vectors_of(IDS))
    assert folder.verify() == []
    for output, own in zip(outputs, embedded, strict=True):
        assert f"written={len(own)}, reused=0, shared={80 - len(own)}" in output
    assert not list(folder.path.glob("claim-*"))
    assert not list(folder.path.glob(".*"))


def test_many_fillers_of_one_store_embed_each_id_once(tmp_path: Path) -> None:
    """Threads with nothing in common but the folder, racing for shards of two rows."""
    embedded: list[str] = []
    start = threading.Barrier(4)

    def embed(ids: Sequence[str]) -> torch.Tensor:
        embedded.extend(ids)
        return vectors_of(ids)

    def work(order: Sequence[str]) -> FillReport:
        start.wait()
        return space_in(tmp_path).fill(order, embed, shard_size=2)

    orders = [IDS, IDS[::-1], IDS, IDS[50:] + IDS[:50]]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, orders))
    assert Counter(embedded) == Counter(IDS)
    assert sum(report.written for report in reports) == 100
    assert all(report.written + report.reused + report.shared == 100 for report in reports)
    assert torch.equal(space_in(tmp_path).read(IDS), vectors_of(IDS))


@pytest.mark.parametrize("finished", [True, False])
def test_what_others_do_between_the_look_and_the_claim_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    """Just before the claim is written, another run claims the same rows, and in one case finishes them."""
    folder, real, released = space_in(tmp_path), ClaimBoard.announce, threading.Event()
    claim = folder.path / "claim-other.json"
    content = {"owner": {"host": "elsewhere", "pid": 1}, "numbers": [7], "ids": IDS[:1]}

    def release() -> None:
        released.set()
        claim.unlink()

    def late(board: ClaimBoard, numbers: Iterable[int], ids: Iterable[str]) -> Claim:
        monkeypatch.undo()
        if finished:
            space_in(tmp_path).fill(IDS[:10], vectors_of)
        else:
            claim.write_text(json.dumps(content))
            threading.Timer(0.3, release).start()
        return real(board, numbers, ids)

    def embed(ids: Sequence[str]) -> torch.Tensor:
        assert released.is_set() or IDS[0] not in ids
        return vectors_of(ids)

    monkeypatch.setattr(ClaimBoard, "announce", late)
    report = folder.fill(IDS[:10], embed_nothing if finished else embed)
    assert report == (FillReport(0, 0, 10) if finished else FillReport(10, 0, 0))


def test_two_ranks_write_what_one_writes(tmp_path: Path) -> None:
    """Part of the ids is there already, so that the plan has to fill in."""
    one, two = space_in(tmp_path / "one"), space_in(tmp_path / "two")
    for folder in (one, two):
        folder.fill(IDS[30:45], vectors_of, shard_size=10)
    one.fill(IDS, vectors_of)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    output = finished(child(tmp_path / "two", tmp_path / "log", 0, ",".join(IDS), launcher=launcher))
    assert output.count("written=85, reused=15, shared=0") == 2
    assert_same_files(two, one)
    embedded = [(tmp_path / f"log-{rank}").read_text().split() for rank in range(2)]
    assert [len(part) for part in embedded] == [45, 40]
    assert Counter(embedded[0] + embedded[1]) == Counter(IDS[:30] + IDS[45:])


@pytest.mark.parametrize("place", [-1, 20])
def test_a_damaged_shard_is_found_and_embedded_again(tmp_path: Path, place: int) -> None:
    space_in(tmp_path).fill(IDS[:30], vectors_of, shard_size=10)
    path = space_in(tmp_path).path / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    sound = bytes(content)
    content[place] ^= 4
    path.write_bytes(content)
    folder = space_in(tmp_path)
    assert folder.verify() == ["shard-00001"]
    embedded: list[str] = []

    def embed(ids: Sequence[str]) -> torch.Tensor:
        embedded.extend(ids)
        return vectors_of(ids)

    assert folder.fill(IDS[:30], embed) == FillReport(10, 20, 0, ("shard-00001",))
    assert embedded == IDS[10:20]
    assert path.read_bytes() == sound
    assert torch.equal(folder.read(IDS[:30]), vectors_of(IDS[:30]))


def test_damage_elsewhere_costs_nothing_here(tmp_path: Path) -> None:
    """A wrong sum in a shard that holds none of the wanted rows is left to whoever wants them."""
    space_in(tmp_path).fill(IDS[:20], vectors_of, shard_size=10)
    path = space_in(tmp_path).path / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 4
    path.write_bytes(content)
    folder = space_in(tmp_path)
    assert folder.fill(IDS[:10], embed_nothing) == FillReport(0, 10, 0)
    assert torch.equal(folder.read(IDS[:10]), vectors_of(IDS[:10]))


def test_a_full_disk_leaves_finished_shards_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = space_in(tmp_path)
    real = store_files._write

    def full_at_the_third_shard(path: Path, content: bytes, lasting: bool) -> None:
        if "shard-00002.json" in path.name:
            path.write_bytes(content[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content, lasting)

    with monkeypatch.context() as patch:
        patch.setattr(store_files, "_write", full_at_the_third_shard)
        with pytest.raises(StoreError) as caught:
            folder.fill(IDS, vectors_of, shard_size=10)
    assert caught.value.got == "No space left on device"
    assert "free some space" in str(caught.value.hint)
    assert "shard-00002" in str(caught.value.where)
    assert visible(folder) == ["manifest.json"] + [
        f"shard-0000{number}.{ending}" for number in range(2) for ending in ("json", "safetensors")
    ]
    assert folder.fill(IDS, vectors_of) == FillReport(80, 20, 0)
    assert torch.equal(folder.read(IDS), vectors_of(IDS))


def test_an_interrupted_encoder_keeps_finished_shards(tmp_path: Path) -> None:
    def interrupted(ids: Sequence[str]) -> torch.Tensor:
        if IDS[20] in ids:
            raise KeyboardInterrupt
        return vectors_of(ids)

    folder = space_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        folder.fill(IDS, interrupted, shard_size=10)
    assert folder.ids() == IDS[:20]
    assert not list(folder.path.glob("claim-*"))


def test_a_claim_gone_stale_is_taken_over(tmp_path: Path) -> None:
    folder = space_in(tmp_path, stale_after=1.0)
    folder.path.mkdir(parents=True)
    claim = folder.path / "claim-dead.json"
    owner = {"host": "elsewhere", "pid": 1}
    claim.write_text(json.dumps({"owner": owner, "numbers": [0], "ids": ["item000", "item005"]}))
    began = time.monotonic()
    report = folder.fill(IDS[:20], vectors_of, shard_size=10)
    assert report == FillReport(20, 0, 0)
    assert time.monotonic() - began > 0.5, "a claim that may live is waited for"
    assert torch.equal(folder.read(IDS[:20]), vectors_of(IDS[:20]))
    assert not claim.exists()
    assert folder.ids()[:2] == ["item000", "item005"], "the number of the dead claim is used again, last"


def test_work_done_under_a_lost_claim_is_thrown_away(tmp_path: Path) -> None:
    """As after a standstill: meanwhile somebody else took the claim over and wrote the rows."""
    folder, other = space_in(tmp_path / "store"), space_in(tmp_path / "store")
    calls: list[Sequence[str]] = []

    def stands_still(ids: Sequence[str]) -> torch.Tensor:
        calls.append(ids)
        (claim,) = folder.path.glob("claim-*")
        claim.unlink()
        assert other.fill(IDS[:10], vectors_of).written == 10
        return vectors_of(ids) + 1

    assert folder.fill(IDS[:10], stands_still) == FillReport(0, 0, 10)
    assert len(calls) == 1
    assert torch.equal(folder.read(IDS[:10]), vectors_of(IDS[:10]))
    assert len(list(folder.path.glob("shard-*.json"))) == 1


def test_unreadable_rows_are_left_out(tmp_path: Path) -> None:
    folder, unreadable = space_in(tmp_path), set[str]()

    def embed(ids: Sequence[str]) -> torch.Tensor:
        unreadable.update(set(ids) & {IDS[3], *IDS[10:20]})
        return vectors_of([item for item in ids if item not in unreadable])

    report = folder.fill(IDS[:30], embed, shard_size=10, unreadable=unreadable)
    assert report == FillReport(19, 0, 0)
    assert folder.ids() == IDS[:3] + IDS[4:10] + IDS[20:30]
    assert folder.missing(IDS[:30]) == [IDS[3], *IDS[10:20]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_name_encoder_space_and_id(tmp_path: Path, value: float) -> None:
    def embed(ids: Sequence[str]) -> torch.Tensor:
        vectors = vectors_of(ids)
        if "item012" in ids:
            vectors[ids.index("item012"), 2] = value
        return vectors

    folder = space_in(tmp_path)
    with pytest.raises(DataError, match="encoder 'toy'") as caught:
        folder.fill(IDS, embed, shard_size=10)
    assert "image by toy over things" in str(caught.value.where)
    assert "item012" in str(caught.value.where)
    assert str(value) in str(caught.value.got)
    assert folder.ids() == IDS[:10]


def test_what_encoders_must_return() -> None:
    def check(vectors: object) -> np.ndarray:
        return check_vectors(vectors, ["a", "b"], dim=3, encoder="toy", space="image")

    right = torch.arange(6, dtype=torch.float32).reshape(3, 2).T.requires_grad_()
    checked = check(right)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, [[0, 2, 4], [1, 3, 5]])
    for shape in [(2, 4), (1, 3), (3, 3), (6,), (2, 3, 1)]:
        with pytest.raises(ShapeError, match="encoder 'toy'") as caught:
            check(torch.zeros(shape))
        assert caught.value.expected == (2, 3)
        assert caught.value.got == shape
    for other in (torch.zeros(2, 3).double(), torch.zeros(2, 3).long(), np.zeros((2, 3), np.float32), None):
        with pytest.raises(DataError, match="encoder 'toy'"):
            check(other)


@pytest.mark.parametrize("ids", [["a", "b", "a"], [""], [1], [None], ["\ud800"]])
def test_ids_that_cannot_name_rows_are_refused(tmp_path: Path, ids: list[str]) -> None:
    folder = space_in(tmp_path)
    with pytest.raises(DataError):
        folder.fill(ids, embed_nothing)
    assert not folder.path.exists()


def test_a_shard_has_at_least_one_row(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        space_in(tmp_path).fill(IDS, vectors_of, shard_size=0)
