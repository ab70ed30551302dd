"""calmrl: what it reaches on rows with holes, what it refuses, and that it comes back as it was."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from anybind.builtin.binders.calmrl import BINDERS
from anybind.errors import DataError, NoPathError, SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.calibration import Calibrated
from anybind.methods.calmrl import CalMRL
from anybind.methods.trained import Setting, TrainedMethod

Array = NDArray[np.float64]
Make = Callable[..., FitData]
ToTensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]
DIMS = {"x": 14, "y": 12, "z": 16}
FAST: dict[str, Any] = {
    "features": "identity", "joint_dim": 8, "epochs": 12, "batch_size": 64, "learning_rate": 0.01, "patience": 0,
    "rank": 6,
}  # fmt: skip
PAIRS = tuple(combinations(DIMS, 2))
CHANCE = float(np.mean(1 / np.arange(1, 101)))


def draw(n: int, seed: int, spaces: str = "xyz") -> dict[str, Array]:
    """n rows of spaces that share six dims, each with nuisance, noise and an offset of its own."""
    world, random = np.random.default_rng(0), np.random.default_rng(100 + seed)
    shared, z, rows = world.normal(size=(6, max(DIMS.values()))), random.normal(size=(n, 6)), {}
    for space, dim in DIMS.items():
        loading = shared[:, :dim] + 0.7 * world.normal(size=(6, dim))
        nuisance = 0.7 * random.normal(size=(n, 4)) @ world.normal(size=(4, dim))
        rows[space] = z @ loading + nuisance + 0.7 * random.normal(size=(n, dim)) + world.normal(size=dim)
    return {space: rows[space] for space in spaces}


@pytest.fixture
def holed(fit_data: Make) -> Callable[..., FitData]:
    """``holed(share)``: 300 rows of one data set, every space of every row missing with this probability."""

    def make(share: float, seed: int = 1) -> FitData:
        rows, random = draw(300, seed), np.random.default_rng(seed)
        masks = {s: random.random(300) >= share for s in DIMS}
        masks["x"] |= ~(masks["x"] | masks["y"] | masks["z"])
        return fit_data({"d": rows}, present={"d": masks})

    return make


@pytest.fixture
def bridged(fit_data: Make) -> FitData:
    """x-y and y-z, 300 rows each."""
    return fit_data({"d1": draw(300, 1, "xy"), "d2": draw(300, 2, "yz")})


@pytest.fixture
def reached(tensor: ToTensor, plain_mrr: MRR) -> Callable[..., float]:
    """``reached(fitted)``: mean reciprocal rank over all pairs of spaces (or those given) of 100 new rows."""

    def judge(fitted: CalMRL, pairs: Any = PAIRS) -> float:
        test = {s: tensor(x) for s, x in draw(100, 9).items()}
        return float(np.mean([plain_mrr(fitted.score(a, test[a], b, test[b])) for a, b in pairs]))

    return judge


# ------------------------------------------------------------------- what it reaches


@pytest.mark.parametrize("loss", ["pmrl", "gram", "triangle", "symile"])
def test_every_loss_learns_from_rows_with_holes(loss: str, holed: Any, reached: Any) -> None:
    assert reached(CalMRL(loss=loss, **FAST).fit(holed(0.4))) > 6 * CHANCE


def test_spaces_that_no_data_set_holds_together_are_bound(bridged: FitData, reached: Any) -> None:
    fitted = CalMRL(**FAST).fit(bridged, targets=[("x", "z")])
    assert reached(fitted, [("x", "z")]) > 6 * CHANCE
    assert fitted.joint is not None
    assert fitted.joint.parts == (("x", "y", "z"),)


def test_pmrl_gains_from_imputation_when_half_is_missing(holed: Any, reached: Any) -> None:
    """In miniature what the bench shows: it beats tuples as they are on every seed, and full data beat it."""
    full = reached(CalMRL(missing="observed", **FAST).fit(holed(0.0)))
    for seed in (1, 2, 3):
        data = holed(0.5, seed)
        imputed, observed = (reached(CalMRL(missing=m, **FAST).fit(data, seed=seed)) for m in ("impute", "observed"))
        assert observed < imputed < full


def test_gram_loses_by_imputation_on_a_bridge(bridged: FitData, reached: Any) -> None:
    """A column imputed from two others lies (nearly) in their plane: every volume vanishes, whoever is the anchor."""
    imputed, observed = (
        reached(CalMRL(loss="gram", missing=missing, **FAST).fit(bridged), [("x", "z")])
        for missing in ("impute", "observed")
    )
    assert imputed < 0.8 * observed


def test_whole_rows_leave_nothing_to_impute(holed: Any) -> None:
    data = holed(0.0)
    found = [CalMRL(missing=m, **FAST).fit(data).tensors() for m in ("impute", "mean", "observed")]
    for tensors in found[1:]:
        for name, tensor in tensors.items():
            assert torch.equal(tensor, found[0][name])


# ------------------------------------------------------------------- how it trains


def setting(data: FitData) -> Setting:
    return Setting(data, (("x", "y", "z"),), (), {}, 0)


def test_options_reach_the_objective(bridged: FitData) -> None:
    given = {
        "loss": "gram", "missing": "mean", "rank": 7, "refresh": 4, "detach": False, "renormalise": True,
        "matching": 0.3, "masked_views": 0.2,
    }  # fmt: skip
    made = CalMRL(warm_up=0.5, epochs=10, **given).objective(setting(bridged))
    assert isinstance(made, Calibrated)
    assert {name: getattr(made, name) for name in given} == given
    assert made.warm_up == 5
    assert made.spaces == ("x", "y", "z")


@pytest.mark.parametrize(
    ("options", "epochs"), [({}, 3), ({"warm_up": 1.0}, 0), ({"missing": "observed"}, 0), ({"missing": "mean"}, 3)]
)
def test_training_does_not_stop_in_the_warm_up(options: Mapping[str, Any], epochs: int) -> None:
    assert CalMRL(epochs=10, **options).warm_up_epochs() == epochs


def test_the_rank_is_chosen_after_the_warm_up_with_one_fold_held_out(holed: Any, reached: Any) -> None:
    fitted = CalMRL(**{**FAST, "rank": "auto", "patience": 4, "epochs": 8}).fit(holed(0.3))
    assert fitted.config()["history"]["best_epoch"] > round(0.3 * 8)
    assert reached(fitted) > 6 * CHANCE


def test_it_is_reproducible_and_resumes_to_the_same(holed: Any, tmp_path: Path) -> None:
    """Killed in the middle of the alternation: what the imputer knew must come back with the heads."""
    method, data = CalMRL(**{**FAST, "epochs": 8, "refresh": 3, "masked_views": 0.5}), holed(0.4)
    whole = method.fit(data, seed=3).tensors()

    class Killed(Exception):
        pass

    def kill(progress: Any) -> None:
        if progress.epoch == 4:
            raise Killed

    kept = replace(data, context=replace(data.context, checkpoints=tmp_path, progress=kill))
    with pytest.raises(Killed):
        method.fit(kept, seed=3)
    resumed = method.fit(replace(kept, context=replace(kept.context, progress=lambda _: None)), seed=3).tensors()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    other = method.fit(data, seed=4).tensors()
    assert not torch.equal(other["x/weight"], whole["x/weight"])


def test_restored_from_json_and_tensors_exactly(bridged: FitData, tensor: ToTensor) -> None:
    fitted = CalMRL(**{**FAST, "epochs": 4}).fit(bridged)
    restored = CalMRL.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    test = {s: tensor(x) for s, x in draw(20, 9).items()}
    assert torch.equal(restored.score("x", test["x"], "z", test["z"]), fitted.score("x", test["x"], "z", test["z"]))


RANK = """
import sys
import numpy as np
from safetensors.torch import save_file
from anybind.array_input import array_source
from anybind.distributed import Runtime
from anybind.fit_context import FitContext
from anybind.fit_data import collect
from anybind.methods.calmrl import CalMRL

