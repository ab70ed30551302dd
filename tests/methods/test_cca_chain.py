"""cca-chain: scikit-learn's CCA, exact chains, and pivots whose unreliability must be divided out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA

from anybind.fit_data import FitData
from anybind.methods.cca_chain import CCAChain, reliable_product

Array = NDArray[np.float64]
Make = Callable[..., FitData]
Tensor = Callable[[Array], torch.Tensor]
MRR = Callable[[Any], float]


def exact_rows(seed: int, n: int, covariance: Array) -> Array:
    """n rows whose sample covariance and mean are exactly the given one and zero."""
    rows = np.random.default_rng(seed).normal(size=(n, len(covariance)))
    rows -= rows.mean(0)
    white = rows @ np.linalg.inv(np.linalg.cholesky(rows.T @ rows / n)).T
    result: Array = white @ np.linalg.cholesky(covariance).T
    return result


class Reliable:
    """Spaces of r dims, each direction showing its own latent with a given reliability, then turned."""

    def __init__(self, seed: int, reliability: Mapping[str, Array]) -> None:
        random = np.random.default_rng(seed)
        self.reliability = reliability
        self.turns = {s: np.linalg.qr(random.normal(size=(len(r), len(r))))[0] for s, r in reliability.items()}

    def draw(self, n: int, spaces: str, seed: int) -> dict[str, Array]:
        """Rows with exactly the model's covariance."""
        roots = [np.diag(np.sqrt(self.reliability[s])) for s in spaces]
        joint = np.block([[np.eye(len(x)) if x is y else x @ y for y in roots] for x in roots])
        rows = np.split(exact_rows(seed, n, joint), len(spaces), axis=1)
        return {s: x @ self.turns[s] for s, x in zip(spaces, rows, strict=True)}


def correlations(method: CCAChain) -> Array:
    """Of the pair a, c: with power 2 over two hops and nothing shrunk, the length of each direction on white rows."""
    lengths: Array = np.linalg.norm(method.tensors()["a/to/a~c"].numpy(), axis=0)
    return np.sort(lengths)[::-1]


def test_two_spaces_are_scikit_learns_cca(fit_data: Make, truth: Any) -> None:
    rows = truth(0, {"a": 6, "b": 5}, rank=3, reliability=0.8).draw(300, ["a", "b"], 1)
    tensors = CCAChain(shrinkage=0.0, power=0.0).fit(fit_data({"d": rows})).tensors()
    ours = [(rows[s] - rows[s].mean(0)) @ tensors[f"{s}/to/a~b"].numpy() for s in "ab"]
    theirs = CCA(n_components=5, max_iter=20_000, tol=1e-12).fit_transform(rows["a"], rows["b"])
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == (300, 5)
        agreement = np.abs(np.corrcoef(mine.T, other.T)[:5, 5:])
        np.testing.assert_allclose(np.diag(agreement), 1, atol=1e-4)
        np.testing.assert_allclose(mine.T @ mine / 300, np.eye(5), atol=1e-4)
    weighted = CCAChain(shrinkage=0.0, power=1.0).fit(fit_data({"d": rows})).tensors()["a/to/a~b"]
    rho = [np.corrcoef(x, y)[0, 1] for x, y in zip(theirs[0].T, theirs[1].T, strict=True)]
    np.testing.assert_allclose(weighted.norm(dim=0) / tensors["a/to/a~b"].norm(dim=0), rho, atol=1e-4)


def test_shrinkage_is_a_ridge_on_both_covariances(fit_data: Make, truth: Any) -> None:
    rows = truth(1, {"a": 6, "b": 5}, rank=3, reliability=0.8).draw(200, ["a", "b"], 1)
    tensors = CCAChain(shrinkage=0.7, power=0.5).fit(fit_data({"d": rows})).tensors()
    left, right = (tensors[f"{s}/to/a~b"].numpy() for s in "ab")
    a, b = (rows[s] - rows[s].mean(0) for s in "ab")
    shrunk = [x.T @ x / 200 + 0.7 * (x.T @ x / 200).trace() / x.shape[1] * np.eye(x.shape[1]) for x in (a, b)]
    # with p = 1/2 the inner product of the two sides is a' S_aa^-1 S_ab S_bb^-1 b
    expected = np.linalg.inv(shrunk[0]) @ (a.T @ b / 200) @ np.linalg.inv(shrunk[1])
    np.testing.assert_allclose(left @ right.T, expected, atol=1e-5)


def test_recovers_an_exact_linear_chain(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(6, 6)), random.normal(size=(6, 6))
    a, b = random.normal(size=(400, 6)), random.normal(size=(400, 6))
    a, b = a - a.mean(0), (b - b.mean(0)) @ first
    data = fit_data({"d1": {"a": a, "b": a @ first}, "d2": {"b": b, "c": b @ second}})
    test = random.normal(size=(80, 6))
    for reliability in ("none", "equal"):
        fitted = CCAChain(shrinkage=0.0, pivot_reliability=reliability).fit(data)
        assert plain_mrr(fitted.score("a", tensor(test), "c", tensor(test @ first @ second))) == 1


def test_equal_reliability_is_recovered_exactly(fit_data: Make) -> None:
    """With reliability r everywhere the hops correlate by r; so do a and c, not by the product r²."""
    shares = np.linspace(0.9, 0.1, 8)
    model = Reliable(0, dict.fromkeys("abc", shares))
    data = fit_data({"d1": model.draw(300, "ab", 1), "d2": model.draw(300, "bc", 2)})
    for reliability, expected in (("none", shares**2), ("equal", shares)):
        fitted = CCAChain(shrinkage=0.0, power=2.0, pivot_reliability=reliability).fit(data, targets=[("a", "c")])
        np.testing.assert_allclose(correlations(fitted), expected, atol=1e-3)


