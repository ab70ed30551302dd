"""mox: the properties of BrokenBind's multi-extrapolation (arXiv:2602.06451) on whole data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import DataError, NoPathError, SelectionError
from anybind.fit_data import FitData
from anybind.methods.mox_closed_form import MoxClosedForm
from anybind.methods.ridge_chain import RidgeChain

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]
LITERAL = MoxClosedForm(transition="pinv", head_ridge=0.0)


def noisy(seed: int, n: int, spaces: str, dim: int = 6) -> dict[str, Array]:
    """Rows of independent noise: every identity below is algebra and holds for any data."""
    random = np.random.default_rng(seed)
    return {s: np.float64(np.float32(random.normal(size=(n, dim)) + random.normal(size=dim))) for s in spaces}


def centred(rows: dict[str, Array]) -> dict[str, Array]:
    return {s: x - x.mean(0) for s, x in rows.items()}


def test_the_map_is_that_of_equation_8(fit_data: Make) -> None:
    """c~1 = B1 B2^+ C2 for data set 1, and the head is A1's regression on it: A1^+ B1 B2^+ C2."""
    first, second = noisy(0, 30, "ab"), noisy(1, 25, "bc")
    tensors = LITERAL.fit(fit_data({"d1": first, "d2": second})).tensors()
    a1, b1 = (centred(first)[s] for s in "ab")
    b2, c2 = (centred(second)[s] for s in "bc")
    pinv = np.linalg.pinv
    np.testing.assert_allclose(tensors["a/to/c"], pinv(a1) @ b1 @ pinv(b2) @ c2, atol=1e-6)
    np.testing.assert_allclose(tensors["c/to/a"], pinv(c2) @ b2 @ pinv(b1) @ a1, atol=1e-6)


def test_the_pseudo_embeddings_read_by_columns_are_the_same_transposed(fit_data: Make) -> None:
    """Eq. 7 with samples as columns, C2' (B2')^+ B1', is Eq. 8 with samples as rows, transposed."""
    first, second = noisy(2, 30, "ab"), noisy(3, 25, "bc")
    b1 = centred(first)["b"]
    b2, c2 = (centred(second)[s] for s in "bc")
    pseudo = b1 @ LITERAL.fit(fit_data({"d1": first, "d2": second})).tensors()["b/to/c"].numpy()
    np.testing.assert_allclose(pseudo.T, c2.T @ np.linalg.pinv(b2.T) @ b1.T, atol=1e-6)


def test_a_chain_is_the_product_of_its_hops(fit_data: Make) -> None:
    """Eq. 21: c~1 = A1 (A2)^+ B2 (B3)^+ C3, here with a head in front."""
    rows = {"d1": noisy(4, 30, "ab"), "d2": noisy(5, 25, "bc"), "d3": noisy(6, 40, "cd")}
    tensors = LITERAL.fit(fit_data(rows)).tensors()
    factors = [
        np.linalg.pinv(centred(rows[d])[p]) @ centred(rows[d])[q]
        for d, p, q in (("d1", *"ab"), ("d2", *"bc"), ("d3", *"cd"))
    ]
    np.testing.assert_allclose(tensors["a/to/d"], factors[0] @ factors[1] @ factors[2], atol=1e-5)
    np.testing.assert_allclose(tensors["b/to/d"], factors[1] @ factors[2], atol=1e-5)


