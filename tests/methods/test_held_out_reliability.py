"""held_out_reliability: shares of a loop are exact, of a chain they multiply to what was seen; noise earns nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.held_out_reliability import (
    evidence_weights,
    held_out_agreement,
    shared_out,
    signal_over_noise,
    whole_correlation,
)

Make = Callable[..., FitData]


def test_a_loop_tells_every_space_exactly() -> None:
    truth = {"a": 0.9, "b": 0.3, "c": 0.6, "d": 0.8}
    found = shared_out({(x, y): truth[x] * truth[y] for x, y in combinations(truth, 2)})
    assert found == pytest.approx(truth)


def test_a_chain_keeps_every_hop_and_makes_the_ends_of_its_best_hop_alike() -> None:
    agreement = {("a", "b"): 0.3, ("b", "c"): 0.64, ("c", "d"): 0.4}
    found = shared_out(agreement)
    assert found["b"] == pytest.approx(0.8)
    assert found["c"] == pytest.approx(0.8)
    for (a, b), q in agreement.items():
        assert found[a] * found[b] == pytest.approx(q)


def test_the_order_of_the_hops_does_not_matter() -> None:
    hops = [(("a", "b"), 0.9), (("c", "d"), 0.8), (("b", "c"), 0.2), (("a", "c"), 0.3)]
    assert shared_out(dict(hops)) == pytest.approx(shared_out(dict(reversed(hops))))


def test_no_share_is_above_one_whatever_was_seen() -> None:
    found = shared_out({("a", "b"): 0.9, ("b", "c"): 0.2, ("a", "c"): 0.9, ("c", "d"): 1.0})
    assert all(0 < value <= 1 for value in found.values())
    assert shared_out({}) == {}


def test_whole_correlation_is_that_of_all_numbers_after_centring() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 50, 4)) + 3
    expected = np.corrcoef((a - a.mean(0)).ravel(), (b - b.mean(0)).ravel())[0, 1]
    assert whole_correlation(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected)
    assert whole_correlation(torch.tensor(a), torch.tensor(7 * a - 2)) == pytest.approx(1)
    assert whole_correlation(torch.ones(5, 2), torch.tensor(a[:5, :2])) == 0


def test_precision_is_signal_over_noise_and_weights_are_beside_the_best() -> None:
    assert signal_over_noise(0.6) == pytest.approx(0.36 / 0.64)
    assert signal_over_noise(1.0) < 1e4
    weights = evidence_weights({"a": 0.8, "b": 0.5}, ["a", "b"])
    assert weights == pytest.approx([1, (0.5 / 0.75) / (0.8 / 0.36)])
    assert evidence_weights({"a": 1.0}, ["a"]) == [1]


def regressed(data: FitData) -> torch.Tensor:
    """(d_a, d_b) least squares, which takes noise for signal where rows are few."""
    (group,) = data.moments.groups()
    return torch.linalg.solve(group.block("a", "a"), group.block("a", "b"))


def mapped(matrix: torch.Tensor, space: str, rows: torch.Tensor) -> torch.Tensor:
    return rows.double() @ matrix if space == "a" else rows.double()


def test_held_out_rows_are_not_fooled_by_a_fit_to_noise(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d": {"a": random.normal(size=(150, 60)), "b": random.normal(size=(150, 10))}})
    sample = data.samples["d"].vectors
    in_sample = whole_correlation(mapped(regressed(data), "a", sample["a"]), sample["b"])
    assert in_sample > 0.5
    assert held_out_agreement(data, regressed, mapped)["a", "b"] < 0.1


def test_held_out_agreement_is_what_new_rows_show(fit_data: Make, truth: Any) -> None:
    world = truth(0, {"a": 8, "b": 8}, rank=3, reliability=0.8)
    data, new = fit_data({"d": world.draw(800, ["a", "b"], 0)}), world.draw(4000, ["a", "b"], 1)
    expected = whole_correlation(mapped(regressed(data), "a", torch.tensor(new["a"])), torch.tensor(new["b"]))
    assert held_out_agreement(data, regressed, mapped)["a", "b"] == pytest.approx(expected, abs=0.04)
    share = held_out_agreement(data, regressed, mapped, lambda fitted, pair: expected)
    assert share["a", "b"] == pytest.approx(1, abs=0.06)


def test_too_few_rows_are_refused(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    data = fit_data({"d": {"a": random.normal(size=(12, 3)), "b": random.normal(size=(12, 3))}})
    with pytest.raises(SelectionError):
        held_out_agreement(data, regressed, mapped)
