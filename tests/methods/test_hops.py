"""hops: regularised regressions against scikit-learn and numpy, routes against networkx, honest strengths."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from anybind.errors import DataError, NoPathError, SelectionError
from anybind.fit_data import FitData
from anybind.methods.hops import RANKS, RIDGES, Regression, cosine, fit_hop, hop_score, shortest_routes

Array = NDArray[np.float64]
Make = Callable[..., FitData]


def pair(seed: int, n: int, d_a: int, d_b: int, noise: float = 0.3) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    a = random.normal(size=(n, d_a)) @ random.normal(size=(d_a, d_a)) + random.normal(size=d_a)
    b = a @ random.normal(size=(d_a, d_b)) + noise * random.normal(size=(n, d_b)) + random.normal(size=d_b)
    return {"a": np.float64(np.float32(a)), "b": np.float64(np.float32(b))}


def regression(data: FitData, a: str = "a", b: str = "b") -> Regression:
    return Regression.of(data.moments.groups(), a, b)


@pytest.mark.parametrize(("n", "d_a"), [(80, 6), (20, 30), (40, 1)])
@pytest.mark.parametrize("strength", [0.01, 1.0, 10.0])
def test_ridge_is_scikit_learns(fit_data: Make, n: int, d_a: int, strength: float) -> None:
    """Our strength is relative: alpha = n * strength * mean variance of a's dims."""
    rows = pair(0, n, d_a, 4)
    alpha = n * strength * np.atleast_2d(np.cov(rows["a"].T, bias=True)).trace() / d_a
    expected = Ridge(alpha=alpha, solver="svd").fit(rows["a"], rows["b"]).coef_.T
    np.testing.assert_allclose(regression(fit_data({"d": rows})).map("ridge", strength), expected, atol=1e-8)


@pytest.mark.parametrize(("n", "d_a"), [(80, 6), (20, 30), (7, 6)])
def test_pinv_is_numpys_on_centred_rows(fit_data: Make, n: int, d_a: int) -> None:
    rows = pair(1, n, d_a, 4)
    a, b = (rows[s] - rows[s].mean(0) for s in "ab")
    expected = np.linalg.pinv(a, rcond=1e-6) @ b
    fitted = regression(fit_data({"d": rows}))
    np.testing.assert_allclose(fitted.map("pinv", 0.0), expected, atol=1e-6)
    # no ridge at all is the same thing, not a division by zero
    np.testing.assert_allclose(fitted.map("ridge", 0.0), expected, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_rank_is_principal_component_regression(fit_data: Make, rank: int) -> None:
    rows = pair(2, 80, 6, 4)
    components = PCA(rank, svd_solver="full").fit(rows["a"])
    coefficients = LinearRegression().fit(components.transform(rows["a"]), rows["b"]).coef_
    expected = components.components_.T @ coefficients.T
    np.testing.assert_allclose(regression(fit_data({"d": rows})).map("rank", rank), expected, atol=1e-8)


def test_a_rank_above_what_varies_is_the_pseudo_inverse(fit_data: Make) -> None:
    fitted = regression(fit_data({"d": pair(3, 5, 12, 4)}))
    torch.testing.assert_close(fitted.map("rank", 12), fitted.map("pinv", 0.0))


def test_data_sets_are_centred_one_by_one_and_pooled_by_rows(fit_data: Make) -> None:
    first, second = pair(4, 50, 5, 3), pair(5, 20, 5, 3)
    second = {s: x + 100 for s, x in second.items()}
    stacked = [np.concatenate([part[s] - part[s].mean(0) for part in (first, second)]) for s in "ab"]
    expected = np.linalg.lstsq(stacked[0], stacked[1], rcond=None)[0]
    fitted = regression(fit_data({"d1": first, "d2": {**second, "c": second["a"]}}))
    np.testing.assert_allclose(fitted.map("pinv", 0.0), expected, atol=1e-4)


def test_a_span_does_not_change_the_maps(fit_data: Make) -> None:
    data = fit_data({"d": pair(6, 15, 40, 4)})
    whole = regression(data)
    assert whole.span().shape == (40, 14)
    for fold in range(5):
        groups = data.moments.groups(without_fold=fold)
        for kind, strength in (("ridge", 0.1), ("pinv", 0.0), ("rank", 4)):
            torch.testing.assert_close(
                Regression.of(groups, "a", "b", whole.span()).map(kind, strength),
                Regression.of(groups, "a", "b").map(kind, strength),
                atol=1e-8, rtol=1e-6,
            )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_source_that_does_not_vary_is_an_error(fit_data: Make, seed: int) -> None:
    random = np.random.default_rng(seed)
    constant = np.repeat(random.normal(size=(1, 6)), 60, axis=0)
    data = fit_data({"d": {"a": constant, "b": random.normal(size=(60, 6))}})
    for strength in (0.1, "auto"):
        with pytest.raises(DataError, match="does not vary"):
            fit_hop(data, "a", "b", strength=strength)
    assert torch.isfinite(fit_hop(data, "b", "a", strength=0.1).matrix).all()


# ------------------------------------------------------------------------------------- choosing


@pytest.mark.parametrize("kind", ["ridge", "rank"])
def test_little_noise_needs_little_regularisation_and_much_needs_much(fit_data: Make, kind: str) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(120, 64))
    clean = fit_data({"d": {"a": z, "b": z @ random.normal(size=(64, 64)) + 0.5 * random.normal(size=(120, 64))}})
    signal = random.normal(size=(120, 4))
    up = 3 * random.normal(size=(4, 64))
    noisy = fit_data(
        {
            "d": {
                "a": signal @ up + random.normal(size=(120, 64)),
                "b": signal @ up + random.normal(size=(120, 64)),
            }
        }
    )
    gentle, strict = (fit_hop(data, "a", "b", kind=kind).strength for data in (clean, noisy))
    if kind == "ridge":
        assert gentle <= 0.03
        assert strict >= 10 * gentle
        assert {gentle, strict} <= set(RIDGES)
    else:
        assert strict == 8
        assert gentle >= 32
        assert {gentle, strict} <= set(RANKS)


