"""A hub on loopback, a binder to push to it, and clients that keep to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from loopback_hub import LoopbackHub

import anybind


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A running hub; large files go by the plain protocol, and waiting between tries is short."""
    from huggingface_hub import constants

    sleep = time.sleep
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))  # ours and the client's
    with LoopbackHub() as running:
        yield running


@pytest.fixture(scope="session")
def binder() -> anybind.Binder:
    """Three spaces, one pivot, vectors of a licence that nobody knows."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(160, 4, generator=generator)
    views = {s: torch.randn(4, 8, generator=generator) for s in "abc"}
    rows = {s: hidden @ view + 0.2 * torch.randn(160, 8, generator=generator) for s, view in views.items()}
    data = {"d1": {s: rows[s][:80] for s in "ab"}, "d2": {s: rows[s][80:] for s in "bc"}}
    return anybind.fit(data, method="pcca", options={"features": "identity", "rank": 4, "shrinkage": 0.5})


@pytest.fixture
def folder(binder: anybind.Binder, tmp_path: Path) -> Path:
    return binder.save_pretrained(tmp_path / "binder", license="mit")


@pytest.fixture
def to(hub: LoopbackHub) -> dict[str, Any]:
    """Arguments of push."""
    return {"endpoint": hub.endpoint, "token": "hf_alice"}


@pytest.fixture
def of(hub: LoopbackHub, tmp_path: Path) -> dict[str, Any]:
    """Arguments of pull: a cache of its own."""
    return {"endpoint": hub.endpoint, "token": "hf_alice", "cache_dir": tmp_path / "cache"}
