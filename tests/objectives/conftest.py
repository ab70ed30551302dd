"""Random tuples of unit vectors, for the tests of the losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

Unit = Callable[..., torch.Tensor]


@pytest.fixture
def unit() -> Unit:
    """``unit(n, r)`` or ``unit(n, k, r)``, with ``seed=``: random float64 vectors of unit length."""

    def make(*shape: int, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(rows, dim=-1)

    return make
