"""The low-rank latent model with missing blocks, fitted by EM from second moments alone.

    x_m = mu_m + W_m z + e_m,   z ~ N(0, I),   e_m ~ N(0, Psi_m)

for every space m; a row shows any subset of the spaces. With two spaces and Psi full this is probabilistic
CCA (Bach & Jordan 2005), with Psi diagonal factor analysis, with Psi isotropic probabilistic PCA (Tipping &
Bishop 1999); with blocks that are never seen together it joins data sets through the spaces they share.
z may have its own covariance in every data set, z ~ N(0, Phi_g), with I the mean over all rows.
Nothing here sees rows: groups hold n, S and which spaces are present.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from anybind.methods.linalg import cholesky, inverse_root, matrix_root, symmetric_eigh
from anybind.methods.noise import shaped, shrunk
from anybind.moments import Group

# Bounds of the correlation a latent direction starts from, and of the smallest share of an eigenvector
# that a space may have before its loading is scaled up; both only place EM's start.
_START_CORRELATION = (0.05, 0.8)
_SMALLEST_SHARE = 0.2
_LARGEST_COMMUNALITY = 0.95
# Isotropic pseudo-rows per dim added to each space's own covariance before it is whitened.
_START_SHRINKAGE = 0.5


@dataclass(frozen=True)
class LatentModel:
    """Loadings ``W`` (d, r) and noise covariances ``Psi`` (d, d) per space, float64.

    Attributes:
        loadings: Space -> W.
        noise: Space -> Psi.
        noise_shape: What Psi may be; see ``anybind.methods.noise``.
        priors: Data set -> (r, r) covariance of z among its rows; the identity in a data set without one.
    """

    loadings: Mapping[str, torch.Tensor]
    noise: Mapping[str, torch.Tensor]
    noise_shape: str = "full"
    priors: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Number of latent dims."""
        return next(iter(self.loadings.values())).shape[1]

    def information(self, space: str) -> tuple[torch.Tensor, torch.Tensor]:
        """What one space tells of z: (d, r) ``Psi^-1 W`` and (r, r) ``W' Psi^-1 W``."""
        factor = cholesky(self.noise[space], f"noise of space {space!r}")
        weighted = torch.cholesky_solve(self.loadings[space], factor)
        return weighted, self.loadings[space].T @ weighted

    def prior_precision(self, dataset: str) -> torch.Tensor:
        """(r, r) inverse covariance of z among the rows of a data set."""
        if dataset not in self.priors:
            return torch.eye(self.rank, dtype=torch.float64)
        return torch.cholesky_inverse(cholesky(self.priors[dataset], f"latent dims of data set {dataset!r}"))


def pooled_covariances(groups: Sequence[Group], spaces: Sequence[str]) -> dict[str, torch.Tensor]:
    """Each space's own (d, d) covariance, averaged over the groups that hold it by their row counts."""
    result = {}
    for space in spaces:
        holding = [g for g in groups if space in g.spaces]
        rows = sum(g.n for g in holding)
        blocks = [g.n / rows * g.block(space, space) for g in holding]
        result[space] = torch.stack(blocks).sum(0)
    return result


