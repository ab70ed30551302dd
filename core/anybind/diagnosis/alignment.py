"""How alike two spaces are as they stand, before anything is fitted: linear CKA without bias."""

from __future__ import annotations

import math

import torch


def unbiased_cka(a: torch.Tensor, b: torch.Tensor) -> float:
    """Centred kernel alignment with linear kernels and the unbiased estimator of HSIC.

    HSIC as in Song et al. (2012, JMLR 13, eq. 5), CKA of it as in Nguyen, Raghu and Kornblith (2021,
    arXiv:2010.15327, eq. 2-3). About 0 for unrelated spaces whatever their dims, where the usual CKA goes to 1
    with few rows and many dims; 1 for spaces that differ by a rotation, a scale and an offset.

    Args:
        a: (n, d_a), n at least 4.
        b: (n, d_b); row i is the same item.

    Returns:
        At most 1; may be slightly negative. 0 when one side does not vary.
    """
    gram_a, gram_b = _gram(a), _gram(b)
    scale = _hsic(gram_a, gram_a) * _hsic(gram_b, gram_b)
    return _hsic(gram_a, gram_b) / math.sqrt(scale) if scale > 0 else 0.0


def _gram(rows: torch.Tensor) -> torch.Tensor:
    """Inner products of centred rows, the diagonal left out. HSIC does not see the centring; rounding does."""
    centred = rows.double() - rows.double().mean(0)
    return (centred @ centred.T).fill_diagonal_(0.0)


def _hsic(k: torch.Tensor, l: torch.Tensor) -> float:  # noqa: E741 (the paper's names)
    n = len(k)
    trace = float((k * l).sum())
    sums = float(k.sum() * l.sum()) / ((n - 1) * (n - 2))
    cross = 2 * float(k.sum(0) @ l.sum(0)) / (n - 2)
    return (trace + sums - cross) / (n * (n - 3))