def test_the_choice_only_sees_rows_that_pair_the_hop(fit_data: Make) -> None:
    """Rows of other spaces, and what they look like, make no difference."""
    rows, random = pair(7, 100, 8, 8, noise=5.0), np.random.default_rng(1)
    alone = fit_hop(fit_data({"d1": rows}), "a", "b")
    others = {"d2": {"b": 100 * random.normal(size=(80, 8)), "c": random.normal(size=(80, 8))}}
    among = fit_hop(fit_data({"d1": rows, **others, "d3": {"a": random.normal(size=(50, 8))}}), "a", "b")
    assert among.strength == alone.strength
    assert torch.equal(among.matrix, alone.matrix)


def test_narrow_spaces_can_choose_a_rank(fit_data: Make) -> None:
    assert fit_hop(fit_data({"d": pair(8, 100, 3, 4)}), "a", "b", kind="rank").strength == 3


def test_given_strengths_are_kept_and_need_no_sample(fit_data: Make) -> None:
    data = fit_data({"d": pair(9, 6, 3, 4)})
    assert fit_hop(data, "a", "b", strength=0.7).strength == 0.7
    assert fit_hop(data, "a", "b", kind="pinv").strength == 0
    with pytest.raises(SelectionError):
        fit_hop(data, "a", "b")


def test_a_hop_that_no_data_set_holds_is_an_error(fit_data: Make) -> None:
    data = fit_data({"d1": pair(0, 30, 3, 3), "d2": {"c": np.eye(3)}})
    with pytest.raises(NoPathError) as error:
        fit_hop(data, "a", "c")
    assert "'a'" in str(error.value.where)
    assert "'c'" in str(error.value.where)


def test_a_target_map_changes_what_is_regressed_on(fit_data: Make) -> None:
    """Least squares is linear in its targets: regressing on B T is regressing on B, then T."""
    rows, target = pair(10, 90, 5, 4), np.random.default_rng(0).normal(size=(4, 3))
    hop = fit_hop(fit_data({"d": rows}), "a", "b", strength=0.2, target_map=torch.tensor(target))
    alpha = 90 * 0.2 * np.cov(rows["a"].T, bias=True).trace() / 5
    expected = Ridge(alpha=alpha, solver="svd").fit(rows["a"], rows["b"] @ target).coef_.T
    np.testing.assert_allclose(hop.matrix, expected, atol=1e-6)


def test_hop_score_is_the_same_table_from_either_side() -> None:
    random = np.random.default_rng(0)
    matrix, target = torch.tensor(random.normal(size=(5, 4))), torch.tensor(random.normal(size=(4, 3)))
    a, b = torch.tensor(random.normal(size=(6, 5))), torch.tensor(random.normal(size=(7, 4)))
    for goal, mapped in ((None, (a @ matrix, b)), (target, (a @ matrix @ target, b @ target))):
        score = hop_score(matrix, "a", goal)
        torch.testing.assert_close(score("a", a, "b", b), torch.cosine_similarity(mapped[0][:, None], mapped[1], dim=2))
        assert torch.equal(score("b", b, "a", a), score("a", a, "b", b).T)


def test_cosine_of_tiny_and_of_zero_rows() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [4.0, -3.0]], dtype=torch.float64)
    expected = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(cosine(rows, rows), expected)
    torch.testing.assert_close(cosine(1e-30 * rows, 1e-30 * rows), expected)


# ------------------------------------------------------------------------------------- routes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    edges=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] != e[1]),
        min_size=1,
        max_size=14,
    ),
    goal=st.integers(0, 7),
)
def test_routes_are_the_shortest_and_ties_go_by_name_from_the_goal(edges: list[tuple[int, int]], goal: int) -> None:
    named = [(f"d{i}", f"s{a}", f"s{b}") for i, (a, b) in enumerate(edges)]
    graph = nx.Graph([(a, b) for _, a, b in named])
    graph.add_node(f"s{goal}")
    routes = shortest_routes(named, f"s{goal}")
    assert routes.keys() == nx.node_connected_component(graph, f"s{goal}")
    for start, route in routes.items():
        shortest = nx.all_shortest_paths(graph, start, f"s{goal}")
        assert list(route) == min(shortest, key=lambda nodes: nodes[::-1])
    assert shortest_routes(named[::-1], f"s{goal}") == routes


def test_parallel_edges_are_one_hop() -> None:
    edges = [("d1", "a", "b"), ("d2", "a", "b"), ("d3", "b", "c")]
    assert shortest_routes(edges, "c") == {"c": ("c",), "b": ("b", "c"), "a": ("a", "b", "c")}
    assert all(len(set(route)) == len(route) for route in shortest_routes(edges, "a").values())
    assert all(set(hop) in ({"a", "b"}, {"b", "c"}) for r in shortest_routes(edges, "c").values()
               for hop in itertools.pairwise(r))  # fmt: skip


def test_a_goal_without_edges_is_reached_from_itself_only() -> None:
    routes: Any = shortest_routes([("d1", "a", "b")], "z")
    assert routes == {"z": ("z",)}