@pytest.mark.parametrize("method", [LITERAL, MoxClosedForm()], ids=["pinv", "auto"])
def test_the_order_of_rows_does_not_matter(fit_data: Make, method: MoxClosedForm) -> None:
    first, second = noisy(7, 60, "ab"), noisy(8, 60, "bc")
    order = np.random.default_rng(0).permutation(60)
    ids = [f"x{i}" for i in range(60)]
    shuffled = {s: x[order] for s, x in second.items()}
    before = method.fit(fit_data({"d1": first, "d2": second}, ids={"d2": ids}))
    after = method.fit(fit_data({"d1": first, "d2": shuffled}, ids={"d2": [ids[i] for i in order]}))
    assert before.chosen == after.chosen
    for name, tensor in before.tensors().items():
        torch.testing.assert_close(after.tensors()[name], tensor, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    "method",
    [
        LITERAL,
        MoxClosedForm(transition_strength=1e-9, head_ridge=1e-9),
        MoxClosedForm(transition="rank", transition_strength=6, head_ridge=0.0),
    ],
)
def test_recovers_exactly_where_the_target_is_linear_in_the_pivot(
    fit_data: Make, tensor: Tensor, plain_mrr: MRR, method: MoxClosedForm
) -> None:
    random = np.random.default_rng(0)
    to_pivot, to_target = random.normal(size=(6, 6)), random.normal(size=(6, 9))
    a, b = random.normal(size=(12, 6)), 3 + random.normal(size=(8, 6))
    data = fit_data({"d1": {"a": a, "b": a @ to_pivot}, "d2": {"b": b, "c": b @ to_target}})
    fitted = method.fit(data)
    np.testing.assert_allclose(fitted.tensors()["a/to/c"], to_pivot @ to_target, atol=1e-3)
    test = random.normal(size=(60, 6))
    target = test @ to_pivot @ to_target
    # both data sets' means differ, so compare with rows that have the means the binder has learned
    scores = fitted.score("a", tensor(test - test.mean(0) + a.mean(0)),
                          "c", tensor(target - target.mean(0) + (b @ to_target).mean(0)))  # fmt: skip
    assert plain_mrr(scores) == 1


def trap(fit_data: Make, tensor: Tensor, plain_mrr: MRR, method: MoxClosedForm, n: int, seed: int) -> float:
    """MRR a -> c with n rows of (b, c) in 32 dims, 12 of them signal; (a, b) has 400 rows.

    By cosine in c's space: a score also counts the way back, whose transition was measured in the 400 rows.
    """
    random = np.random.default_rng(seed)
    maps = {s: random.normal(size=(12, 32)) for s in "abc"}

    def draw(count: int, spaces: str) -> dict[str, Array]:
        z = random.normal(size=(count, 12))
        return {s: z @ maps[s] + random.normal(size=(count, 32)) for s in spaces}

    fitted = method.fit(fit_data({"d1": draw(400, "ab"), "d2": draw(n, "bc")}), targets=[("a", "c")])
    test = draw(200, "ac")
    return plain_mrr(fitted.embed("a", tensor(test["a"])) @ fitted.embed("c", tensor(test["c"])).T)


def test_plain_pinv_fails_where_rows_are_as_many_as_dims_and_ridge_does_not(
    fit_data: Make, tensor: Tensor, plain_mrr: MRR
) -> None:
    methods = {
        "pinv": MoxClosedForm(transition="pinv", head_ridge=0.1),
        "ridge": MoxClosedForm(transition_strength=0.1, head_ridge=0.1),
        "rank": MoxClosedForm(transition="rank", transition_strength=12, head_ridge=0.1),
    }
    mrr = {
        (name, n): np.mean([trap(fit_data, tensor, plain_mrr, method, n, seed) for seed in range(3)])
        for name, method in methods.items()
        for n in (16, 33, 200)
    }
    assert mrr["pinv", 33] < 0.5 * mrr["pinv", 16]  # more rows, and worse
    assert mrr["pinv", 33] < 0.5 * mrr["pinv", 200]
    for name in ("ridge", "rank"):
        assert mrr[name, 16] < mrr[name, 33] < mrr[name, 200]
        assert mrr[name, 33] > 2 * mrr["pinv", 33]


