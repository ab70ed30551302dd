"""Data whose truth is known, and plain yardsticks, for the tests of the binder methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.array_input import array_source
from anybind.fit_data import FitData, collect

Array = NDArray[np.float64]
Rows = Mapping[str, Array]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small matrices are slower, and the tests less repeatable, on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fit_data() -> Callable[..., FitData]:
    """``fit_data({"d1": {"a": rows, "b": rows}}, present=..., ids=..., normalise=False)``."""

    def make(
        datasets: Mapping[str, Rows],
        *,
        present: Mapping[str, Mapping[str, Any]] | None = None,
        ids: Mapping[str, Sequence[str]] | None = None,
        normalise: bool = False,
        **options: Any,
    ) -> FitData:
        sources = [
            array_source(name, spaces, present=(present or {}).get(name), ids=(ids or {}).get(name))
            for name, spaces in datasets.items()
        ]
        return collect(sources, normalise=normalise, **options)

    return make


@pytest.fixture
def tensor() -> Callable[[Array], torch.Tensor]:
    """An array as a float32 tensor, as methods get their rows."""
    return lambda array: torch.tensor(np.asarray(array), dtype=torch.float32)


@pytest.fixture
def plain_mrr() -> Callable[[Any], float]:
    """Mean reciprocal rank of the diagonal, mean of both directions, item by item; ties count half."""

    def one_way(table: Array) -> float:
        reciprocals = []
        for i, scores in enumerate(table):
            others = np.delete(scores, i)
            reciprocals.append(1 / (1 + (others > scores[i]).sum() + (others == scores[i]).sum() / 2))
        return float(np.mean(reciprocals))

    return lambda table: (one_way(np.asarray(table)) + one_way(np.asarray(table).T)) / 2


class Truth:
    """A linear Gaussian latent model x_m = mu_m + W_m z + e_m with full noise covariances.

    ``reliability`` sets how much of a space's variance its r latent directions explain.
    """

    def __init__(self, seed: int, dims: Mapping[str, int], rank: int, reliability: float | Mapping[str, float] = 0.5):
        random = np.random.default_rng(seed)
        shares = reliability if isinstance(reliability, Mapping) else dict.fromkeys(dims, reliability)
        self.rank = rank
        self.loadings, self.noise, self.means = {}, {}, {}
        for space, dim in dims.items():
            basis = np.linalg.qr(random.normal(size=(dim, rank)))[0]
            root = random.normal(size=(dim, dim)) + 2 * np.eye(dim)
            self.loadings[space] = root @ basis * np.sqrt(shares[space])
            self.noise[space] = root @ (np.eye(dim) - shares[space] * basis @ basis.T) @ root.T
            self.means[space] = random.normal(size=dim)

    def draw(self, n: int, spaces: Sequence[str], seed: int) -> dict[str, Array]:
        """n paired rows of some spaces."""
        random = np.random.default_rng(seed)
        z = random.normal(size=(n, self.rank))
        rows = {}
        for space in spaces:
            error = random.normal(size=(n, len(self.noise[space]))) @ np.linalg.cholesky(self.noise[space]).T
            rows[space] = self.means[space] + z @ self.loadings[space].T + error
        return rows

    def covariance(self, a: str, b: str) -> Array:
        """(d_a, d_b) population covariance."""
        shared = self.loadings[a] @ self.loadings[b].T
        return shared + self.noise[a] if a == b else shared


@pytest.fixture
def truth() -> type[Truth]:
    """The class Truth: ``truth(seed, {"a": 5, "b": 4}, rank=2)``."""
    return Truth


class World:
    """Two domains in which spaces a, b, c show one latent, hidden behind nuisance that looks like it.

    Clustered latent with a power-law spectrum; every space maps it partly nonlinearly and adds structured
    nuisance of larger variance, noise and an offset. Between the domains clusters are re-weighted, axes
    rescaled, the mean of the latent shifted, and the pivot's nuisance changed.
    """

    LATENT, DIM, CLUSTERS = 16, 48, 20

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        unit = 1 / np.sqrt(self.LATENT)
        shape = (self.LATENT, self.DIM)
        self.spectrum = np.arange(1, self.LATENT + 1) ** -0.35
        self.clusters = random.normal(size=(self.CLUSTERS, self.LATENT)) * self.spectrum
        self.maps = {s: unit * random.normal(size=shape) * random.uniform(0.5, 1, (self.LATENT, 1)) for s in "abc"}
        self.warps = {s: unit * random.normal(size=shape) for s in "abc"}
        self.nuisance = {s: 2 * unit * random.normal(size=shape) for s in "abc"}
        self.offsets = {s: random.normal(size=self.DIM) for s in "abc"}
        self.domains = [self._domain(random) for _ in range(2)]

    def _domain(self, random: np.random.Generator) -> dict[str, Array]:
        weights = np.exp(random.uniform(0, np.log(10), size=self.CLUSTERS))
        return {
            "weights": weights / weights.sum(),
            "scale": random.uniform(0.7, 1.3, size=self.LATENT),
            "shift": 0.4 * random.normal(size=self.LATENT) * self.spectrum,
            "pivot_scale": random.uniform(0.5, 1.5, size=self.LATENT),
            "pivot_shift": 0.5 * random.normal(size=self.LATENT),
        }

    def draw(self, n: int, spaces: str, domain: int, seed: int) -> dict[str, Array]:
        """n paired rows of some spaces in one domain."""
        random, world = np.random.default_rng(seed), self.domains[domain]
        cluster = self.clusters[random.choice(self.CLUSTERS, n, p=world["weights"])]
        z = (0.6 * cluster + random.normal(size=(n, self.LATENT)) * self.spectrum) * world["scale"] + world["shift"]
        rows = {}
        for s in spaces:
            hidden = random.normal(size=(n, self.LATENT))
            if s == "b":
                hidden = hidden * world["pivot_scale"] + world["pivot_shift"]
            signal = z @ self.maps[s] + 0.3 * np.tanh(z @ self.warps[s])
            error = 0.2 * random.normal(size=(n, self.DIM))
            rows[s] = signal + hidden @ self.nuisance[s] + error + self.offsets[s]
        return rows


@pytest.fixture
def world() -> type[World]:
    """The class World: ``world(seed).draw(n, "ab", domain, seed)``."""
    return World


@pytest.fixture
def chain(truth: type[Truth]) -> tuple[Truth, dict[str, dict[str, Array]]]:
    """(truth, rows of a chain a-b, b-c), 600 rows each."""
    model = truth(0, {"a": 8, "b": 7, "c": 6}, rank=3, reliability=0.8)
    return model, {"d1": model.draw(600, ["a", "b"], 1), "d2": model.draw(600, ["b", "c"], 2)}
