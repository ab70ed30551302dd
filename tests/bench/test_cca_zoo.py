"""The closed forms on two spaces against cca-zoo, an independent implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import anybind

linear = pytest.importorskip("cca_zoo.linear")
Array = NDArray[np.float64]


def paired(n: int, seed: int) -> dict[str, Array]:
    """Two spaces that share four dims of falling strength, in full and different noise."""
    random = np.random.default_rng(0)
    shapes = {"a": 7, "c": 6}
    views = {s: random.normal(size=(4, d)) * np.array([[2.0], [1.2], [0.8], [0.5]]) for s, d in shapes.items()}
    mixing = {s: random.normal(size=(d, d)) for s, d in shapes.items()}
    random = np.random.default_rng([1, seed])
    z = random.normal(size=(n, 4))
    return {s: z @ views[s] + random.normal(size=(n, d)) @ mixing[s] for s, d in shapes.items()}


def fitted(method: str, rows: dict[str, Array], **options: Any) -> anybind.Binder:
    return anybind.fit(
        {"d": rows}, method=method, targets=[("a", "c")], normalise=False, options={"features": "identity", **options}
    )


def test_pcca_on_two_spaces_ends_at_canonical_correlation_analysis() -> None:
    """Bach & Jordan (2005): at the maximum of the likelihood the latent dims are the canonical variates."""
    rows, test = paired(2000, 0), paired(50, 1)
    binder = fitted("pcca", rows, rank=3, shrinkage=0.0, steps=2000, similarity="llr")
    reference = linear.CCA(n_components=3).fit([rows["a"], rows["c"]])
    train = reference.transform([rows["a"], rows["c"]])
    u, v = ((x - y.mean(0)) / y.std(0) for x, y in zip(reference.transform([test["a"], test["c"]]), train, strict=True))
    rho = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(train[0].T, train[1].T, strict=True)])
    own = rho**2 / (1 - rho**2) / 2
    expected = (u * rho / (1 - rho**2)) @ v.T - (u**2 @ own)[:, None] - (v**2 @ own) - np.log1p(-(rho**2)).sum() / 2
    scores = binder.score("a", test["a"], "c", test["c"])
    np.testing.assert_allclose(scores.numpy(), expected, atol=0.02)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_cca_chain_on_one_edge_is_ridge_cca(shrinkage: float) -> None:
    """S + l I and (1 - c) S + c I are the same but for scale where l = c / (1 - c)."""
    rows, test = paired(400, 0), paired(50, 1)
    binder = fitted("cca-chain", rows, shrinkage=shrinkage, power=0.0)
    scales = {s: x.var(0, ddof=1).mean() ** -0.5 for s, x in rows.items()}
    reference = linear.RidgeCCA(n_components=6, shrinkage=shrinkage / (1 + shrinkage))
    reference.fit([rows[s] * scales[s] for s in "ac"])
    u, v = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in reference.transform([test[s] * scales[s] for s in "ac"])
    )
    scores = binder.score("a", test["a"], "c", test["c"])
    np.testing.assert_allclose(scores.numpy(), u @ v.T, atol=1e-3)
