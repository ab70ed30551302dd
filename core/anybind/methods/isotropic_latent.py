"""A low-rank latent model with one isotropic noise per space, fitted by EM to rows with missing spaces.

    x_m = mu_m + W_m z + e_m,   z ~ N(0, I_q),   e_m ~ N(0, s_m^2 I)

for every space m; a row shows any subset of the spaces. This is probabilistic PCA (Tipping & Bishop 1999)
of several views, the generative model of CalMRL (arXiv:2511.12034): ``anybind.methods.latent`` has full
noise covariances instead. What EM needs of the rows are n, sums and second moments per pattern of present
spaces, so a sweep does not touch them: it costs O(D^2 q) per pattern of D stacked dims and one q x q
Cholesky, since the posterior covariance depends on the pattern alone. Everything is float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from anybind.methods.linalg import cholesky, symmetric_eigh
from anybind.methods.pattern_sums import Pattern, PatternSums, Sums, columns_of

# The signal of a starting direction that the eigenvalues show to be noise, as a share of the noise.
_WEAKEST_START = 0.05


@dataclass(frozen=True)
class Gain:
    """How a pattern of present spaces tells of z: ``z = matrix (x - mu)`` with covariance ``covariance``.

    Attributes:
        matrix: (q, D) float64, spaces stacked as in the pattern.
        covariance: (q, q) float64, posterior covariance of z.
        log_det: log determinant of the posterior precision.
    """

    matrix: torch.Tensor
    covariance: torch.Tensor
    log_det: float


@dataclass(frozen=True)
class IsotropicModel:
    """The parameters, float64.

    Attributes:
        loadings: Space -> (d, q), W.
        means: Space -> (d,), mu.
        noise: Space -> s^2, the noise variance of a dim.
    """

    loadings: Mapping[str, torch.Tensor]
    means: Mapping[str, torch.Tensor]
    noise: Mapping[str, float]
    _gains: dict[Pattern, Gain] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rank(self) -> int:
        """Number of latent dims."""
        return next(iter(self.loadings.values())).shape[1]

    @property
    def dims(self) -> dict[str, int]:
        """Space -> length of its vectors."""
        return {space: len(mean) for space, mean in self.means.items()}

    def mean(self, pattern: Pattern) -> torch.Tensor:
        """(D,) the stacked means of a pattern's spaces."""
        return torch.cat([self.means[space] for space in pattern])

    def gain(self, pattern: Pattern) -> Gain:
        """The posterior of z given a pattern: V = (I + sum W'W / s^2)^-1, matrix = V [W' / s^2]."""
        if pattern not in self._gains:
            precision = torch.eye(self.rank, dtype=torch.float64)
            weighted = [self.loadings[space].T / self.noise[space] for space in pattern]
            for space, part in zip(pattern, weighted, strict=True):
                precision = precision + part @ self.loadings[space]
            factor = cholesky(precision, "precision of the latent dims")
            stacked = torch.cat([torch.zeros(self.rank, 0, dtype=torch.float64), *weighted], dim=1)
            log_det = 2 * float(factor.diagonal().log().sum())
            self._gains[pattern] = Gain(torch.cholesky_solve(stacked, factor), torch.cholesky_inverse(factor), log_det)
        return self._gains[pattern]

    def log_likelihood(self, statistics: PatternSums) -> float:
        """Log density of all rows, in nats, by Woodbury's identity: nothing larger than q x q is inverted."""
        expected = [Expectation.of(self, pattern, sums) for pattern, sums in statistics.sums.items()]
        return sum(each.log_likelihood(self) for each in expected)