with Runtime.from_env() as runtime:
    random, sources = np.random.default_rng(0), []
    maps = {space: random.normal(size=(4, 9)) for space in "xyz"}
    for name, spaces in (("d1", "xy"), ("d2", "yz")):
        z, mine = random.normal(size=(150, 4)), slice(runtime.rank, None, runtime.world)
        rows = {s: (z @ maps[s] + random.normal(size=(150, 9)))[mine] for s in spaces}
        sources.append(array_source(name, rows, ids=[f"{name} {i}" for i in range(150)][mine]))
    data = collect(sources, context=FitContext(runtime))
    fitted = CalMRL(features="identity", joint_dim=6, epochs=5, rank=4, batch_size=64, learning_rate=0.01).fit(data)
    if runtime.rank == 0:
        save_file(fitted.tensors(), sys.argv[1])
"""


def test_two_ranks_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path / "two")]
    running = [subprocess.Popen(command, env={**os.environ, **together, "RANK": rank}) for rank in "01"]
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "one")])
    runpy.run_path(str(script))
    assert [process.wait(timeout=180) for process in running] == [0, 0]
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-5, atol=1e-5 * float(tensor.abs().max()))


# ------------------------------------------------------------------- refusals


def test_data_that_nothing_joins_are_refused_before_training(fit_data: Make) -> None:
    data = fit_data({"d1": draw(200, 1, "xy"), "d2": draw(200, 2, "z")})
    with pytest.raises(DataError, match="no chain of rows") as caught:
        CalMRL(**FAST).fit(data)
    assert caught.value.got == "part 1: x, y; part 2: z"
    with pytest.raises(NoPathError):
        CalMRL(**{**FAST, "epochs": 1}, missing="observed").fit(data).embed("z", torch.ones(1, 16))


def test_a_rank_that_could_not_be_chosen_is_refused_before_training(fit_data: Make) -> None:
    data = fit_data({"d": draw(60, 1)})
    with pytest.raises(SelectionError, match="rank"):
        CalMRL(**{**FAST, "rank": "auto"}).fit(data)


def test_triangle_takes_three_spaces(fit_data: Make, truth: Any, bridged: FitData) -> None:
    four = truth(0, dict.fromkeys("wxyz", 6), rank=2)
    with pytest.raises(UsageError, match="TRIANGLE"):
        CalMRL(loss="triangle", **FAST).fit(fit_data({"d": four.draw(100, list("wxyz"), 1)}))
    with pytest.raises(UsageError, match="TRIANGLE"):  # no row is whole, and nothing makes it so
        CalMRL(loss="triangle", missing="observed", matching=0.0, **FAST).fit(bridged)


def test_the_options_are_those_that_are_registered() -> None:
    (spec,) = BINDERS
    defaults = {f.name: f.default for f in fields(CalMRL) if f.name not in TrainedMethod.fitted_fields}
    assert {name: option.default for name, option in spec.options.items()} == defaults
    assert spec.name == CalMRL.label
