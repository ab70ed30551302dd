"""The plane of a map is that of the principal components."""

import pytest
import torch
from sklearn.decomposition import PCA

from anybind.report.plane import joint_plane


def test_the_plane_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(40, 6, generator=generator), torch.randn(40, 6, generator=generator)
    one, other, kept = joint_plane(a, b)
    rows = torch.nn.functional.normalize(torch.cat([a, b]).double(), dim=1).numpy()
    pca = PCA(2).fit(rows)
    expected = torch.tensor(pca.transform(rows)).abs()
    assert torch.allclose(torch.tensor(one + other, dtype=torch.float64).abs(), expected, atol=1e-9)
    assert kept == pytest.approx(pca.explained_variance_ratio_.sum())
    assert joint_plane(a, b)[0] == one


def test_length_does_not_count():
    a = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    one, other, _ = joint_plane(a, 7 * a)
    assert torch.allclose(torch.tensor(one), torch.tensor(other), atol=1e-6)


@pytest.mark.parametrize("rows", [torch.ones(3, 1), torch.zeros(3, 4), torch.ones(3, 5)])
def test_a_space_without_two_directions_has_a_map_too(rows):
    one, other, kept = joint_plane(rows, rows)
    assert len(one) == len(other) == 3
    assert 0 <= kept <= 1