def test_the_trap_is_avoided_by_default(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    chosen, literal = (
        np.mean([trap(fit_data, tensor, plain_mrr, method, 33, seed) for seed in range(3)])
        for method in (MoxClosedForm(), MoxClosedForm(transition="pinv"))
    )
    assert chosen > 2 * literal


def test_rank_cut_keeps_the_leading_directions(fit_data: Make) -> None:
    first, second = noisy(9, 60, "ab"), noisy(10, 50, "bc")
    method = MoxClosedForm(transition="rank", transition_strength=2, head_ridge=0.0)
    fitted = method.fit(fit_data({"d1": first, "d2": second}))
    a1, b1 = (centred(first)[s] for s in "ab")
    b2, c2 = (centred(second)[s] for s in "bc")
    u, s, vt = np.linalg.svd(b2, full_matrices=False)
    cut = vt[:2].T @ np.diag(1 / s[:2]) @ u[:, :2].T
    np.testing.assert_allclose(fitted.tensors()["a/to/c"], np.linalg.pinv(a1) @ b1 @ cut @ c2, atol=1e-6)


def test_direct_pairs_are_ridge_regressions(fit_data: Make) -> None:
    data = fit_data({"d1": noisy(11, 60, "ab"), "d2": noisy(12, 60, "bc")})
    tensors = MoxClosedForm(transition="pinv", head_ridge=0.3).fit(data).tensors()
    expected = RidgeChain(ridge=0.3).fit(data).tensors()
    for name in ("a/to/b", "b/to/a", "b/to/c", "c/to/b"):
        torch.testing.assert_close(tensors[name], expected[name])


def test_chosen_strengths_are_told(fit_data: Make) -> None:
    fitted = MoxClosedForm().fit(fit_data({"d1": noisy(13, 60, "ab"), "d2": noisy(14, 60, "bc")}))
    assert fitted.chosen is not None
    assert fitted.chosen.keys() == {
        *(f"head {a} to {b}" for a in "abc" for b in "abc" if a != b),
        "transition b to c", "transition b to a",
    }  # fmt: skip


@pytest.mark.parametrize("transition", ["ridge", "rank", "pinv"])
def test_restored_from_json_and_tensors_exactly(fit_data: Make, tensor: Tensor, transition: str) -> None:
    first, second = noisy(15, 60, "ab"), noisy(16, 60, "bc")
    fitted = MoxClosedForm(transition=transition).fit(fit_data({"d1": first, "d2": second}), targets=[("a", "c")])
    restored = MoxClosedForm.restore(json.loads(json.dumps(fitted.config())), fitted.tensors())
    assert restored.config() == fitted.config()
    a, c = tensor(first["a"]), tensor(second["c"])
    assert torch.equal(restored.score("a", a, "c", c), fitted.score("a", a, "c", c))
    assert torch.equal(restored.embed("a", a), fitted.embed("a", a))


def test_scores_do_not_depend_on_which_space_comes_first(fit_data: Make, tensor: Tensor) -> None:
    first, second = noisy(17, 60, "ab"), noisy(18, 60, "bc")
    fitted = LITERAL.fit(fit_data({"d1": first, "d2": second}))
    a, c = tensor(first["a"]), tensor(second["c"][:9])
    torch.testing.assert_close(fitted.score("c", c, "a", a), fitted.score("a", a, "c", c).T)


@pytest.mark.parametrize("method", [LITERAL, MoxClosedForm(transition_strength=0.1, head_ridge=0.1)])
def test_two_rows_per_data_set_with_given_options(fit_data: Make, method: MoxClosedForm) -> None:
    data = fit_data({"d1": noisy(0, 2, "ab"), "d2": noisy(1, 2, "bc")})
    assert torch.isfinite(method.fit(data).score("a", torch.randn(3, 6), "c", torch.randn(2, 6))).all()
    with pytest.raises(SelectionError, match="too few"):
        MoxClosedForm().fit(data)


def test_refusals(fit_data: Make) -> None:
    constant = {"a": np.ones((60, 6)), "b": noisy(0, 60, "b")["b"]}
    with pytest.raises(DataError, match="does not vary"):
        LITERAL.fit(fit_data({"d1": constant, "d2": noisy(1, 60, "bc")}))
    with pytest.raises(NoPathError):
        LITERAL.fit(fit_data({"d1": noisy(0, 60, "a"), "d2": noisy(1, 60, "b")}))
    fitted = LITERAL.fit(fit_data({"d1": noisy(0, 60, "ab"), "d2": noisy(1, 60, "cd")}))
    with pytest.raises(NoPathError):
        fitted.score("a", torch.ones(2, 6), "c", torch.ones(2, 6))
