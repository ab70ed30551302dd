"""Ranks: none by default, and several over gloo from the environment variables of torchrun."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

import anybind.distributed
from anybind.distributed import Runtime
from anybind.errors import UsageError

VARIABLES = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")

# What each of two ranks runs: the collectives, then a fill in which rank 1 fails.
RANK = """
import json, sys, time
import torch
from pathlib import Path
from anybind.distributed import Runtime
from anybind.errors import AnybindError
from anybind.store import EmbeddingStore, SpaceKey

folder = Path(sys.argv[1])
with Runtime.from_env() as runtime:
    same = Runtime.from_env()
    total = torch.tensor([1.0, 2.0**40 + runtime.rank], dtype=torch.float64)
    result = {"rank": [runtime.rank, same.rank, same.world]}
    result["sum"] = runtime.all_reduce_sum_(total).tolist()
    result["gathered"] = runtime.all_gather_object({"from": runtime.rank})
    result["sent"] = [runtime.broadcast(f"by {runtime.rank}"), runtime.broadcast(runtime.rank, source=1)]
    if runtime.rank == 0:
        time.sleep(0.5)
        (folder / "flag").touch()
    runtime.barrier()
    result["after_barrier"] = (folder / "flag").exists()

    def embed(ids):
        if runtime.rank == 1:
            raise RuntimeError("no weights")
        return torch.ones(len(ids), 2)

    space = EmbeddingStore(folder / "store").folder(SpaceKey("things", "image", "toy", "1", 2))
    try:
        space.fill(["a", "b", "c", "d"], embed, shard_size=1, runtime=runtime)
    except Exception as error:
        result["error"] = f"{type(error).__name__}: {error}"
    result["kept"] = space.ids()
# a thread of gloo that outlives the interpreter would abort the process
names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
result["threads"] = [name for name in names if "gloo" in name]
print(json.dumps(result))
"""


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("values", [{}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": ""}, {"RANK": "0"}])
def test_one_process_does_nothing(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    set_variables(monkeypatch, **values)
    with Runtime.from_env() as runtime:
        assert (runtime.rank, runtime.world) == (0, 1)
        runtime.barrier()
        tensor = torch.tensor([1.5, -2.0], dtype=torch.float64)
        assert runtime.all_reduce_sum_(tensor) is tensor
        assert tensor.tolist() == [1.5, -2.0]
        assert runtime.broadcast({"a": 1}) == {"a": 1}
        assert runtime.all_gather_object("x") == ["x"]
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    "values",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "two"},
        {"WORLD_SIZE": "-2"},
        {"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"},
        {"WORLD_SIZE": "0", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
    ],
)
def test_an_incomplete_environment_is_an_error(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    set_variables(monkeypatch, **values)
    with pytest.raises(UsageError) as caught:
        Runtime.from_env()
    assert "WORLD_SIZE" in str(caught.value)


@pytest.mark.parametrize(
    "tensor", [torch.ones(2), torch.ones(2, dtype=torch.int64), torch.ones(2, 3, dtype=torch.float64).T]
)
def test_only_contiguous_float64_is_summed(tensor: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="summed"):
        Runtime().all_reduce_sum_(tensor)


def start_rank(folder: Path, rank: int, port: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(anybind.distributed.__file__).parents[1]),
    }  # fmt: skip
    command = [sys.executable, "-W", "error", "-c", dedent(RANK), str(folder)]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_ranks_work_together_and_fail_together(tmp_path: Path) -> None:
    port = free_port()
    ranks = [start_rank(tmp_path, rank, port) for rank in range(2)]
    results = []
    for process in ranks:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        results.append(json.loads(output))
    for rank, result in enumerate(results):
        assert result["rank"] == [rank, rank, 2]
        assert result["sum"] == [2.0, 2.0**41 + 1]
        assert result["gathered"] == [{"from": 0}, {"from": 1}]
        assert result["sent"] == ["by 0", 1]
        assert result["after_barrier"]
        assert result["threads"] == []
        assert result["kept"] == ["a", "c"], "rank 0 keeps what it finished"
    assert results[1]["error"] == "RuntimeError: no weights"
    assert results[0]["error"].startswith("StoreError: another rank failed")
    assert "no weights" in results[0]["error"]
    assert not list((tmp_path / "store").glob("*/*/claim-*"))
