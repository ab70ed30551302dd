"""CentroBind's centroids and loss: weights, holes, and the bound by the mean of pairwise losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.objectives.centroid import centroid, centroid_info_nce
from anybind.objectives.info_nce import info_nce

Unit = Callable[..., torch.Tensor]


def everywhere(rows: torch.Tensor) -> torch.Tensor:
    return torch.ones(rows.shape[:2], dtype=torch.bool)


def test_the_centroid_is_the_weighted_mean_of_what_is_present(unit: Unit) -> None:
    rows = unit(4, 3, 5)
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1]], dtype=torch.bool)
    weights = np.array([1.0, 2.0, 5.0])
    anchors, valid = centroid(rows, present, torch.tensor(weights))
    assert valid.tolist() == [True, True, False, True]
    for i in (0, 1, 3):
        shown = present[i].numpy()
        wanted = np.average(rows[i].numpy()[shown], axis=0, weights=weights[shown])
        np.testing.assert_allclose(anchors[i], wanted)


def test_leaving_one_out_leaves_the_others(unit: Unit) -> None:
    rows = unit(4, 3, 5)
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]], dtype=torch.bool)
    anchors, valid = centroid(rows, present, leave_out=0)
    assert valid.all()
    torch.testing.assert_close(anchors[0], rows[0, 1:].mean(0))
    torch.testing.assert_close(anchors[1], rows[1, 2])
    torch.testing.assert_close(anchors[2], rows[2, 1:].mean(0))
    torch.testing.assert_close(anchors[3], rows[3, 1])


def test_a_normalised_centroid_has_unit_length(unit: Unit) -> None:
    rows = unit(4, 3, 5)
    anchors, _ = centroid(rows, everywhere(rows), normalised=True)
    torch.testing.assert_close(anchors.norm(dim=1), torch.ones(4, dtype=torch.float64))
    plain, _ = centroid(rows, everywhere(rows))
    assert (plain.norm(dim=1) < 0.99).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(2, 5), n=st.integers(2, 12), scale=st.floats(0.1, 30))
@pytest.mark.parametrize("symmetric", [True, False])
def test_an_unnormalised_centroid_costs_at_most_the_mean_pair(
    symmetric: bool, seed: int, k: int, n: int, scale: float
) -> None:
    """<z, mean of z'> is the mean of <z, z'> and log-sum-exp is convex: so is the loss, in both directions."""
    generator = torch.Generator().manual_seed(seed)
    rows, views = torch.nn.functional.normalize(torch.randn(2, n, k, 6, generator=generator), dim=-1)
    loss = centroid_info_nce(rows, everywhere(rows), scale, anchor_vectors=views, symmetric=symmetric)
    pairs = [info_nce(rows[:, i], views[:, j], scale, symmetric=symmetric) for i in range(k) for j in range(k)]
    assert float(loss) <= float(torch.stack(pairs).mean()) + 1e-4
    without = centroid_info_nce(rows, everywhere(rows), scale, leave_one_out=True, symmetric=symmetric)
    others = [
        info_nce(rows[:, i], rows[:, j], scale, symmetric=symmetric) for i in range(k) for j in range(k) if i != j
    ]
    assert float(without) <= float(torch.stack(others).mean()) + 1e-4


def test_normalising_the_centroid_breaks_the_bound(unit: Unit) -> None:
    """Orthogonal views that are all wrong: the mean is short, and normalising it makes the wrong more certain."""
    rows = torch.eye(4)[[0, 1]][:, None].expand(2, 2, 4)
    wrong = torch.eye(4)[torch.tensor([[1, 2], [0, 3]])]
    loss = centroid_info_nce(rows, everywhere(rows), 5.0, anchor_vectors=wrong, normalised=True)
    plain = centroid_info_nce(rows, everywhere(rows), 5.0, anchor_vectors=wrong)
    assert float(loss) > float(plain)
    pairs = [info_nce(rows[:, i], wrong[:, j], 5.0) for i in range(2) for j in range(2)]
    assert float(loss) > float(torch.stack(pairs).mean()) >= float(plain)


def test_with_two_spaces_leaving_one_out_is_info_nce(unit: Unit) -> None:
    rows = unit(6, 2, 5)
    wanted = info_nce(rows[:, 0], rows[:, 1], 5.0)
    torch.testing.assert_close(centroid_info_nce(rows, everywhere(rows), 5.0, leave_one_out=True), wanted)


def test_with_holes_each_space_meets_the_rows_that_show_it(unit: Unit) -> None:
    rows, present = unit(8, 3, 5), torch.ones(8, 3, dtype=torch.bool)
    present[:3, 2] = False
    present[3, :2] = False  # a row that shows one space only
    anchors, _ = centroid(rows, present, leave_out=0)
    kept = torch.tensor([0, 1, 2, 4, 5, 6, 7])
    wanted = [info_nce(rows[kept, 0], anchors[kept], 5.0)]
    anchors, _ = centroid(rows, present, leave_out=1)
    wanted.append(info_nce(rows[kept, 1], anchors[kept], 5.0))
    anchors, _ = centroid(rows, present, leave_out=2)
    wanted.append(info_nce(rows[4:, 2], anchors[4:], 5.0))
    loss = centroid_info_nce(rows, present, 5.0, leave_one_out=True)
    torch.testing.assert_close(loss, torch.stack(wanted).mean())


def test_every_space_has_its_own_scale(unit: Unit) -> None:
    rows = unit(6, 3, 5)
    scales = [1.0, 5.0, 20.0]
    anchors, _ = centroid(rows, everywhere(rows))
    wanted = torch.stack([info_nce(rows[:, i], anchors, scale) for i, scale in enumerate(scales)]).mean()
    torch.testing.assert_close(centroid_info_nce(rows, everywhere(rows), torch.tensor(scales)), wanted)


def test_a_detached_centroid_has_the_same_value_and_no_gradient(unit: Unit) -> None:
    rows, views = unit(6, 3, 5), unit(6, 3, 5, seed=1).requires_grad_()
    free = centroid_info_nce(rows, everywhere(rows), 5.0, anchor_vectors=views)
    leaf = rows.clone().requires_grad_()
    held = centroid_info_nce(leaf, everywhere(rows), 5.0, anchor_vectors=views, detached=True)
    torch.testing.assert_close(held, free)
    held.backward()
    assert views.grad is None
    free.backward()
    assert views.grad is not None


def test_query_weights_make_a_centroid_for_every_pair(unit: Unit) -> None:
    rows, t = unit(4, 3, 5), 0.3
    table = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            others = rows[j, 1:].numpy()
            weights = np.exp(others @ rows[i, 0].numpy() / t)
            table[i, j] = rows[i, 0].numpy() @ np.average(others, axis=0, weights=weights)
    one_way = np.mean([np.log(np.exp(6 * table[i]).sum()) - 6 * table[i, i] for i in range(4)])
    present = everywhere(rows)
    # spaces 1 and 2 are compared by the same rule; look at space 0 alone by hiding what the others match
    whole = centroid_info_nce(rows, present, torch.tensor([6.0, 0.0, 0.0]), leave_one_out=True,
                              query_temperature=t, symmetric=False)  # fmt: skip
    assert float(whole) == pytest.approx((one_way + 2 * np.log(4)) / 3)


def test_query_weights_of_a_high_temperature_are_equal(unit: Unit) -> None:
    rows = unit(5, 3, 6)
    for normalised in (False, True):
        plain = centroid_info_nce(rows, everywhere(rows), 5.0, normalised=normalised)
        hot = centroid_info_nce(rows, everywhere(rows), 5.0, query_temperature=1e6, normalised=normalised)
        torch.testing.assert_close(hot, plain, rtol=1e-4, atol=1e-5)


def test_no_usable_row_is_no_loss() -> None:
    assert float(centroid_info_nce(torch.ones(3, 2, 4), torch.tensor([[True, False]] * 3), 5.0)) == 0