@dataclass(frozen=True)
class Start:
    """EM's starting point for every rank: leading eigenvectors of the whitened covariances, joined over data sets.

    Attributes:
        values: (D,) eigenvalues, descending.
        vectors: (D, D) eigenvectors of all spaces stacked.
        columns: Space -> its rows in ``vectors``.
        own: Space -> (d, d) its shrunk covariance.
        roots: Space -> (d, d) the root of that.
        datasets: Names of the data sets.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    columns: Mapping[str, slice]
    own: Mapping[str, torch.Tensor]
    roots: Mapping[str, torch.Tensor]
    datasets: Sequence[str]

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Start:
        """The start for what was observed together; one eigendecomposition of all spaces' dims."""
        spaces = sorted({space for g in groups for space in g.spaces})
        own = pooled_covariances(groups, spaces)
        rows = {space: sum(g.n for g in groups if space in g.spaces) for space in spaces}
        own = {s: shrunk(c, rows[s], _START_SHRINKAGE * len(c)) for s, c in own.items()}
        joined, columns = _whitened_joint(groups, spaces, own)
        values, vectors = symmetric_eigh(joined)
        roots = {s: matrix_root(c) for s, c in own.items()}
        datasets = sorted({g.dataset for g in groups})
        return cls(values.flip(0), vectors.flip(1), columns, own, roots, datasets)

    def model(self, rank: int, noise_shape: str = "full", *, own_priors: bool = False) -> LatentModel:
        """The starting model of a rank, at most the sum of the spaces' dims; EM keeps its kind.

        Args:
            rank: Latent dims.
            noise_shape: What the noise covariances may be.
            own_priors: Give every data set its own covariance of z.
        """
        strength = (self.values[:rank] / 2**0.5).clamp(*_START_CORRELATION).sqrt()
        loadings, noise = {}, {}
        for space, root in self.roots.items():
            part = self.vectors[self.columns[space], :rank]
            part = part / part.norm(dim=0).clamp(min=_SMALLEST_SHARE) * strength
            axes, lengths, _ = torch.linalg.svd(part, full_matrices=False)
            shared = root @ axes
            loadings[space] = root @ part
            left = self.own[space] - (shared * (lengths**2).clamp(0, _LARGEST_COMMUNALITY)) @ shared.T
            noise[space] = shaped(left, noise_shape)
        identity = torch.eye(rank, dtype=torch.float64)
        priors = dict.fromkeys(self.datasets, identity) if own_priors else {}
        return LatentModel(loadings, noise, noise_shape, priors)


def _whitened_joint(
    groups: Sequence[Group], spaces: Sequence[str], own: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, slice]]:
    """The (D, D) matrix of whitened cross-covariances; blocks never seen together, and diagonal ones, are 0.

    A block seen in few rows is damped by (n / (n + (d_a + d_b) / 2))^2, so that a tiny data set cannot steer:
    n unrelated whitened rows alone give singular values of about d / n, which a single factor leaves near 1.
    """
    white = {space: inverse_root(c) for space, c in own.items()}
    columns, width = {}, 0
    for space in spaces:
        columns[space] = slice(width, width + len(own[space]))
        width += len(own[space])
    joined = torch.zeros(width, width, dtype=torch.float64)
    for i, a in enumerate(spaces):
        for b in spaces[i + 1 :]:
            both = [g for g in groups if a in g.spaces and b in g.spaces]
            n = sum(g.n for g in both)
            if not n:
                continue
            cross = torch.stack([g.n / n * g.block(a, b) for g in both]).sum(0)
            damping = (n / (n + (len(own[a]) + len(own[b])) / 2)) ** 2
            joined[columns[a], columns[b]] = damping * white[a] @ cross @ white[b]
            joined[columns[b], columns[a]] = joined[columns[a], columns[b]].T
    return joined, columns


def run_em(model: LatentModel, groups: Sequence[Group], shrinkage: float, steps: int) -> LatentModel:
    """``steps`` EM steps."""
    for _ in range(steps):
        model = em_step(model, groups, shrinkage)
    return model


def em_step(model: LatentModel, groups: Sequence[Group], shrinkage: float) -> LatentModel:
    """One EM step (parameter-expanded: Liu, Rubin & Wu 1998); with ``shrinkage`` 0 the likelihood never falls.

    Args:
        model: The current model; the new one has noise of the same shape, and own priors where it has them.
        groups: What was observed together.
        shrinkage: Pseudo-rows of isotropic noise added to each noise covariance, in units of the
            space's dims / 2; 1 is the usual amount. Own priors are drawn to their mean alike.
    """
    expected = [(g, *_expectations(model, g)) for g in groups]
    # the mean over all rows of the covariance of z, which is then made the identity again
    rescale = cholesky(_mean_second_moment(expected), "second moment of the latent dims")
    loadings, noise = {}, {}
    for space in model.loadings:
        holding = [(g, zz, xz) for g, zz, xz in expected if space in g.spaces]
        n = sum(g.n for g, _, _ in holding)
        zz = _mean_second_moment(holding)
        xz = torch.stack([g.n / n * xz[g.columns[space]] for g, _, xz in holding]).sum(0)
        xx = torch.stack([g.n / n * g.block(space, space) for g, _, _ in holding]).sum(0)
        loading = torch.linalg.solve(zz, xz.T).T
        residual = xx - loading @ xz.T - xz @ loading.T + loading @ zz @ loading.T
        residual = shaped((residual + residual.T) / 2, model.noise_shape)
        noise[space] = shrunk(residual, n, shrinkage * len(xx) / 2)
        loadings[space] = loading @ rescale
    priors = {d: _own_prior([e for e in expected if e[0].dataset == d], rescale, shrinkage) for d in model.priors}
    return LatentModel(loadings, noise, model.noise_shape, priors)


