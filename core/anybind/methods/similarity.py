"""How alike two rows are under the latent model, as inner products.

Two spaces' posterior means of z are compared along their canonical directions u, v with correlations rho:

    cosine   cos(sqrt(w) u, sqrt(w) v),  w = rho / (1 - rho^2)
    llr      -1/2 sum log(1 - rho^2) + sum rho / (1 - rho^2) u v - sum rho^2 / (2 (1 - rho^2)) (u^2 + v^2)

``llr`` is the log-odds that both show the same item. What depends on one side only becomes a coordinate
that meets a 1 on the other side, so that with two extra coordinates it is one inner product, and an index
for maximum inner products can hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from anybind.methods.linalg import inverse_root, matrix_root

_LARGEST_CORRELATION = 0.9999


@dataclass(frozen=True)
class CanonicalPair:
    """Maps from two spaces' posterior means to paired canonical directions with correlations ``rho``.

    Attributes:
        left: (r, r) to the first space's directions u.
        right: (r, r) to the second space's directions v.
        rho: (r,) in [0, 1), descending.
    """

    left: torch.Tensor
    right: torch.Tensor
    rho: torch.Tensor

    def score(self, a: torch.Tensor, b: torch.Tensor, kind: str) -> torch.Tensor:
        """(n_a, n_b) scores of (n_a, r) and (n_b, r) posterior means."""
        return self.left_vectors(a, kind) @ self.right_vectors(b, kind).T

    def left_vectors(self, a: torch.Tensor, kind: str) -> torch.Tensor:
        """(n, r) posterior means of the first space -> (n, r) for the cosine, (n, r + 2) for the log-odds."""
        u = a @ self.left.to(a.dtype)
        if kind == "cosine":
            return self._unit(u)
        constant = -0.5 * torch.log1p(-(self.rho**2)).sum().to(u.dtype)
        return torch.cat([u * self._weight(u), constant - self._own(u), torch.ones_like(u[:, :1])], dim=1)

    def right_vectors(self, b: torch.Tensor, kind: str) -> torch.Tensor:
        """The same for the second space; inner products with ``left_vectors`` are the scores."""
        v = b @ self.right.to(b.dtype)
        if kind == "cosine":
            return self._unit(v)
        return torch.cat([v, torch.ones_like(v[:, :1]), -self._own(v)], dim=1)

    def _weight(self, like: torch.Tensor) -> torch.Tensor:
        return (self.rho / (1 - self.rho**2)).to(like.dtype)

    def _own(self, directions: torch.Tensor) -> torch.Tensor:
        """(n, 1) how much less likely a row is under the match than under chance, by itself."""
        return directions**2 @ (self.rho.to(directions.dtype) * self._weight(directions) / 2)[:, None]

    def _unit(self, directions: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(directions * self._weight(directions).sqrt(), dim=1)


def canonical_pair(reliability_a: torch.Tensor, reliability_b: torch.Tensor) -> CanonicalPair:
    """Canonical directions of two posterior means whose (r, r) covariances are given.

    The cross-covariance of the two means under the model is the product of their covariances, so the
    canonical correlations are the singular values of the product of the two roots.
    """
    u, rho, vt = torch.linalg.svd(matrix_root(reliability_a) @ matrix_root(reliability_b))
    left, right = inverse_root(reliability_a) @ u, inverse_root(reliability_b) @ vt.T
    return CanonicalPair(left, right, rho.clamp(0, _LARGEST_CORRELATION))


@dataclass(frozen=True)
class InnerProduct:
    """A pair's similarity for an index of maximum inner products: ``left(a) @ right(b).T`` is the score.

    Attributes:
        left: (n, d_a) rows of the first space -> (n, k) float32.
        right: (n, d_b) rows of the second space -> (n, k) float32.
    """

    left: Callable[[torch.Tensor], torch.Tensor]
    right: Callable[[torch.Tensor], torch.Tensor]
