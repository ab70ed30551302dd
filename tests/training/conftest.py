"""Small data and jobs for the tests of the training engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from anybind.fit_data import Sample, fold_of
from anybind.methods.all_pairs import PairContrast
from anybind.methods.trained import pair_loss
from anybind.training.job import Job
from anybind.training.options import TrainingOptions

SMALL: dict[str, Any] = {"joint_dim": 4, "epochs": 6, "batch_size": 32, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices are slower, and the tests less repeatable, on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sample(seed: int, n: int, dims: dict[str, int], noise: float = 0.5, **present: Any) -> Sample:
    """n paired rows that show one latent of 3 dims, the same maps for every seed; folds by id."""
    random, maps = np.random.default_rng(seed), np.random.default_rng(99)
    z = random.normal(size=(n, 3))
    rows = {}
    for space, dim in sorted(dims.items()):
        mapping, offset = maps.normal(size=(3, dim)), maps.normal(size=dim)
        values = z @ mapping + noise * random.normal(size=(n, dim)) + offset
        rows[space] = torch.tensor(values, dtype=torch.float32)
    ids = tuple(f"{seed}-{i:04d}" for i in range(n))
    masks = {s: torch.as_tensor(present.get(s, np.ones(n)), dtype=torch.bool) for s in rows}
    return Sample(ids, rows, masks, torch.tensor([fold_of(name, 0, 5) for name in ids]))


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """``make_sample(seed, n, {"a": 5, "b": 4}, noise=..., a=mask)``."""
    return sample


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """``make_job(samples=..., objective=..., seed=..., context=..., epochs=..., patience=...)``: all pairs."""

    def make(**given: Any) -> Job:
        parts = {name: given.pop(name) for name in [*given] if name in Job.__dataclass_fields__}
        options = TrainingOptions(**{**SMALL, **given})
        default = {"d1": sample(1, 160, {"a": 6, "b": 5}), "d2": sample(2, 140, {"b": 5, "c": 4})}
        samples = parts.pop("samples", default)
        spaces = tuple(sorted({space for each in samples.values() for space in each.vectors}))
        objective = parts.pop("objective", lambda: PairContrast(pair_loss("softmax")))
        settings = {"options": {name: getattr(options, name) for name in TrainingOptions.__dataclass_fields__}}
        return Job("contrast", options, settings, samples, spaces, objective, **parts)

    return make