@dataclass(frozen=True)
class Expectation:
    """What the rows x of one pattern and their posteriors of z sum to; rows are centred by the model's means.

    Attributes:
        pattern: The spaces the rows show.
        n: The rows' weight.
        total: (D,) sum of x.
        squares: (D,) sum of the squares of x.
        cross: (D, q) sum of x E[z]'.
        latent: (q,) sum of E[z].
        second: (q, q) sum of E[z z'].
    """

    pattern: Pattern
    n: float
    total: torch.Tensor
    squares: torch.Tensor
    cross: torch.Tensor
    latent: torch.Tensor
    second: torch.Tensor

    @classmethod
    def of(cls, model: IsotropicModel, pattern: Pattern, sums: Sums) -> Expectation:
        """The E step of one pattern."""
        gain, mean = model.gain(pattern), model.mean(pattern)
        total, shift = sums.total - sums.n * mean, gain.matrix @ mean
        latent = gain.matrix @ total
        # the rows' outer products are centred in products with the gain only: no other D x D matrix is made
        cross = sums.outer @ gain.matrix.T - torch.outer(sums.total, shift) - torch.outer(mean, latent)
        squares = sums.outer.diagonal() - mean * (sums.total + total)
        second = sums.n * gain.covariance + gain.matrix @ cross
        return cls(pattern, sums.n, total, squares, cross, latent, second)

    def log_likelihood(self, model: IsotropicModel) -> float:
        """Log density of the rows under the model this was made with."""
        log_det, distance = model.gain(self.pattern).log_det, 0.0
        for space, own in columns_of(model.dims, self.pattern).items():
            log_det += model.dims[space] * math.log(model.noise[space])
            unexplained = self.squares[own].sum() - (self.cross[own] * model.loadings[space]).sum()
            distance += float(unexplained) / model.noise[space]
        return -0.5 * (self.n * (len(self.total) * math.log(2 * math.pi) + log_det) + distance)


@dataclass(frozen=True)
class Start:
    """EM's starting point for every rank: leading directions of all spaces stacked, 0 where never seen together.

    Attributes:
        values: (D,) eigenvalues, descending, of the covariance with every space scaled to mean variance 1.
        vectors: (D, D) its eigenvectors.
        means: Space -> (d,).
        variances: Space -> mean variance of a dim.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    means: Mapping[str, torch.Tensor]
    variances: Mapping[str, float]

    @classmethod
    def of(cls, statistics: PatternSums) -> Start:
        """Deterministic; one eigendecomposition of all dims. Raises DataError when a space does not vary."""
        means, variances, _ = statistics.pooled()
        values, vectors = symmetric_eigh(_joint_correlation(statistics, means, variances))
        return cls(values.flip(0), vectors.flip(1), means, variances)

    def model(self, rank: int, floor: float) -> IsotropicModel:
        """The starting model of a rank below D; its noise is at least ``floor`` times a space's variance."""
        noise = max(float(self.values[rank:].mean()), floor)
        strength = (self.values[:rank] - noise).clamp(min=_WEAKEST_START * noise).sqrt()
        loadings = self.vectors[:, :rank] * strength
        columns = columns_of({space: len(mean) for space, mean in self.means.items()}, tuple(self.means))
        return IsotropicModel(
            {space: loadings[own] * self.variances[space] ** 0.5 for space, own in columns.items()},
            self.means,
            {space: noise * variance for space, variance in self.variances.items()},
        )


def _joint_correlation(
    statistics: PatternSums, means: Mapping[str, torch.Tensor], variances: Mapping[str, float]
) -> torch.Tensor:
    """(D, D) covariance of all spaces, each scaled to variance 1; every block by the rows that show it."""
    columns = columns_of(statistics.dims, statistics.spaces)
    width = sum(statistics.dims[space] for space in columns)
    joint = torch.zeros(width, width, dtype=torch.float64)
    counts = dict.fromkeys(((a, b) for a in columns for b in columns), 0.0)
    for pattern, sums in statistics.sums.items():
        own = columns_of(statistics.dims, pattern)
        _, outer = sums.centred(torch.cat([means[space] for space in pattern]))
        for a in pattern:
            for b in pattern:
                joint[columns[a], columns[b]] += outer[own[a], own[b]]
                counts[a, b] += sums.n
    for (a, b), n in counts.items():
        if n:
            joint[columns[a], columns[b]] /= n * math.sqrt(variances[a] * variances[b])
    return joint


