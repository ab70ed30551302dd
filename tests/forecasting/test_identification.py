"""The range of what two edges leave open, against every Gaussian that agrees with both."""

import pytest
import torch

from anybind.forecasting.composing import PivotRows, composed_separation
from anybind.forecasting.identification import identified_mean, open_separation
from anybind.methods.linalg import matrix_root


def random_gaussian(seed, dims=(4, 3, 5)):
    random = torch.Generator().manual_seed(seed)
    total = sum(dims)
    factor = torch.randn(total, total + 2, generator=random, dtype=torch.float64)
    whole = factor @ factor.T / total
    a, b, c = (slice(0, dims[0]), slice(dims[0], dims[0] + dims[1]), slice(dims[0] + dims[1], total))
    weights = torch.randn(dims[0], dims[2], generator=random, dtype=torch.float64)
    return whole, a, b, c, weights


@pytest.mark.parametrize("seed", range(4))
def test_every_gaussian_that_agrees_with_the_edges_is_in_the_range_and_its_ends_are_reached(seed):
    whole, a, b, c, weights = random_gaussian(seed)
    low, high = identified_mean(weights, whole[a, b], whole[b, c], whole[a, a], whole[b, b], whole[c, c])
    onto = torch.linalg.inv(whole[b, b])
    middle = whole[a, b] @ onto @ whole[b, c]
    left = matrix_root(whole[a, a] - whole[a, b] @ onto @ whole[b, a])
    right = matrix_root(whole[c, c] - whole[c, b] @ onto @ whole[b, c])
    assert low <= float((weights * whole[a, c]).sum()) <= high
    random = torch.Generator().manual_seed(100 + seed)
    for _ in range(200):
        draw = torch.randn(4, 5, generator=random, dtype=torch.float64)
        cross = middle + left @ (draw / torch.linalg.matrix_norm(draw, ord=2)) @ right
        model = whole.clone()
        model[a, c], model[c, a] = cross, cross.T
        assert float(torch.linalg.eigvalsh(model).min()) > -1e-9  # a Gaussian it is
        assert low - 1e-9 <= float((weights * cross).sum()) <= high + 1e-9
    u, _, vt = torch.linalg.svd(left @ weights @ right, full_matrices=False)
    assert float((weights * (middle + left @ u @ vt @ right)).sum()) == pytest.approx(high)
    assert float((weights * (middle - left @ u @ vt @ right)).sum()) == pytest.approx(low)


def test_one_dimension_is_the_known_interval():
    def one(x):
        return torch.tensor([[x]], dtype=torch.float64)

    low, high = identified_mean(one(1.0), one(0.8), one(0.6), one(1.0), one(1.0), one(1.0))
    assert (low, high) == (pytest.approx(0.48 - 0.48), pytest.approx(0.48 + 0.48))


def test_rows_give_the_composed_mean_and_the_reach_of_their_covariances():
    whole, a, b, c, weights = random_gaussian(9)
    root = torch.linalg.cholesky(whole)
    random = torch.Generator().manual_seed(10)
    first, second = (torch.randn(1500, len(whole), generator=random, dtype=torch.float64) @ root.T for _ in range(2))
    scores = first[:, a] @ weights @ second[:, c].T
    pivots = [PivotRows(first[:, b], second[:, b], (whole[b, b], whole[b, b]))]
    scale = float(scores.std())
    low, high = identified_mean(weights, whole[a, b], whole[b, c], whole[a, a], whole[b, b], whole[c, c])
    assert composed_separation(scores, pivots).value == pytest.approx((low + high) / 2 / scale, abs=0.15)
    reach = open_separation(scores, first[:, b], second[:, b])
    assert reach == pytest.approx((high - low) / 2 / scale, rel=0.2)
