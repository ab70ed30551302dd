"""Data with and without the defects that a diagnosis looks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from anybind.array_input import array_source
from anybind.diagnosis.sampling import SampledRows, sample_rows


@pytest.fixture(scope="session")
def views() -> Callable[..., dict[str, np.ndarray]]:
    """Rows of two views of one hidden item; ``shift`` moves the items, ``seed`` draws others."""

    def draw(n: int, seed: int = 0, *, dims: tuple[int, int] = (40, 30), noise: float = 1.0, shift: float = 0.0):
        mixing = np.random.default_rng(7)
        maps = [mixing.normal(size=(8, dim)) for dim in dims]
        generator = np.random.default_rng([seed, 11])
        hidden = generator.normal(size=(n, 8)) + shift
        return {name: (hidden @ m + noise * generator.normal(size=(n, m.shape[1]))).astype(np.float32)
                for name, m in zip("ab", maps, strict=True)}  # fmt: skip

    return draw


@pytest.fixture(scope="session")
def sampled() -> Callable[..., SampledRows]:
    """The sample of one data set given as arrays."""

    def sample(arrays: Mapping[str, object], name: str = "first", limit: int = 5000, **how: object) -> SampledRows:
        return sample_rows(array_source(name, arrays, **how), limit)  # type: ignore[arg-type]

    return sample


@pytest.fixture
def draws() -> Callable[..., torch.Tensor]:
    """Standard normal rows, (n, d) float64."""

    def draw(n: int, d: int, seed: int = 0) -> torch.Tensor:
        return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    return draw