def em_sweep(
    model: IsotropicModel, statistics: PatternSums, floors: Mapping[str, float]
) -> tuple[IsotropicModel, float]:
    """One EM step: the posterior of every pattern, then [W mu] and s^2 of every space in closed form.

    With parameter expansion (Liu, Rubin & Wu 1998): z gets a mean and a covariance of its own, which go into mu
    and W. Nothing else makes chains of pairs converge in tens of sweeps. The observed log-likelihood never falls,
    also where a floor holds: given W and mu it has a single maximum in s^2, so the nearest allowed value is the
    best allowed one.

    Args:
        model: The parameters so far.
        statistics: Of the rows.
        floors: Space -> the least s^2.

    Returns:
        The new parameters, and the log-likelihood of those so far.
    """
    expected = [Expectation.of(model, pattern, sums) for pattern, sums in statistics.sums.items()]
    n = sum(each.n for each in expected)
    centre = torch.stack([each.latent for each in expected]).sum(0) / n
    spread = torch.stack([each.second for each in expected]).sum(0) / n - torch.outer(centre, centre)
    root = cholesky(spread, "covariance of the latent dims")
    loadings, means, noise = {}, {}, {}
    for space in statistics.spaces:
        weights, change, variance = _regression(model.dims, expected, space)
        loadings[space] = weights @ root
        means[space] = model.means[space] + change + weights @ centre
        noise[space] = max(variance, floors[space])
    return IsotropicModel(loadings, means, noise), sum(each.log_likelihood(model) for each in expected)


def _regression(
    dims: Mapping[str, int], expected: Sequence[Expectation], space: str
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The joint regression of one space's centred rows on [z, 1]: (d, q) W, (d,) change of mu, and s^2."""
    holding = [(each, columns_of(dims, each.pattern)[space]) for each in expected if space in each.pattern]
    n = sum(each.n for each, _ in holding)
    square = sum(float(each.squares[own].sum()) for each, own in holding)
    cross = torch.stack([torch.cat([each.cross[own], each.total[own, None]], 1) for each, own in holding]).sum(0)
    second = torch.stack([each.second for each, _ in holding]).sum(0)
    latent = torch.stack([each.latent for each, _ in holding]).sum(0)
    last = torch.cat([latent, latent.new_tensor([n])])
    gram = torch.cat([torch.cat([second, latent[:, None]], 1), last[None]])
    both = torch.cholesky_solve(cross.T, cholesky(gram, "second moments of the latent dims")).T
    residual = square - float((both * cross).sum())
    return both[:, :-1], both[:, -1], residual / (n * dims[space])


def imputation_error(model: IsotropicModel, statistics: PatternSums) -> float:
    """Mean squared error of imputing every space of a row from its others, in units of the space's variance.

    Exact from the statistics, without rows; mean over the spaces that some row shows beside another, every
    space counting alike. The variance is about the model's mean, so that 1 is what that mean alone achieves.
    NaN if no row shows two spaces.
    """
    errors: dict[str, float] = {}
    variances: dict[str, float] = {}
    for pattern, sums in statistics.sums.items():
        _, outer = sums.centred(model.mean(pattern))
        columns = columns_of(model.dims, pattern)
        for space in pattern if len(pattern) > 1 else ():
            others = tuple(s for s in pattern if s != space)
            own = columns[space]
            rest = torch.cat([torch.arange(columns[s].start, columns[s].stop) for s in others])
            predicts = model.loadings[space] @ model.gain(others).matrix
            variance = float(outer.diagonal()[own].sum())
            cross, between = outer[own][:, rest], outer[rest][:, rest]
            explained = (predicts * (2 * cross - predicts @ between)).sum()
            errors[space] = errors.get(space, 0.0) + variance - float(explained)
            variances[space] = variances.get(space, 0.0) + variance
    return sum(errors[s] / variances[s] for s in errors) / len(errors) if errors else math.nan
