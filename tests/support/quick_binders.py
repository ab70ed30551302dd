"""Binders of three spaces in a chain that are fitted in a moment, and how to compare them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from anybind.binder import Binder
from anybind.fitting import fit

# label -> method and options that leave nothing to choose
QUICK: dict[str, dict[str, Any]] = {
    "pcca": {"method": "pcca", "options": {"rank": 4, "shrinkage": 1.0, "features": "identity"}},
    "gaussian": {"method": "pcca", "options": {"rank": 4, "shrinkage": 1.0, "landmarks": 50, "width": 0.2}},
    "mox-closed-form": {"method": "mox-closed-form", "options": {"transition_strength": 0.1, "head_ridge": 0.1}},
    "ridge-chain": {"method": "ridge-chain", "options": {"ridge": 0.1}},
}
DIMS = {"image": 10, "text": 8, "audio": 12}


def items(seed: int, n: int) -> dict[str, np.ndarray]:
    """Noisy views of n items in every space; the views are the same for every seed."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=(n, 4))
    mixing = np.random.default_rng(99)
    return {
        space: latent @ mixing.normal(size=(4, d)) + 0.3 * random.normal(size=(n, d)) + mixing.normal(size=d)
        for space, d in DIMS.items()
    }


def chain(n: int = 150) -> dict[str, dict[str, np.ndarray]]:
    """Image with text, and text with audio; no item in both."""
    first, second = items(1, n), items(2, n)
    return {
        "d1": {"image": first["image"], "text": first["text"]},
        "d2": {"text": second["text"], "audio": second["audio"]},
    }


def quick(label: str = "pcca", **arguments: Any) -> Binder:
    return fit(chain(), **QUICK[label], **arguments)


def rank_of_truth(table: torch.Tensor) -> float:
    """Mean reciprocal rank of the diagonal."""
    better = (table > table.diagonal()[:, None]).sum(1)
    return float((1 / (1 + better)).mean())


def assert_alike(left: Binder, right: Binder) -> None:
    """Bit by bit."""
    rows = items(5, 9)
    for space, vectors in rows.items():
        assert torch.equal(left.embed(space, vectors), right.embed(space, vectors))
        for other in rows:
            scores = [each.score(space, vectors, other, rows[other]) for each in (left, right)]
            assert torch.equal(*scores)
