"""noise: the likeliest covariance of each shape, and shrinkage as pseudo-rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anybind.methods.noise import NOISE_SHAPES, shaped, shrunk


@pytest.mark.parametrize("shape", NOISE_SHAPES)
def test_no_covariance_of_the_shape_is_likelier(shape: str) -> None:
    random = np.random.default_rng(0)
    rows = torch.tensor(random.normal(size=(50, 4)) @ (2 * np.eye(4) + 0.5 * random.normal(size=(4, 4))))
    second = rows.T @ rows / 50

    def likelihood(covariance: torch.Tensor) -> float:
        return -float(torch.logdet(covariance) + torch.linalg.solve(covariance, second).trace())

    best = shaped(second, shape)
    torch.testing.assert_close(best.trace(), second.trace())
    for _ in range(50):
        step = torch.tensor(0.05 * random.normal(size=(4, 4)))
        other = shaped(best + step + step.T, shape)
        assert likelihood(other) <= likelihood(best) + 1e-12


def test_shapes_are_what_they_say() -> None:
    full = torch.tensor([[2.0, 1.0], [1.0, 4.0]])
    assert shaped(full, "full").tolist() == full.tolist()
    assert shaped(full, "diagonal").tolist() == [[2, 0], [0, 4]]
    assert shaped(full, "isotropic").tolist() == [[3, 0], [0, 3]]


def test_shrunk_adds_isotropic_pseudo_rows() -> None:
    rows = torch.tensor(np.random.default_rng(0).normal(size=(10, 3)))
    covariance = rows.T @ rows / 10
    # pseudo-rows of the mean variance along each axis, spread evenly over the axes
    pseudo = torch.eye(3, dtype=torch.float64) * (3 * covariance.trace() / 3).sqrt()
    expected = (rows.T @ rows + 2 * pseudo.T @ pseudo / 3) / 12
    torch.testing.assert_close(shrunk(covariance, 10, 2), expected)
    torch.testing.assert_close(shrunk(covariance, 10, 0), covariance)
