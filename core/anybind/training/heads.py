"""Heads: small maps from a space's centred rows to unit rows of the joint space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import gelu, normalize

from anybind.steps import Gelu, Linear, Shift, Steps, UnitLength

# Heads start small, so that the directions that training finds soon outweigh the random ones they start from:
# with few rows this is worth several points of retrieval.
_START = 0.1


@dataclass(frozen=True)
class Head:
    """A linear map, or a perceptron with one hidden layer and GELU.

    Attributes:
        weights: ``weight`` (d, r) of a linear head; ``inner`` (d, h), ``bias`` (h,) and ``outer`` (h, r) of an
            mlp; float32.
    """

    weights: Mapping[str, torch.Tensor]

    def __call__(self, rows: torch.Tensor, floor: float | None = None) -> torch.Tensor:
        """(n, d) centred rows -> (n, r) unit rows, in the precision of the rows; zeros for a row of zeros.

        Args:
            rows: float32 or float64.
            floor: Outputs shorter than this are not scaled to unit length but divided by it, which bounds the
                gradient of rows that (nearly) equal the mean; None for the smallest number there is.
        """
        eps = torch.finfo(rows.dtype).tiny if floor is None else floor
        weights = {name: tensor.to(rows.dtype) for name, tensor in self.weights.items()}
        if "weight" in weights:
            joint = rows @ weights["weight"]
        else:
            joint = gelu(rows @ weights["inner"] + weights["bias"]) @ weights["outer"]
        return normalize(joint, dim=1, eps=eps)

    def embedding_steps(self) -> Steps:
        """The head, step by step."""
        if "weight" in self.weights:
            return Linear(self.weights["weight"]), UnitLength()
        return (
            Linear(self.weights["inner"]), Shift(self.weights["bias"]), Gelu(), Linear(self.weights["outer"]),
            UnitLength(),
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """(d, r)."""
        first, last = ("weight", "weight") if "weight" in self.weights else ("inner", "outer")
        return self.weights[first].shape[0], self.weights[last].shape[1]

    def after_dividing_by(self, unit: float) -> Head:
        """The head that does to rows what this one does to ``rows / unit``."""
        first = "weight" if "weight" in self.weights else "inner"
        return Head({**self.weights, first: self.weights[first] / unit})


def new_head(kind: str, dim: int, joint_dim: int, hidden_dim: int, draw: torch.Generator) -> Head:
    """A random head.

    Args:
        kind: "linear" or "mlp".
        dim: Length of the rows.
        joint_dim: Length of the joint vectors.
        hidden_dim: Width of an mlp's hidden layer.
        draw: Where the random numbers come from.
    """
    if kind == "linear":
        return Head({"weight": _START * _orthogonal(dim, joint_dim, draw)})
    inner = torch.randn(dim, hidden_dim, generator=draw) / dim**0.5
    return Head({"inner": inner, "bias": torch.zeros(hidden_dim),
                 "outer": _START * _orthogonal(hidden_dim, joint_dim, draw)})  # fmt: skip


def principal_head(rows: torch.Tensor, joint_dim: int) -> Head:
    """The linear head that keeps the cosines of (n, d) centred rows best: their leading directions."""
    values = rows.to(torch.float64)
    _, vectors = torch.linalg.eigh(values.T @ values)
    kept = vectors.flip(1)[:, :joint_dim]
    weight = torch.zeros(rows.shape[1], joint_dim)
    weight[:, : kept.shape[1]] = kept.to(torch.float32)
    return Head({"weight": weight})


def _orthogonal(rows: int, columns: int, draw: torch.Generator) -> torch.Tensor:
    """(rows, columns) with orthonormal columns, or rows where there are fewer of them."""
    square = torch.randn(max(rows, columns), min(rows, columns), generator=draw)
    basis = torch.linalg.qr(square).Q
    found: torch.Tensor = basis if rows >= columns else basis.T
    return found.contiguous()

