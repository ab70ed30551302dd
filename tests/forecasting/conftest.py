"""Small Gaussian worlds whose spaces show known parts of one latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from anybind.array_input import array_sources
from anybind.bridging import routes_for
from anybind.fit_data import collect
from anybind.forecasting.forecast import Basis, forecast_basis
from anybind.methods.cca_chain import CCAChain

LATENT, DIM = 12, 24


class Shown:
    """Spaces that show some axes of a latent of 12 through a fixed random map, plus noise."""

    def __init__(self, axes: dict[str, Sequence[int]], noise: float | dict[str, float] = 0.4) -> None:
        random = np.random.default_rng(5)
        self._axes, self._noise = axes, noise if isinstance(noise, dict) else dict.fromkeys(axes, noise)
        self._maps = {space: random.normal(size=(LATENT, DIM)) / LATENT**0.5 for space in axes}

    def rows(self, spaces: str, n: int, seed: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng([7, seed])
        z, found = random.normal(size=(n, LATENT)), {}
        for space in spaces:
            seen = np.zeros_like(z)
            seen[:, list(self._axes[space])] = z[:, list(self._axes[space])]
            found[space] = seen @ self._maps[space] + self._noise[space] * random.normal(size=(n, DIM))
        return found


class Fitted:
    """A cca-chain on a world's edges, its basis, and what it reaches on true pairs."""

    def __init__(self, world: Shown, edges: Sequence[str], targets: Sequence[tuple[str, str]], n: int) -> None:
        sets = {f"d{i}": world.rows(edge, n, i) for i, edge in enumerate(edges)}
        self._world = world
        self.data = collect(array_sources(sets, present=None, ids=None, groups=None, from_nan=False), normalise=False)
        self.routes = routes_for(self.data.moments, targets)
        self.method = CCAChain(features="identity").fit(self.data, targets=targets, routes=self.routes)
        self.basis: Basis = forecast_basis(self.method, self.data, targets, self.routes)

    def true_mrr(self, a: str, b: str, gallery: int, times: int = 10) -> float:
        values = []
        for seed in range(100, 100 + times):
            rows = self._world.rows(a + b, gallery, seed)
            seen = {s: self.data.inputs[s](torch.from_numpy(r).to(torch.float32)) for s, r in rows.items()}
            table = self.method.score(a, seen[a], b, seen[b])
            for scores in (table, table.T):
                values.append(float((1 / (1 + (scores > scores.diagonal()[:, None]).sum(1))).mean()))
        return float(np.mean(values))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def fitted() -> Callable[..., Fitted]:
    """``fitted({"a": axes, ...}, ["ab", "bc"], [("a", "c")], n=400)``."""

    def make(
        axes: dict[str, Sequence[int]],
        edges: Sequence[str],
        targets: Sequence[tuple[str, str]],
        n: int = 300,
        noise: float | dict[str, float] = 0.4,
    ) -> Fitted:
        return Fitted(Shown(axes, noise), edges, targets, n)

    return make
