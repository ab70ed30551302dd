"""Claims keep two owners apart, live as long as their owners, and are taken over after that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from anybind.errors import StoreError
from anybind.store.claims import Claim, ClaimBoard


def foreign_claim(folder: Path, *, age: float = 0.0, host: str = "elsewhere", pid: int = 1) -> Path:
    path = folder / "claim-foreign.json"
    path.write_text(json.dumps({"owner": {"host": host, "pid": pid}, "numbers": [0], "ids": ["a", "b"]}))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_claim_is_seen_by_others_and_not_by_its_owner(tmp_path: Path) -> None:
    with ClaimBoard(tmp_path, stale_after=60) as mine, ClaimBoard(tmp_path, stale_after=60) as theirs:
        claim = mine.announce([3], ["a", "ü"])
        assert mine.others() == []
        assert theirs.others() == [claim]
        assert mine.holds(claim)
        mine.withdraw(claim)
        assert theirs.others() == []


def test_leaving_the_board_withdraws_everything(tmp_path: Path) -> None:
    def broken() -> None:
        with ClaimBoard(tmp_path, stale_after=60) as board:
            board.announce([0], ["a"])
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        broken()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("numbers", "ids", "overlap"),
    [([1], ["c"], False), ([0], ["c"], True), ([1], ["a"], True), ([0], ["a"], True), ([], [], False)],
)
def test_overlap_is_by_number_or_id(
    tmp_path: Path, numbers: list[int], ids: list[str], overlap: bool
) -> None:
    claim = Claim(tmp_path, frozenset([0]), frozenset(["a", "b"]))
    assert claim.overlaps(Claim(tmp_path, frozenset(numbers), frozenset(ids))) is overlap


def test_a_live_claim_of_another_machine_stays_and_a_stale_one_goes(tmp_path: Path) -> None:
    with ClaimBoard(tmp_path, stale_after=60) as board:
        path = foreign_claim(tmp_path, age=30)
        assert [claim.path for claim in board.others()] == [path]
        foreign_claim(tmp_path, age=90)
        assert board.others() == []
        assert not path.exists()


def test_a_claim_of_an_ended_process_of_this_machine_goes_at_once(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with ClaimBoard(tmp_path, stale_after=600) as board, ClaimBoard(tmp_path, stale_after=600) as other:
        host = json.loads(other.announce([5], []).path.read_text())["owner"]["host"]
        path = foreign_claim(tmp_path, host=host, pid=ended.pid)
        assert [claim.numbers for claim in board.others()] == [{5}]
        assert not path.exists()


def test_the_heartbeat_keeps_a_claim_alive(tmp_path: Path) -> None:
    with ClaimBoard(tmp_path, stale_after=0.6) as mine, ClaimBoard(tmp_path, stale_after=0.6) as theirs:
        claim = mine.announce([0], ["a"])
        time.sleep(1.2)
        assert theirs.others() == [claim]


def test_the_owner_notices_that_its_claim_was_taken_over(tmp_path: Path) -> None:
    with ClaimBoard(tmp_path, stale_after=60) as mine, ClaimBoard(tmp_path, stale_after=60) as theirs:
        claim = mine.announce([0], ["a"])
        os.utime(claim.path, (time.time() - 90,) * 2)  # as after a long standstill
        assert theirs.others() == []
        assert not mine.holds(claim)


def test_a_claim_that_is_no_claim_is_an_error_naming_it(tmp_path: Path) -> None:
    (tmp_path / "claim-x.json").write_text("{")
    with ClaimBoard(tmp_path, stale_after=60) as board, pytest.raises(StoreError, match="claim") as caught:
        board.others()
    assert caught.value.where == tmp_path / "claim-x.json"


def test_of_many_racing_owners_at_most_one_stays(tmp_path: Path) -> None:
    """Announce, look, withdraw on overlap: never two winners, and some round has one."""
    winners = []
    for _ in range(30):
        start, stayed = threading.Barrier(3), []

        def race(start: threading.Barrier = start, stayed: list[Claim] = stayed) -> None:
            with ClaimBoard(tmp_path, stale_after=60) as board:
                start.wait()
                claim = board.announce([0], ["a"])
                if not any(claim.overlaps(other) for other in board.others()):
                    stayed.append(claim)
                start.wait()  # winners hold on until all have looked

        threads = [threading.Thread(target=race) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners.append(len(stayed))
    assert max(winners) <= 1
