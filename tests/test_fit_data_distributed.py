"""Rows that two ranks share give the moments, sample, projection and landmarks of one rank with all rows."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import anybind
from anybind.distributed import Runtime

EXACT = {"rtol": 1e-10, "atol": 1e-14}

# Both ranks, and the test itself as the only rank, call report(); each has its share of the rows.
RANKS = '''
import sys
import numpy as np
import torch
from safetensors.torch import save_file
from anybind.array_input import array_source
from anybind.distributed import Runtime
from anybind.errors import AnybindError
from anybind.features import FeatureOptions
from anybind.fit_context import FitContext
from anybind.fit_data import collect
from anybind.moments import Moments

DIMS = {"a": 12, "b": 10, "c": 8}


def sources(runtime):
    random = np.random.default_rng(0)
    mine = slice(runtime.rank, None, runtime.world)
    mixing = {s: random.normal(size=(3, d)) for s, d in DIMS.items()}
    for name, n, first in (("many", 400, 0), ("few", 9, 1)):
        latent = random.normal(size=(n, 3))
        rows = {s: latent @ mixing[s] + 0.01 * random.normal(size=(n, d)) + 5 for s, d in DIMS.items()}
        present = {s: random.random(n) > 0.3 for s in DIMS}
        ids = [f"{name} {i}" for i in range(n)]
        share = mine if name == "many" else slice(None) if runtime.rank == 0 else slice(0, 0)
        yield array_source(
            name, {s: v[share] for s, v in rows.items()}, ids=ids[share],
            present={s: m[share] for s, m in present.items()},
        )


def refused(action):
    try:
        action()
    except AnybindError as error:
        return f"{type(error).__name__}: {error.what} {error.got}"
    return "nothing"


def report(runtime):
    """Tensors by name, and what was refused."""
    result = {}
    labels = {
        "full": {},
        "projected": {"full_width": 20, "projected_dim": 4},
        "kernel": {"features": FeatureOptions(landmarks=30, width=0.5)},
        "fourier": {"features": FeatureOptions("fourier", dims=8)},
    }
    for label, options in labels.items():
        data = collect(list(sources(runtime)), sample_rows=60, context=FitContext(runtime), seed=2, **options)
        for i, group in enumerate(data.moments.groups(without_fold=1)):
            key = f"{label}/{group.dataset}/{'+'.join(group.spaces)}"
            result |= {f"{key}/mean": group.mean, f"{key}/s": group.covariance}
            result[f"{key}/n"] = torch.tensor(group.n)
        for name, sample in data.samples.items():
            result |= {f"{label}/{name}/sample/{s}": v[sample.present[s]] for s, v in sample.vectors.items()}
            result[f"{label}/{name}/ids"] = torch.tensor([int(i.split()[1]) for i in sample.ids])
            result[f"{label}/{name}/folds"] = sample.folds
        for space, inputs in data.inputs.items():
            result |= {f"{label}/{part}/{space}": tensor for part, tensor in inputs.tensors().items()}
    moments = Moments({"wide": 1000}, folds=1, memory_limit=200_000)
    moments.update(f"only {runtime.rank}", {"wide": torch.ones(10, 1000)}, torch.zeros(10).long())
    moments.all_reduce(runtime)  # 20 rows fit, two matrices would not
    result["rare"] = torch.tensor(moments.pairs("wide", "wide"))
    return {name: tensor.contiguous() for name, tensor in result.items()}


def refusals(runtime):
    one = np.ones((1, 2))
    lone = [array_source("lone", {"a": one, "b": one}, ids=["x"])] if runtime.rank == 0 else [
        array_source("lone", {"a": one[:0], "b": one[:0]}, ids=[])]
    same = [array_source("same", {"a": np.eye(6), "b": np.eye(6)})]
    full = Moments({"w": 100}, folds=1, memory_limit=90_000)
    full.update(f"d{runtime.rank}", {"w": torch.ones(100, 100)}, torch.zeros(100).long())
    yield refused(lambda: collect(lone, context=FitContext(runtime)))
    yield refused(lambda: collect(same, context=FitContext(runtime)))
    yield refused(lambda: full.all_reduce(runtime))


if __name__ == "__main__":
    with Runtime.from_env() as runtime:
        path = f"{sys.argv[1]}/rank{runtime.rank}"
        save_file(report(runtime), path + ".safetensors")
        with open(path + ".txt", "w") as file:
            file.write("\\n".join(refusals(runtime)))
'''


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], Path]:
    """What one rank reports, and the folder where two ranks left their reports."""
    folder = tmp_path_factory.mktemp("ranks")
    script = folder / "ranks.py"
    script.write_text(RANKS, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(anybind.__file__).parents[1])}
    done = subprocess.run(
        [*command, str(script), str(folder)],
        env={**os.environ, **variables}, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return runpy.run_path(str(script))["report"](Runtime()), folder


def test_two_ranks_find_the_moments_of_one(ranks: tuple[dict[str, torch.Tensor], Path]) -> None:
    alone, folder = ranks
    for rank in range(2):
        found = load_file(folder / f"rank{rank}.safetensors")
        assert found.keys() == alone.keys()
        compared = [n for n in alone if n.startswith("full/") and n.endswith(("/n", "/mean", "/s"))]
        assert len(compared) > 30
        for name in compared:
            torch.testing.assert_close(found[name], alone[name], **EXACT)


def test_two_ranks_draw_the_sample_of_one(ranks: tuple[dict[str, torch.Tensor], Path]) -> None:
    alone, folder = ranks
    kinds = ("full/many/sample", "full/many/ids", "full/many/folds", "full/few/sample", "full/few/ids")
    names = [name for name in alone if name.startswith(kinds)]
    assert len(names) == 3 + 1 + 1 + 3 + 1
    assert len(alone["full/many/ids"]) == 60
    for rank in range(2):
        found = load_file(folder / f"rank{rank}.safetensors")
        assert all(torch.equal(found[name], alone[name]) for name in names)


def test_two_ranks_project_alike(ranks: tuple[dict[str, torch.Tensor], Path]) -> None:
    alone, folder = ranks
    first, second = (load_file(folder / f"rank{rank}.safetensors") for rank in range(2))
    projections = [name for name in alone if name.startswith("projected/projection/")]
    assert len(projections) == 3
    for name in projections:
        assert torch.equal(first[name], second[name])
        mine, theirs = alone[name][:, :3], first[name][:, :3]
        torch.testing.assert_close(mine @ mine.T, theirs @ theirs.T, rtol=1e-4, atol=1e-5)
    for name in (name for name in alone if name.startswith("projected/") and name.endswith("/s")):
        torch.testing.assert_close(first[name], second[name], **EXACT)
        torch.testing.assert_close(first[name].trace(), alone[name].trace(), rtol=1e-4, atol=1e-6)


def test_two_ranks_choose_the_landmarks_of_one(ranks: tuple[dict[str, torch.Tensor], Path]) -> None:
    alone, folder = ranks
    first, second = (load_file(folder / f"rank{rank}.safetensors") for rank in range(2))
    parts = ("kernel/landmarks/", "kernel/root/", "kernel/gamma/")
    features = [name for name in alone if name.startswith(parts)]
    assert len(features) == 9
    for name in features:
        assert torch.equal(first[name], second[name])
    for space in "abc":
        assert torch.equal(first[f"kernel/landmarks/{space}"], alone[f"kernel/landmarks/{space}"])
        assert len(alone[f"kernel/landmarks/{space}"]) == 30
    for name in (name for name in alone if name.startswith("kernel/") and name.endswith("/s")):
        torch.testing.assert_close(first[name].trace(), alone[name].trace(), rtol=1e-6, atol=1e-9)


def test_two_ranks_keep_rare_rows_and_refuse_together(ranks: tuple[dict[str, torch.Tensor], Path]) -> None:
    _, folder = ranks
    for rank in range(2):
        assert load_file(folder / f"rank{rank}.safetensors")["rare"] == 20
        lone, same, full = (folder / f"rank{rank}.txt").read_text().splitlines()
        assert lone == "DataError: a data set is too small to fit on 1 row"
        assert same.startswith("DataError: an id occurs twice in a data set same:")
        assert full.startswith("MemoryLimitError: ")
