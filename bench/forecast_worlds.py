"""Chains of four spaces of random difficulty: the worlds that the forecast's constants are fitted in.

A world's seed draws what makes it hard or easy: latent and dims, how steep its spectrum is, topics, nuisance, noise,
nonlinearity, how much its three data sets differ from each other, how much items differ in how clearly they
show, pivots blind to a part of the latent, and now and then two ends that share nothing. In the worlds of the kind
``clear`` spaces show more than in the others, as those of good encoders do, and items differ more. In those of the kind
``uneven``, clear too, some spaces are much noisier than others, as pictures beside captions. In those of the kind
``sided`` spaces a and c show different sides of what b shows, as pictures and sounds do of a written word: from
nearly the same to nearly nothing in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, NDArray[np.float32]]
Array = NDArray[np.float64]
SPACES = "abcd"
KINDS = ("hard", "clear", "uneven", "sided")
OFFSET, NUISANCE_SHIFT, MEAN_SHIFT = 0.3, 0.5, 0.65


@dataclass(frozen=True)
class Difficulty:
    """What a world is like; standard deviations are of what an axis of the latent adds."""

    latent: int
    dim: int
    spectrum: float
    topics: int
    topic_share: float
    nuisance: float
    noise: float
    nonlinearity: float
    shift: float
    row_scatter: float
    blind: float
    pairs: int
    unrelated: bool
    item_scatter: float
    uneven: float = 0
    sided: float = 0

    @classmethod
    def drawn(cls, random: np.random.Generator, kind: str = "hard") -> Difficulty:
        """A world's, at random."""

        def between(low: float, high: float) -> float:
            return float(np.exp(random.uniform(np.log(low), np.log(high))))

        first = cls(
            int(between(6, 64)), int(between(40, 120)), float(random.uniform(0.2, 1)), int(between(10, 80)),
            float(random.uniform(0, 0.7)), between(0.3, 2), between(0.03, 0.4),
            float(random.choice([0, 0.05, 0.2, 0.4])), float(random.choice([0, 0, 0.5, 1])),
            float(random.uniform(0, 0.8)), float(random.choice([0, 0, 0, 0.3, 0.6])), int(between(80, 500)),
            bool(random.random() < 0.12), float(random.uniform(0, 0.6)),
        )  # fmt: skip
        if kind == "hard":
            return first
        changed = {"latent": int(between(12, 96)), "dim": int(between(80, 250)), "nuisance": between(0.15, 1.2),
                   "noise": between(0.01, 0.2), "item_scatter": float(random.uniform(0, 0.9)),
                   "topic_share": float(random.uniform(0.2, 0.9)), "pairs": int(between(80, 600))}  # fmt: skip
        made = cls(**{**first.__dict__, **changed})
        if kind == "sided":
            return replace(made, sided=float(random.uniform(0, 6)), uneven=float(random.uniform(0, 1)), unrelated=False)
        return replace(made, uneven=float(random.uniform(0.3, 1.3))) if kind == "uneven" else made