def test_dividing_the_reliability_out_helps_where_the_pivot_is_uneven(
    fit_data: Make, tensor: Tensor, plain_mrr: MRR
) -> None:
    """The pivot hardly shows half of what the ends share fully."""
    uneven = np.repeat([0.95, 0.05], 8)
    model = Reliable(1, {"a": np.full(16, 0.8), "b": uneven, "c": np.full(16, 0.8)})
    data = fit_data({"d1": model.draw(4000, "ab", 1), "d2": model.draw(4000, "bc", 2)})
    test = model.draw(200, "ac", 3)
    mrr = {}
    for reliability in ("none", "equal"):
        fitted = CCAChain(shrinkage=0.0, power=2.0, pivot_reliability=reliability).fit(data)
        mrr[reliability] = plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"])))
    assert mrr["equal"] > mrr["none"] + 0.05


def test_reliable_product_is_the_harmonic_mean_between_the_rotations() -> None:
    random = np.random.default_rng(2)
    turn, other = (np.linalg.qr(random.normal(size=(5, 5)))[0] for _ in range(2))
    first, second = (x @ x.T for x in random.normal(size=(2, 5, 5)))
    harmonic = 2 * np.linalg.inv(np.linalg.inv(first) + np.linalg.inv(second))
    product = reliable_product([torch.tensor(turn @ first), torch.tensor(second @ other)])
    np.testing.assert_allclose(product, turn @ harmonic @ other, atol=1e-8)


def test_what_the_pivot_does_not_show_stays_unknown(fit_data: Make) -> None:
    """A pivot of fewer dims: its reliability is divided out where it has some, and nothing blows up."""
    hops = [torch.rand(6, 3, dtype=torch.float64), torch.rand(3, 7, dtype=torch.float64)]
    product = reliable_product(hops)
    assert torch.linalg.matrix_rank(product) == 3
    twice = 2 * min(float(torch.linalg.matrix_norm(hop, 2)) for hop in hops)
    assert float(torch.linalg.matrix_norm(product, 2)) <= twice + 1e-9


def test_routes_as_short_as_the_best_count_equally(fit_data: Make, tensor: Tensor, plain_mrr: MRR) -> None:
    """Two noisy pivots, each showing its own half of what a and c share; a longer way is left out."""
    left, right = np.repeat([0.9, 0.02], 8), np.repeat([0.02, 0.9], 8)
    model = Reliable(2, {"a": np.full(16, 0.8), "b": left, "c": np.full(16, 0.8), "e": right})
    rows = {f"d{i}": model.draw(1000, pair, i) for i, pair in enumerate(("ab", "bc", "ae", "ce", "be"))}
    data, target, test = fit_data(rows), ("a", "c"), model.draw(150, "ac", 9)

    def mrr(*routes: str) -> float:
        fitted = CCAChain(shrinkage=0.0).fit(data, targets=[target], routes={target: [tuple(r) for r in routes]})
        return plain_mrr(fitted.score("a", tensor(test["a"]), "c", tensor(test["c"])))

    assert mrr("abc", "aec") > max(mrr("abc"), mrr("aec")) + 0.1
    assert mrr("abc", "abec") == mrr("abc")


def test_shrinkage_grows_with_noise_and_few_rows(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(150, 40))
    clean = {"a": z, "b": z @ random.normal(size=(40, 40)) + 0.3 * random.normal(size=(150, 40))}
    signal = 3 * random.normal(size=(150, 3)) @ random.normal(size=(3, 40))
    noisy = {s: signal + random.normal(size=(150, 40)) for s in "bc"}
    chosen = CCAChain().fit(fit_data({"d1": clean, "d2": noisy})).chosen
    assert chosen is not None
    assert chosen.keys() == {"a to b", "b to c", "power"}
    assert chosen["b to c"] > 3 * chosen["a to b"]


def test_power_is_divided_among_the_hops(fit_data: Make, truth: Any) -> None:
    """A product of h correlations to the power p/h weighs directions as one correlation to the power p."""
    model = truth(0, {"a": 8, "b": 7, "c": 6}, rank=3, reliability=0.8)
    data = fit_data({"d1": model.draw(600, ["a", "b"], 1), "d2": model.draw(600, ["b", "c"], 2)})
    plain, weighted = (
        CCAChain(shrinkage=0.0, power=power).fit(data, targets=[("a", "c"), ("a", "b")]).tensors()
        for power in (0.0, 2.0)
    )
    for pair, hops in (("a/to/a~c", 2), ("a/to/a~b", 1)):
        rho = weighted[pair].norm(dim=0) / plain[pair].norm(dim=0)
        again = CCAChain(shrinkage=0.0, power=float(hops)).fit(data, targets=[("a", "c"), ("a", "b")]).tensors()[pair]
        correlation = again.norm(dim=0) / plain[pair].norm(dim=0)
        np.testing.assert_allclose(rho, correlation ** (2 / hops), rtol=1e-5)


def test_power_is_chosen_by_held_out_rows(fit_data: Make) -> None:
    """A few strong directions among many weak ones: those must count for more."""
    random = np.random.default_rng(0)
    share = np.array([0.95] * 4 + [0.3] * 36)
    z = random.normal(size=(400, 40))
    rows = {s: np.sqrt(share) * z + np.sqrt(1 - share) * random.normal(size=z.shape) for s in "ab"}
    chosen = CCAChain(shrinkage=0.1).fit(fit_data({"d": rows})).chosen
    assert chosen is not None
    assert chosen["power"] == 2.0
