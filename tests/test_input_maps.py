"""Input maps: unit length at any scale, the order of their steps, reading vectors back, and strict loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anybind.errors import ArtifactError, UsageError
from anybind.features import FeatureOptions, NystroemMap, feature_map
from anybind.input_maps import InputMap


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


# -------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1.0, 1e25, 1e37])
def test_unit_length_at_any_scale(scale: float) -> None:
    rows = torch.tensor([[3.0, -4.0], [0.6, 0.8], [0.0, 2.0]]) * scale
    expected = torch.tensor([[0.6, -0.8], [0.6, 0.8], [0.0, 1.0]])
    torch.testing.assert_close(InputMap(True)(rows), expected, rtol=1e-5, atol=1e-6)


def test_a_row_of_zeros_stays_zero_and_projection_comes_last() -> None:
    rows = torch.tensor([[0.0, 0.0], [0.0, 5.0]])
    assert InputMap(True)(rows).tolist() == [[0.0, 0.0], [0.0, 1.0]]
    projection = torch.tensor([[1.0], [2.0]])
    assert InputMap(True, projection=projection)(rows.double()).tolist() == [[0.0], [2.0]]
    assert InputMap(False, projection=projection)(rows).tolist() == [[0.0], [10.0]]
    assert rows.tolist() == [[0.0, 0.0], [0.0, 5.0]]


# ------------------------------------------------------------------------------------ kernel features


def kernel_features(seed: int = 0, rows: int = 9, dims: int = 384) -> NystroemMap:
    features = feature_map(normal(seed, rows, 4), FeatureOptions(dims=dims), 0)
    assert isinstance(features, NystroemMap)
    return features


def test_features_come_after_the_length_and_before_the_projection() -> None:
    features, rows = kernel_features(), normal(1, 5, 4)
    unit = torch.nn.functional.normalize(rows, dim=1)
    torch.testing.assert_close(InputMap(True, features)(rows), features(unit))
    projection = normal(2, features.width, 3)
    torch.testing.assert_close(InputMap(True, features, projection)(rows), features(unit) @ projection)


def test_vectors_are_read_back_from_their_features() -> None:
    """Of rows like the landmarks; the variance says how far off the reading is."""
    features, rows = kernel_features(rows=400), normal(1, 300, 4)
    mean, variance = InputMap(False, features).inverse(features(rows), torch.zeros(300, features.width))
    error = (mean - rows).square().mean(0)
    assert (error < 0.2).all()
    assert (error > 0.2 * variance[0]).all()
    assert (error < 5 * variance[0]).all()
    _, more = InputMap(False, features).inverse(features(rows), torch.ones(300, features.width))
    assert (more > variance).all()


def test_plain_vectors_are_their_own_inverse() -> None:
    rows, spread = normal(0, 5, 4), normal(1, 5, 4).abs()
    mean, variance = InputMap(False).inverse(rows, spread)
    assert torch.equal(mean, rows)
    assert torch.equal(variance, spread)


def test_the_variance_of_a_row_of_unit_length_is_what_its_expectation_leaves() -> None:
    """Of directions round a mean one, the mean of all is shorter the wider they are spread: E|x - m|^2 = 1 - |m|^2."""
    generator = torch.Generator().manual_seed(0)
    for spread in (0.1, 0.5, 1.0):
        drawn = torch.randn(20_000, 4, generator=generator) * spread + torch.tensor([1.0, 0, 0, 0])
        unit = torch.nn.functional.normalize(drawn, dim=1)
        mean, variance = InputMap(True).inverse(unit.mean(0, keepdim=True), torch.full((1, 4), 7.0))
        assert float(variance.sum()) == pytest.approx(float((unit - mean).square().sum(1).mean()), rel=1e-3)
    _, variance = InputMap(True).inverse(torch.tensor([[2.0, 0], [0.6, 0]]), torch.tensor([[1.0, 3.0], [0.0, 0.0]]))
    assert (variance[0] > 0).all()
    assert variance[0, 1] == pytest.approx(3 * variance[0, 0].item())
    assert not variance[1].any()


@pytest.mark.parametrize("kind", ["projected", "random"])
def test_what_cannot_be_read_back_says_so(kind: str) -> None:
    random = feature_map(normal(0, 9, 4), FeatureOptions("fourier", dims=6), 0)
    inputs = InputMap(True, random) if kind == "random" else InputMap(True, projection=normal(0, 4, 2))
    with pytest.raises(UsageError, match="cannot be told"):
        inputs.inverse(torch.zeros(1, 6), torch.zeros(1, 6))


# ------------------------------------------------------------------------------------------- loading


def whole_map() -> InputMap:
    features = kernel_features()
    return InputMap(True, features, normal(1, features.width, 3))


@pytest.mark.parametrize(
    "made",
    [InputMap(True), InputMap(False, projection=normal(0, 4, 2)), whole_map()],
    ids=["plain", "narrow", "all"],
)
def test_a_restored_map_gives_the_same_bits(made: InputMap) -> None:
    restored = InputMap.restore(made.normalise, 4, made.tensors(), "image")
    rows = normal(5, 6, 4)
    assert torch.equal(restored(rows), made(rows))
    assert restored.width(4) == made.width(4) == made(rows).shape[1]
    assert restored.tensors().keys() == made.tensors().keys()


@pytest.mark.parametrize(
    "change",
    [
        {"landmarks": None},
        {"root": None},
        {"gamma": None},
        {"landmarks": normal(0, 9, 5)},
        {"landmarks": normal(0, 8, 4)},
        {"landmarks": normal(0, 4)},
        {"root": normal(0, 9)},
        {"gamma": torch.tensor([0.0], dtype=torch.float64)},
        {"gamma": torch.tensor(1.0, dtype=torch.float64)},
        {"gamma": torch.ones(2, dtype=torch.float64)},
        {"projection": normal(0, 4, 3)},
        {"projection": normal(0, 9)},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, torch.Tensor | None]) -> None:
    parts = {**whole_map().tensors(), **change}
    with pytest.raises(ArtifactError, match="fit") as caught:
        InputMap.restore(True, 4, {name: part for name, part in parts.items() if part is not None}, "image")
    assert caught.value.where == "space 'image'"
