"""The benchmarks as modules: they are scripts beside the package, found by path and forgotten after each test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices are slower, and the tests less repeatable, on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """``bench("synthetic")`` is bench/synthetic.py, freshly imported."""
    ours = {path.stem for path in BENCH.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in ours & sys.modules.keys()}
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module
    for name in ours:
        sys.modules.pop(name, None)
    sys.modules.update(hidden)
