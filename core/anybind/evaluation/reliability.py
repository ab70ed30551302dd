"""Whether probabilities come true: of what is said to be so with probability p, a share p should be so.

The expected calibration error (Guo et al. 2017, equation 3) is the mean gap between the two over bins of similar
probabilities, weighted by what is in each. The bins hold equally much (adaptive bins, Nixon et al. 2019): equally wide
ones would hold next to nothing where most probabilities are small.
"""

from __future__ import annotations

from typing import Any

import torch

from anybind.errors import ShapeError, UsageError

BINS = 15


def reliability(probabilities: torch.Tensor, same: torch.Tensor, *, prior: float, bins: int = BINS) -> dict[str, Any]:
    """A reliability table of the probabilities of being the same item.

    Args:
        probabilities: In [0, 1], of any shape; calculated at the prior.
        same: Booleans in the same shape: whether it is so. Some are, and some are not.
        prior: The share of right pairs that the probabilities were calculated for. Right and wrong pairs are
            weighted so that right ones make up this share; the weights are 1 where they do already.
        bins: At most so many, of equal weight; equal probabilities stay together.

    Returns:
        Plain JSON values: ``bins``, from low to high, each with its ``low`` and ``high`` probability, the mean
        ``predicted`` one, the ``observed`` share and the ``count`` of pairs; ``ece``; ``prior``.

    Raises:
        ShapeError: the two differ in shape.
        UsageError: there are no pairs of one kind, or a number is out of its range.
    """
    if probabilities.shape != same.shape:
        raise ShapeError("every probability needs its truth", got=tuple(same.shape),
                         expected=tuple(probabilities.shape))  # fmt: skip
    p, truth = probabilities.to(torch.float64).flatten(), same.to(torch.bool).flatten()
    _check(p, truth, prior, bins)
    share = float(truth.to(torch.float64).mean())
    weights = torch.where(truth, prior / share, (1 - prior) / (1 - share)).to(torch.float64)
    order = p.argsort(stable=True)
    p, truth, weights = p[order], truth[order], weights[order] / weights.sum()
    middle = weights.cumsum(0) - weights / 2
    cuts = [float(p[min(int((middle < k / bins).sum()), len(p) - 1)]) for k in range(1, bins)]
    edges = torch.tensor(sorted(set(cuts)), dtype=torch.float64)
    place = torch.searchsorted(edges, p, right=True)
    rows, gap = [], 0.0
    for k in range(len(edges) + 1):
        chosen = place == k
        if bool(chosen.any()):
            weight = weights[chosen]
            predicted = float((weight * p[chosen]).sum() / weight.sum())
            observed = float((weight * truth[chosen]).sum() / weight.sum())
            gap += float(weight.sum()) * abs(predicted - observed)
            low, high = float(p[chosen].min()), float(p[chosen].max())
            rows.append({"low": low, "high": high, "predicted": predicted, "observed": observed,
                         "count": int(chosen.sum())})  # fmt: skip
    return {"bins": rows, "ece": gap, "prior": prior}


def _check(p: torch.Tensor, truth: torch.Tensor, prior: float, bins: int) -> None:
    if not bool(truth.any()) or bool(truth.all()):
        raise UsageError("a reliability table needs right pairs and wrong ones",
                         got=f"{int(truth.sum())} right ones of {len(truth)}")  # fmt: skip
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise UsageError("a probability is out of its range", got=f"{float(p.min()):g} to {float(p.max()):g}",
                         expected="0 to 1")  # fmt: skip
    if not 0 < prior < 1 or bins < 1:
        raise UsageError("the prior must lie between 0 and 1, and there must be a bin", got=f"{prior:g} and {bins}")