Expected = tuple[Group, torch.Tensor, torch.Tensor]


def _mean_second_moment(expected: Sequence[Expected]) -> torch.Tensor:
    """(r, r) E[z z'], mean over the rows of some groups."""
    rows = sum(g.n for g, _, _ in expected)
    return torch.stack([g.n / rows * zz for g, zz, _ in expected]).sum(0)


def _own_prior(expected: Sequence[Expected], rescale: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """A data set's covariance of z, in the units in which the mean over all rows is the identity."""
    half = torch.linalg.solve_triangular(rescale, _mean_second_moment(expected), upper=False)
    own: torch.Tensor = torch.linalg.solve_triangular(rescale, half.T, upper=False)
    rows, pseudo_rows = sum(g.n for g, _, _ in expected), shrinkage * len(own) / 2
    identity = torch.eye(len(own), dtype=own.dtype)
    return (rows * (own + own.T) / 2 + pseudo_rows * identity) / (rows + pseudo_rows)


def _expectations(model: LatentModel, group: Group) -> tuple[torch.Tensor, torch.Tensor]:
    """E[z z'] (r, r) and E[x z'] (D, r) of a group, given what it shows."""
    parts = [model.information(space) for space in group.spaces]
    precision = model.prior_precision(group.dataset) + torch.stack([p for _, p in parts]).sum(0)
    posterior = torch.cholesky_inverse(cholesky(precision, "precision of the latent dims"))
    gain = torch.cat([weighted for weighted, _ in parts]) @ posterior
    xz = group.covariance @ gain
    return posterior + gain.T @ xz, xz


def log_likelihood(model: LatentModel, groups: Sequence[Group]) -> float:
    """Gaussian log-likelihood of the groups' covariances under the model, summed over rows, nats."""
    total = 0.0
    for g in groups:
        loading = torch.cat([model.loadings[s] for s in g.spaces])
        shared = loading @ model.priors[g.dataset] @ loading.T if g.dataset in model.priors else loading @ loading.T
        covariance = shared + torch.block_diag(*[model.noise[s] for s in g.spaces])  # type: ignore[no-untyped-call]
        factor = cholesky(covariance, f"covariance of spaces {', '.join(g.spaces)}")
        logdet = 2 * factor.diagonal().log().sum()
        trace = torch.cholesky_solve(g.covariance, factor).diagonal().sum()
        total -= g.n / 2 * float(logdet + trace + len(covariance) * math.log(2 * math.pi))
    return total


def space_by_space(groups: Sequence[Group]) -> list[Group]:
    """The groups' rows as if no two spaces had been seen together."""
    return [
        Group(g.dataset, (s,), g.n, g.mean[g.columns[s]], g.block(s, s), {s: slice(0, len(g.block(s, s)))})
        for g in groups
        for s in g.spaces
    ]


def posterior_map(model: LatentModel, space: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(d, r) map from centred rows to the posterior mean of z, and that mean's (r, r) covariance."""
    weighted, precision = model.information(space)
    identity = torch.eye(model.rank, dtype=torch.float64)
    posterior = torch.cholesky_inverse(cholesky(identity + precision, "precision of the latent dims"))
    return weighted @ posterior, identity - posterior
