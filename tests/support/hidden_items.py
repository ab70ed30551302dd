"""Views of the same hidden items in three spaces, off centre, and binders fitted on two of the three at a time."""

from __future__ import annotations

from typing import Any

import torch

import anybind

DIMS = {"a": 12, "b": 9, "c": 10}


def views_of(n: int, seed: int) -> dict[str, torch.Tensor]:
    """Space -> (n, dim) rows; row i of every space is the same item."""
    fixed, drawn = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, 4, generator=drawn)
    maps = {space: torch.randn(4, dim, generator=fixed) for space, dim in DIMS.items()}
    means = {space: torch.randn(dim, generator=fixed) for space, dim in DIMS.items()}
    return {s: hidden @ maps[s] + means[s] + 0.3 * torch.randn(n, d, generator=drawn) for s, d in DIMS.items()}


class Fits:
    """``fits(method, **options)``: a binder of a to b and b to c, which is fitted once."""

    def __init__(self) -> None:
        self._known: dict[str, anybind.Binder] = {}

    def __call__(self, method: str, **options: Any) -> anybind.Binder:
        name = f"{method} {options}"
        if name not in self._known:
            rows = views_of(240, 1)
            data = {"d1": {s: rows[s][:120] for s in "ab"}, "d2": {s: rows[s][120:] for s in "bc"}}
            self._known[name] = anybind.fit(data, method=method, options=options, targets=[("a", "c")])
        return self._known[name]
