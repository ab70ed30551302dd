"""A world in which the truth is known and binding is hard: spaces show one latent, behind nuisance that looks like it.

Items have a latent z with topics and a power-law spectrum. A space shows a partly nonlinear map of z, each axis
of it more or less visibly, plus structured nuisance (as many dims as z, more variance than what z gives), noise
and an offset; rows are scaled to unit length. Every data set is a domain of its own: topics are weighted anew by
up to ten times, the axes of z rescaled, its mean shifted, and the nuisance of the pivots has another spectrum
and mean. Data set i pairs spaces i and i + 1; nobody has pairs of the first and the last space except the test
and the oracle, whose items are of the first data set's domain.

The constants were tuned on seeds from 100 up until the world was as hard as its tests demand, then frozen:
with 5,000 rows a data set the composed regressions reach at most .30, the whitened pivot .65 and isotropic
noise .20 of what true pairs give.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, NDArray[np.float32]]
Array = NDArray[np.float64]

TOPICS = 40
TOPIC_SHARE = 0.64  # of the variance of z, before domains rescale it
SPECTRUM = 0.7  # axis i of z has standard deviation i^-SPECTRUM, up to a common factor
VISIBILITY = (0.3, 1.0)
NUISANCE, NOISE, OFFSET = 1.4, 0.16, 0.3  # standard deviations, where an axis of z has 1
AXIS_SCALE = (0.7, 1.4)
MEAN_SHIFT = 0.65  # in standard deviations of the axis
PIVOT_NUISANCE_SCALE, PIVOT_NUISANCE_SHIFT = (0.4, 1.6), 0.5


class World:
    """Spaces a, b, ... in a row, and one domain for each two neighbours.

    Args:
        seed: Draws the world; its rows too, together with their own seed.
        latent: Dims of z, and of every space's nuisance.
        dim: Dims of every space.
        nonlinearity: Weight of a tanh layer against the linear map, 0 to 1.
        hops: Number of pivots between the first and the last space.
        blind: Share of the axes of z that the pivots do not show at all.
    """

    def __init__(
        self,
        seed: int,
        *,
        latent: int = 48,
        dim: int = 120,
        nonlinearity: float = 0.05,
        hops: int = 1,
        blind: float = 0.0,
    ) -> None:
        random = np.random.default_rng([seed, 0])
        self.seed, self.nonlinearity = seed, nonlinearity
        self.spaces = "abcdefghij"[: hops + 2]
        self.ends = (self.spaces[0], self.spaces[-1])
        spectrum = np.arange(1, latent + 1) ** -SPECTRUM
        self._spectrum = spectrum / np.sqrt((spectrum**2).mean())
        self._topics = random.normal(size=(TOPICS, latent)) * self._spectrum
        self._views = {space: _View(random, latent, dim) for space in self.spaces}
        for pivot in self.spaces[1:-1]:
            self._views[pivot].visibility[random.permutation(latent)[: round(blind * latent)]] = 0
        self._domains = [_Domain(random, latent, self.spaces[1:-1]) for _ in range(hops + 1)]

    def data_sets(self, n: int) -> dict[str, Rows]:
        """What a binder may fit on: n rows of every two neighbouring spaces."""
        return {
            f"d{i + 1}": self.draw(n, self.spaces[i : i + 2], domain=i, seed=i + 1) for i in range(len(self._domains))
        }

    def true_pairs(self, n: int) -> dict[str, Rows]:
        """What the oracle is fitted on: n pairs of the first and the last space."""
        return {"true": self.draw(n, self.ends, domain=0, seed=100)}

    def test(self, n: int) -> Rows:
        """n pairs of the first and the last space that nothing was fitted on."""
        return self.draw(n, self.ends, domain=0, seed=200)

    def draw(self, n: int, spaces: Sequence[str], *, domain: int, seed: int) -> Rows:
        """(n, dim) float32 rows of unit length of some spaces: the same n items."""
        random, where = np.random.default_rng([self.seed, seed, n]), self._domains[domain]
        topics = self._topics[random.choice(TOPICS, n, p=where.topic_weights)]
        own = random.normal(size=(n, len(self._spectrum))) * self._spectrum
        z = np.sqrt(TOPIC_SHARE) * topics + np.sqrt(1 - TOPIC_SHARE) * own
        z = z * where.axis_scale + where.mean_shift * self._spectrum
        return {space: self._views[space].rows(z, self.nonlinearity, where, space, random) for space in spaces}


class _Domain:
    """How the items of one data set, and the pivots' nuisance in it, are distributed."""

    def __init__(self, random: np.random.Generator, latent: int, pivots: Sequence[str]) -> None:
        weights = np.exp(random.uniform(0, np.log(10), TOPICS))
        self.topic_weights: Array = weights / weights.sum()
        self.axis_scale: Array = np.exp(random.uniform(*np.log(AXIS_SCALE), latent))
        self.mean_shift: Array = MEAN_SHIFT * random.normal(size=latent)
        self.nuisance_scale = {pivot: random.uniform(*PIVOT_NUISANCE_SCALE, latent) for pivot in pivots}
        self.nuisance_shift = {pivot: PIVOT_NUISANCE_SHIFT * random.normal(size=latent) for pivot in pivots}


class _View:
    """How one space shows an item."""

    def __init__(self, random: np.random.Generator, latent: int, dim: int) -> None:
        self.visibility: Array = np.exp(random.uniform(*np.log(VISIBILITY), latent))
        self.linear, self.warped, self.nuisance = (random.normal(size=(latent, dim)) / np.sqrt(dim) for _ in range(3))
        self.warp: Array = random.normal(size=(latent, latent)) / np.sqrt(latent)
        self.offset: Array = OFFSET * random.normal(size=dim)

    def rows(
        self, z: Array, nonlinearity: float, domain: _Domain, space: str, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """(n, dim) rows of unit length of the items z."""
        seen = z * self.visibility
        straight, bent = seen @ self.linear, np.tanh(seen @ self.warp) @ self.warped
        hidden = random.normal(size=z.shape)
        if space in domain.nuisance_scale:
            hidden = hidden * domain.nuisance_scale[space] + domain.nuisance_shift[space]
        shown = np.sqrt(1 - nonlinearity) * straight + np.sqrt(nonlinearity) * bent + NUISANCE * hidden @ self.nuisance
        shown = shown + NOISE * random.normal(size=shown.shape) + self.offset
        return (shown / np.linalg.norm(shown, axis=1, keepdims=True)).astype(np.float32)
