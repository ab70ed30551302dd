"""How reliable each space is in the joint space, by rows that a fit has not seen.

Two spaces' embeddings of the same items correlate, as wholes, by::

    q_ab = tr C_ab / (tr C_aa tr C_bb)^1/2        C: covariances of held-out rows' embeddings

If either is what the item is, g times, plus noise of its own, ``q_ab = g_a g_b``. Over a loop of spaces that
tells every g; over a chain it does not, and the two ends of the hop that agrees best are taken to be alike.
``g^2 / (1 - g^2)`` is the signal over the noise: precisions add up.

In-sample correlations would not do: of a few hundred rows of many dims they are close to 1 whatever the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

import torch

from anybind.fit_data import FitData
from anybind.methods.selection import selection_folds

Pair = tuple[str, str]
Fitted = TypeVar("Fitted")
Embed = Callable[[Fitted, str, torch.Tensor], torch.Tensor]

_FOLDS = 3
# Less agreement than this is not told from none; more reliability than this is not told from certainty.
_LEAST, _MOST = 0.01, 0.999


def held_out_agreement(
    data: FitData,
    refit: Callable[[FitData], Fitted],
    embed: Embed[Fitted],
    expected: Callable[[Fitted, Pair], float] = lambda fitted, pair: 1.0,
    among: Collection[str] | None = None,
) -> dict[Pair, float]:
    """How far held-out rows of every two spaces that rows have together agree; the mean over folds and data sets.

    Args:
        data: Gives the folds, and the held-out rows.
        refit: The method fitted to the data less one fold.
        embed: (fitted, space, (n, d) rows) -> (n, r).
        expected: (fitted, pair) -> what q would be if the fit were right; q is told as a share of it.
        among: The spaces that can be embedded; all if None.

    Returns:
        Pair, in order of name -> q in (0, 1].

    Raises:
        SelectionError: too few paired rows can be held out.
    """
    edges = [edge for edge in data.moments.edges() if among is None or {*edge[1:]} <= {*among}]
    found: dict[Pair, list[float]] = {}
    for fold in selection_folds(data, edges, limit=_FOLDS):
        fitted = refit(data.without_fold(fold))
        for dataset, a, b in edges:
            if dataset not in data.samples:
                continue
            rows_a, rows_b = data.samples[dataset].paired(a, b, fold)
            if len(rows_a) >= 2:
                q = whole_correlation(embed(fitted, a, rows_a), embed(fitted, b, rows_b))
                found.setdefault((a, b), []).append(q / max(expected(fitted, (a, b)), _LEAST))
    return {pair: min(max(fmean(values), _LEAST), 1.0) for pair, values in found.items()}


def whole_correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    """``tr C_ab / (tr C_aa tr C_bb)^1/2`` of (n, r) rows of two spaces; 0 where either does not vary."""
    a, b = (rows.to(torch.float64) - rows.to(torch.float64).mean(0) for rows in (a, b))
    scale = float(a.square().sum() * b.square().sum()) ** 0.5
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def shared_out(agreement: Mapping[Pair, float]) -> dict[str, float]:
    """Space -> g in (0, 1], so that the g of a pair's two spaces multiply to its agreement, as nearly as can be.

    From the hop that agrees best downwards: two spaces not yet met are alike; one that meets a known space
    takes what is left. What loops and joined chains then leave over is shared out by least squares of logarithms.
    """
    known: dict[str, float] = {}
    for (a, b), q in sorted(agreement.items(), key=lambda each: (-each[1], each[0])):
        known.setdefault(a, math.log(q) - known[b] if b in known else math.log(q) / 2)
        known.setdefault(b, math.log(q) - known[a])
    spaces = sorted(known)
    if not spaces:
        return {}
    joins = torch.tensor([[float(space in pair) for space in spaces] for pair in agreement], dtype=torch.float64)
    start = torch.tensor([min(known[space], 0.0) for space in spaces], dtype=torch.float64)
    left = torch.tensor([math.log(q) for q in agreement.values()], dtype=torch.float64) - joins @ start
    logs = (start + torch.linalg.pinv(joins) @ left).clamp(max=0)
    return dict(zip(spaces, logs.exp().tolist(), strict=True))


def signal_over_noise(g: float) -> float:
    """``g^2 / (1 - g^2)``, finite."""
    g = min(g, _MOST)
    return g**2 / (1 - g**2)


def evidence_weights(g: Mapping[str, float], shown: Sequence[str]) -> list[float]:
    """What each shown space's embedding, of unit length, counts for: ``g / (1 - g^2)``, the largest being 1."""
    weights = [signal_over_noise(g[space]) / min(g[space], _MOST) for space in shown]
    return [weight / max(weights) for weight in weights]
