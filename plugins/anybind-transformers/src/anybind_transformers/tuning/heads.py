"""Linear heads: from each space's vectors to unit rows of the joint space."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.functional import normalize

from anybind_transformers.tuning.data import Data, generator

# Heads start small, so that what training finds soon outweighs the random directions they start from.
_START = 0.1


class Heads:
    """One head per space, on vectors centred by data set and scaled to a mean variance of 1.

    Centres and scales are those of the untuned vectors, and stay.

    Args:
        data: The rows.
        joint_dim: Length of the joint vectors.
        seed: Seeds the first weights.
    """

    def __init__(self, data: Data, joint_dim: int, seed: int) -> None:
        self._means = {name: part.means() for name, part in data.parts.items()}
        spaces = sorted({space for means in self._means.values() for space in means})
        self._units = {space: self._unit(data, space) for space in spaces}
        self.weights = {
            space: _START * _orthogonal(self._dim(space), joint_dim, generator("head", seed, space)) for space in spaces
        }

    def __call__(self, dataset: str, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) vectors of a data set's rows -> (n, joint_dim) unit rows."""
        centred = (vectors - self._means[dataset][space]) / self._units[space]
        return normalize(centred @ self.weights[space], dim=1)

    def _dim(self, space: str) -> int:
        return next(len(means[space]) for means in self._means.values() if space in means)

    def _unit(self, data: Data, space: str) -> float:
        squares: list[torch.Tensor] = []
        for name, part in data.parts.items():
            if space in part.vectors:
                kept = part.present[space] & ~part.held_out
                squares.append((part.vectors[space][kept] - self._means[name][space]).square().flatten())
        variance = float(torch.cat(squares).mean())
        return variance**0.5 if variance > 0 else 1.0


def named(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Space -> weights, as tensors to save."""
    return {f"head/{space}": weight for space, weight in weights.items()}


def _orthogonal(rows: int, columns: int, draw: torch.Generator) -> torch.Tensor:
    square = torch.randn(max(rows, columns), min(rows, columns), generator=draw)
    basis: torch.Tensor = torch.linalg.qr(square).Q
    return (basis if rows >= columns else basis.T).contiguous()
