"""What pairs of A with B and of B with C leave open about A and C, free of assumptions on what joins them.

With x_A, x_C the coordinates in which the score is bilinear, s = x_A' W x_C, every covariance ::

    S_AC = S_AB S_B^-1 S_BC + S_{A|B}^1/2 K S_{C|B}^1/2,      K any contraction

agrees with both data sets (statistical matching: D'Orazio, Di Zio & Scanu 2006). Right pairs score tr(W' S_AC) on
average, which over all K is the composed mean plus or minus the nuclear norm of S_{A|B}^1/2 W S_{C|B}^1/2, and
every value between is reached. Per canonical direction of two spaces that is rho_AB rho_BC +- sqrt((1 - rho_AB^2)
(1 - rho_BC^2)).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch

from anybind.forecasting.composing import doubly_standardised
from anybind.methods.linalg import matrix_root

_RIDGES = (0.01, 0.1, 1.0, 10.0, 100.0)


def identified_mean(
    weights: torch.Tensor,
    cov_ab: torch.Tensor,
    cov_bc: torch.Tensor,
    cov_a: torch.Tensor,
    cov_b: torch.Tensor,
    cov_c: torch.Tensor,
) -> tuple[float, float]:
    """The least and the largest mean score of right pairs that the two edges' covariances allow.

    Args:
        weights: (d_a, d_c), W of the score.
        cov_ab, cov_bc: (d_a, d_b) and (d_b, d_c).
        cov_a, cov_b, cov_c: Of each space; that of B invertible.
    """
    onto_a, onto_c = torch.linalg.solve(cov_b, cov_ab.T).T, torch.linalg.solve(cov_b, cov_bc).T
    middle = float((weights * (onto_a @ cov_bc)).sum())
    left, right = matrix_root(cov_a - onto_a @ cov_ab.T), matrix_root(cov_c - onto_c @ cov_bc)
    reach = float(torch.linalg.matrix_norm(left @ weights @ right, ord="nuc"))
    return middle - reach, middle + reach


def open_separation(scores: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> float:
    """How far the separation may lie to either side of the composed one, estimated from held-out rows.

    What B's neighbours explain of A's and C's rows is taken off the score table by leave-one-out ridge regressions,
    so that a regression that explains nothing takes nothing off.

    Args:
        scores: (n_i, n_j) as for ``composed_separation``.
        before: (n_i, r) rows of the pivot next to A; of the same items as the rows of the scores.
        after: (n_j, r) rows of the pivot next to C; of the same items as the columns.
    """
    table = doubly_standardised(scores)
    left = _unexplained(table, before)
    both = _unexplained(left.T, after).T
    return float(torch.linalg.matrix_norm(both, ord="nuc")) / sqrt(table.shape[0] * table.shape[1])


def _unexplained(table: torch.Tensor, rows: torch.Tensor, ridges: Sequence[float] = _RIDGES) -> torch.Tensor:
    """What leave-one-out ridge regression on (n, r) rows leaves of an (n, m) table, at the best of some ridges."""
    rows = rows.to(torch.float64) - rows.to(torch.float64).mean(0)
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    values = values.clamp(min=0)
    best = table
    for ridge in ridges:
        smoother = (vectors * (values / (values + ridge * values.mean().clamp(min=1e-12)))) @ vectors.T
        left = (table - smoother @ table) / (1 - smoother.diagonal()).clamp(min=1e-6)[:, None]
        if float(left.square().sum()) < float(best.square().sum()):
            best = left
    return best