class World:
    """Spaces a, b, c, d in a row; data set i pairs spaces i and i + 1 in a domain of its own.

    Args:
        seed: Draws the world.
        kind: One of ``KINDS``.
    """

    def __init__(self, seed: int, kind: str = "hard") -> None:
        if kind not in KINDS:
            raise ValueError(f"no such kind of world: {kind}; there are {', '.join(KINDS)}")
        random = np.random.default_rng([seed, 7])
        self._seed, self.is_ = seed, Difficulty.drawn(random, kind)
        latent = self.is_.latent
        spectrum = np.arange(1, latent + 1) ** -self.is_.spectrum
        self._spectrum: Array = spectrum / np.sqrt((spectrum**2).mean())
        self._topics: Array = random.normal(size=(self.is_.topics, latent)) * self._spectrum
        self._views = {space: _View(random, self.is_, space) for space in SPACES}
        if self.is_.unrelated:
            order = random.permutation(latent)
            self._views["a"].visibility[order[: latent // 2]] = 0
            self._views["c"].visibility[order[latent // 2 :]] = 0
        if self.is_.sided:
            side = random.uniform(0, 1, latent)
            self._views["a"].turn_away(self.is_.sided * side)
            self._views["c"].turn_away(self.is_.sided * (1 - side))
        self._domains = [_Domain(random, self.is_) for _ in range(3)]

    def data_sets(self) -> dict[str, Rows]:
        """What a binder may fit on."""
        return {f"d{i + 1}": self._draw(self.is_.pairs, SPACES[i : i + 2], i, i + 1) for i in range(3)}

    def test(self, n: int = 500) -> Rows:
        """n items of the first domain in all spaces, which nothing is fitted on."""
        return self._draw(n, SPACES, 0, 99)

    def _draw(self, n: int, spaces: str, domain: int, seed: int) -> Rows:
        random, where = np.random.default_rng([self._seed, seed, n]), self._domains[domain]
        topics = self._topics[random.choice(self.is_.topics, n, p=where.topics)]
        own = random.normal(size=(n, self.is_.latent)) * self._spectrum
        z = np.sqrt(self.is_.topic_share) * topics + np.sqrt(1 - self.is_.topic_share) * own
        z = z * where.scale + where.mean * self._spectrum
        unclear = np.exp(self.is_.item_scatter * random.normal(size=(n, 1)))
        return {space: self._views[space].rows(z, unclear, where, random) for space in spaces}


class _Domain:
    def __init__(self, random: np.random.Generator, world: Difficulty) -> None:
        shift, latent = world.shift, world.latent
        weights = np.exp(shift * random.uniform(0, np.log(10), world.topics))
        self.topics: Array = weights / weights.sum()
        self.scale: Array = np.exp(shift * random.uniform(np.log(0.7), np.log(1.4), latent))
        self.mean: Array = shift * MEAN_SHIFT * random.normal(size=latent)
        self.nuisance_scale = {space: 1 + shift * random.uniform(-0.6, 0.6, latent) for space in SPACES}
        self.nuisance_mean = {space: shift * NUISANCE_SHIFT * random.normal(size=latent) for space in SPACES}


class _View:
    def __init__(self, random: np.random.Generator, world: Difficulty, space: str) -> None:
        latent, dim = world.latent, world.dim
        self._world, self._space = world, space
        self.visibility: Array = np.exp(random.uniform(np.log(0.2), 0, latent))
        self.visibility *= np.exp(random.uniform(np.log(0.5), np.log(1.4)))
        if space in "bc":
            self.visibility[random.permutation(latent)[: round(world.blind * latent)]] = 0
        self._linear = random.normal(size=(latent, dim)) / np.sqrt(dim)
        self._warp = random.normal(size=(latent, latent)) / np.sqrt(latent)
        self._warped, self._nuisance = (random.normal(size=(latent, dim)) / np.sqrt(dim) for _ in range(2))
        self._offset = OFFSET * random.normal(size=dim)
        self._noisier = float(np.exp(world.uneven * random.uniform(-1, 1))) if world.uneven else 1.0

    def turn_away(self, from_axes: Array) -> None:
        """Show some axes of the latent less, by exp(-from_axes), and all of them as much as before."""
        turned = self.visibility * np.exp(-from_axes)
        self.visibility = turned * np.sqrt((self.visibility**2).mean() / (turned**2).mean())

    def rows(self, z: Array, unclear: Array, where: _Domain, random: np.random.Generator) -> NDArray[np.float32]:
        world, seen = self._world, z * self.visibility
        unclear = np.exp(world.row_scatter * random.normal(size=(len(z), 1))) * unclear
        hidden = random.normal(size=z.shape) * where.nuisance_scale[self._space] + where.nuisance_mean[self._space]
        straight, bent = seen @ self._linear, np.tanh(seen @ self._warp) @ self._warped
        shown = np.sqrt(1 - world.nonlinearity) * straight + np.sqrt(world.nonlinearity) * bent
        unclear = self._noisier * unclear
        shown = shown + world.nuisance * unclear * (hidden @ self._nuisance)
        shown = shown + unclear * world.noise * random.normal(size=shown.shape) + self._offset
        return (shown / np.linalg.norm(shown, axis=1, keepdims=True)).astype(np.float32)
