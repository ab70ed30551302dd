"""Training on two ranks gives what one rank gives; only rank 0 writes, and both resume from what it wrote."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import torch
from safetensors.torch import load_file

import anybind.distributed
from anybind.distributed import Runtime
from anybind.training.ranks import gathered, share, sum_gradients

# What every rank runs: collectives, a fit on its share of the rows, and one that breaks and goes on.
FIT = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from safetensors.torch import save_file
from anybind.array_input import array_source
from anybind.distributed import Runtime
from anybind.errors import StoreError
from anybind.fit_context import FitContext
from anybind.fit_data import collect
from anybind.methods.all_pairs import AllPairs
from anybind.methods.centrobind import CentroBind
from anybind.training.ranks import gathered, share, sum_gradients

folder = Path(sys.argv[1])

def sources(runtime):
    random = np.random.default_rng(0)
    maps = {space: random.normal(size=(3, dim)) for space, dim in (("a", 6), ("b", 5), ("c", 4))}
    for name, n, spaces in (("d1", 151, "ab"), ("d2", 133, "bc"), ("tiny", 3, "ac")):
        z = random.normal(size=(n, 3))
        rows = {s: z @ maps[s] + 0.5 * random.normal(size=(n, maps[s].shape[1])) + 1 for s in spaces}
        has = random.random(n) > 0.2
        mine = slice(runtime.rank, None, runtime.world)
        ids = [f"{name} {i}" for i in range(n)][mine]
        yield array_source(name, {s: v[mine] for s, v in rows.items()}, ids=ids, present={spaces[0]: has[mine]})

def fit(runtime, method, **context):
    told = []
    given = FitContext(runtime, progress=told.append, **context)
    fitted = method.fit(collect(list(sources(runtime)), context=given))
    return fitted, [epoch.held_out for epoch in told]

class Broken(AllPairs):
    calls = 0

    def objective(self, setting):
        whole = AllPairs.objective(self, setting)
        def call(step):
            Broken.calls += 1
            if Broken.calls == 22:
                raise RuntimeError("stop")
            return whole(step)
        return call

SMALL = {"joint_dim": 4, "epochs": 6, "batch_size": 32, "learning_rate": 0.01, "learn_temperature": True}
with Runtime.from_env() as runtime:
    result = {}
    x = torch.arange(10.0).view(5, 2).requires_grad_()
    scale = torch.tensor(2.0, requires_grad=True)
    own = share(5, runtime)
    (whole,) = gathered([x[own] ** 2], [5], runtime)
    (scale * whole[:, 0] * torch.arange(5.0)).sum().backward()
    sum_gradients([x], [scale], runtime)
    result["gradient"], result["scale"] = x.grad, scale.grad.view(1)
    for method in (AllPairs(**SMALL), CentroBind(**SMALL, mixing=1.0, neighbourhood=0.5)):
        fitted, told = fit(runtime, method)
        result |= {f"{method.label}/{name}": tensor for name, tensor in fitted.tensors().items()}
    if runtime.world > 1:
        checkpoints = folder / "kept"
        try:
            fit(runtime, Broken(**SMALL), checkpoints=checkpoints)
        except RuntimeError as error:
            assert str(error) == "stop"
        runtime.barrier()
        kept = sorted(path.name for path in checkpoints.rglob("*"))
        fitted, _ = fit(runtime, Broken(**SMALL), checkpoints=checkpoints)
        result |= {f"resumed/{name}": tensor for name, tensor in fitted.tensors().items()}
        blocked = folder / "file"
        if runtime.rank == 0:
            blocked.write_text("in the way")
        runtime.barrier()
        refused = ""
        try:
            fit(runtime, AllPairs(**SMALL), checkpoints=blocked)
        except StoreError as error:
            refused = error.what
        print(json.dumps({"kept": kept, "told": len(told), "refused": refused, "calls": Broken.calls}))
    save_file({n: t.contiguous() for n, t in result.items()}, folder / f"{runtime.world}-{runtime.rank}.safetensors")
"""


def start(folder: Path, rank: int, world: int, port: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(anybind.distributed.__file__).parents[1]),
    }  # fmt: skip
    command = [sys.executable, "-W", "error", "-c", dedent(FIT), str(folder)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_ranks_give_what_one_gives(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    said = []
    for process in [start(tmp_path, 0, 1, port), *(start(tmp_path, rank, 2, port) for rank in range(2))]:
        output, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
        said.append(json.loads(output or "null"))
    one, first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("1-0", "2-0", "2-1"))
    assert first.keys() == second.keys() > one.keys()
    for name, tensor in one.items():
        np.testing.assert_allclose(first[name], tensor, rtol=1e-5, atol=1e-6, err_msg=name)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items()), "the ranks agree"
    x = torch.arange(10.0).view(5, 2)
    assert first["gradient"].tolist() == [[4 * row * float(x[row, 0]), 0.0] for row in range(5)], "by hand"
    assert first["scale"].tolist() == [sum(row * float(x[row, 0]) ** 2 for row in range(5))]
    resumed = {name: tensor for name, tensor in first.items() if name.startswith("resumed/")}
    assert resumed
    for name, tensor in resumed.items():
        assert torch.equal(tensor, first[name.replace("resumed", "all-pairs")]), name
    for rank, told in enumerate(said[1:]):
        assert [name for name in told["kept"] if "." in name] == ["checkpoint.safetensors", "training.jsonl"]
        assert (told["told"] > 0) == (rank == 0), "only rank 0 reports"
        assert told["refused"].startswith("cannot write")
        assert told["calls"] > 22


def test_shares_make_up_a_batch() -> None:
    for rows in (0, 1, 2, 7, 8):
        parts = [range(rows)[share(rows, Runtime(rank, 3))] for rank in range(3)]
        assert [row for part in parts for row in part] == [*range(rows)]


def test_one_rank_changes_nothing() -> None:
    x = torch.ones(2, 2, requires_grad=True)
    (same,) = gathered([x], [2], Runtime())
    assert same is x
    (x * 3).sum().backward()
    sum_gradients([x], [], Runtime())
    assert x.grad is not None
    assert x.grad.tolist() == [[3, 3], [3, 3]]
