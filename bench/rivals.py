"""What others use on paired rows: for ``side_by_side.py``.

``canonical`` is cca-zoo's RidgeCCA or MCCA, ``contrastive`` two heads trained by symmetric InfoNCE. Each comes
with settings that need no choice, and with a choice by retrieval on held-out rows and a fit to all rows after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Rows = Mapping[str, Any]
Pair = tuple[str, str]
Embed = Callable[[Tensor], Tensor]

HELD_OUT = 0.2
COMPONENTS = (8, 16, 24, 32, 48, 64, 96)
SHRINKAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
LEARNING_RATES, WEIGHT_DECAYS = (3e-4, 1e-3, 3e-3), (0.01, 1.0)
BATCH, EPOCHS, PATIENCE = 256, 100, 6
JOINT_DIM, HIDDEN, DROPOUT = 64, 256, 0.5  # without dropout the hidden layer costs 20 MRR points here


@dataclass(frozen=True)
class CosineScorer:
    """Cosine of two spaces' rows, each embedded."""

    embeds: Mapping[str, Embed]

    def score(self, a: str, rows_a: Tensor, b: str, rows_b: Tensor) -> Tensor:
        """(n_a, n_b) float32."""
        left, right = (nn.functional.normalize(self.embeds[s](rows), dim=1) for s, rows in ((a, rows_a), (b, rows_b)))
        return (left @ right.T).float()


def mrr(scorer: CosineScorer, rows: Rows, pair: Pair) -> float:
    """Mean reciprocal rank of paired rows of two spaces, mean of both directions."""
    a, b = pair
    table = scorer.score(a, torch.as_tensor(rows[a]), b, torch.as_tensor(rows[b]))
    ranks = [1 + (t > t.diagonal()[:, None]).sum(1) for t in (table, table.T)]
    return float(torch.cat(ranks).double().reciprocal().mean())


def split(rows: Rows) -> tuple[Rows, Rows]:
    """The rows to fit on and those held out; rows are in no order."""
    n = int(len(next(iter(rows.values()))) * (1 - HELD_OUT))
    return {s: x[:n] for s, x in rows.items()}, {s: x[n:] for s, x in rows.items()}


# ------------------------------------------------------------------------------------- cca-zoo


def canonical(model: Callable[..., Any], rows: Rows, pair: Pair, *, select: bool) -> CosineScorer:
    """A canonical correlation model of cca-zoo, by cosine of its variates.

    Args:
        model: RidgeCCA, or MCCA for more than two spaces.
        rows: Space -> (n, dim).
        pair: The two spaces that are to find each other.
        select: Choose components, shrinkage, and whether variates count by their correlation on held-out rows;
            otherwise 32 components at shrinkage .01, unweighted.
    """
    if not select:
        return _Variates.of(model, rows, pair, 0.01).scorer(32, 0)
    fitted_on, held_out = split(rows)
    best: tuple[float, float, int, int] = (-1.0, 0.01, 32, 0)
    for shrinkage in SHRINKAGES:
        variates = _Variates.of(model, fitted_on, pair, shrinkage)
        for components, power in product(COMPONENTS, (0, 1)):
            found = mrr(variates.scorer(components, power), held_out, pair)
            best = max(best, (found, shrinkage, components, power), key=lambda one: one[0])
    _, shrinkage, components, power = best
    return _Variates.of(model, rows, pair, shrinkage).scorer(components, power)


@dataclass(frozen=True)
class _Variates:
    """A fitted model's means and weights of two spaces, and the correlations of their variates."""

    means: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    correlations: Tensor

    @classmethod
    def of(cls, model: Callable[..., Any], rows: Rows, pair: Pair, shrinkage: float) -> _Variates:
        # shrinkage is towards the identity, so every space comes at mean variance 1
        scales = {space: float(x.var(0).mean()) ** -0.5 for space, x in rows.items()}
        views = [np.asarray(x, dtype=np.float64) * scales[space] for space, x in rows.items()]
        most = min(max(COMPONENTS), *(view.shape[1] for view in views))
        fitted = model(n_components=most, shrinkage=shrinkage).fit(views)
        variates = dict(zip(rows, fitted.transform(views), strict=True))
        u, v = (variates[space] / variates[space].std(0) for space in pair)
        weights = dict(zip(rows, fitted.weights_, strict=True))
        return cls(
            {space: torch.tensor(rows[space].mean(0, dtype=np.float64)) for space in pair},
            {space: torch.tensor(weights[space] * scales[space]) for space in pair},
            torch.tensor((u * v).mean(0)).clamp(min=0),
        )

    def scorer(self, components: int, power: int) -> CosineScorer:
        """By the leading components, weighted by correlation to a power."""
        strength = self.correlations[:components] ** power

        def embed(space: str) -> Embed:
            weights = self.weights[space][:, :components] * strength
            return lambda x: (x.double() - self.means[space]) @ weights

        return CosineScorer({space: embed(space) for space in self.weights})


# ------------------------------------------------------------------------------------- InfoNCE heads


@dataclass(frozen=True)
class Heads:
    """How two heads are trained.

    Attributes:
        hidden: Width of the hidden layer; 0 for linear heads.
        learning_rate, weight_decay: AdamW's.
        seed: Draws the first weights and the batches.
    """

    hidden: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0


def contrastive(heads: Heads, rows: Rows, *, select: bool) -> CosineScorer:
    """Two heads trained by symmetric InfoNCE with a learnt temperature, stopped early on held-out rows.

    Args:
        heads: What to train.
        rows: Two spaces -> (n, dim).
        select: Choose learning rate and weight decay too, on the same held-out rows.
    """
    fitted_on, held_out = split(rows)
    grid = [replace(heads, learning_rate=r, weight_decay=w) for r in LEARNING_RATES for w in WEIGHT_DECAYS]
    tried = [(*_trained(one, fitted_on, EPOCHS, held_out), one) for one in (grid if select else [heads])]
    _, best, epochs, chosen = max(tried, key=lambda one: one[0])
    return _trained(chosen, rows, epochs, None)[1] if select else best


def _trained(heads: Heads, rows: Rows, epochs: int, held_out: Rows | None) -> tuple[float, CosineScorer, int]:
    """(held-out MRR, scorer, epochs) of the best epoch, or of the last one without held-out rows."""
    generator = torch.Generator().manual_seed(heads.seed)
    inputs = {space: _Standard.of(x) for space, x in rows.items()}
    data = [inputs[space](torch.as_tensor(x)) for space, x in rows.items()]
    nets = [_Head(x.shape[1], heads.hidden, generator) for x in data]
    log_scale = nn.Parameter(torch.tensor(2.3))
    weights = [p for net in nets for p in net.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": heads.weight_decay}, {"params": [log_scale], "weight_decay": 0.0}],
        lr=heads.learning_rate,
    )
    first, second = rows
    best = (-1.0, CosineScorer({}), 0)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(data[0]), generator=generator).split(BATCH):
            a, b = (net(x[batch], dropout=generator) for net, x in zip(nets, data, strict=True))
            optimiser.zero_grad()
            _info_nce(a, b, log_scale).backward()
            optimiser.step()
        if held_out is not None:
            scorer = _scorer(rows, inputs, nets)
            found = mrr(scorer, held_out, (first, second))
            best = max(best, (found, scorer, epoch), key=lambda one: one[0])
            if epoch - best[2] >= PATIENCE:
                break
    return best if held_out is not None else (0.0, _scorer(rows, inputs, nets), epochs)


def _info_nce(a: Tensor, b: Tensor, log_scale: Tensor) -> Tensor:
    logits = nn.functional.normalize(a, dim=1) @ nn.functional.normalize(b, dim=1).T * log_scale.exp().clamp(max=100)
    truth = torch.arange(len(a))
    return nn.functional.cross_entropy(logits, truth) + nn.functional.cross_entropy(logits.T, truth)


@dataclass(frozen=True)
class _Standard:
    """Centres rows and scales them to mean variance 1."""

    mean: Tensor
    scale: float

    @classmethod
    def of(cls, rows: Any) -> _Standard:
        x = torch.as_tensor(rows)
        return cls(x.mean(0), float(x.var(0).mean()) ** -0.5)

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale


class _Head(nn.Module):
    """A linear map, or one with a hidden layer, GELU and dropout."""

    def __init__(self, dim: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = [dim, *([hidden] if hidden else []), JOINT_DIM]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        with torch.no_grad():
            for layer in self.layers:
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * layer.in_features**-0.5)
                layer.bias.zero_()

    def forward(self, x: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        for layer in self.layers[:-1]:
            x = nn.functional.gelu(layer(x))
            if dropout is not None:
                x = x * (torch.rand(x.shape, generator=dropout) > DROPOUT) / (1 - DROPOUT)
        return self.layers[-1](x)


def _scorer(rows: Rows, inputs: Mapping[str, _Standard], nets: Sequence[nn.Module]) -> CosineScorer:
    """The heads as they are now."""

    def embed(standard: _Standard, net: nn.Module) -> Embed:
        frozen = deepcopy(net).requires_grad_(False)
        return lambda x: frozen(standard(x))

    return CosineScorer({space: embed(inputs[space], net) for space, net in zip(rows, nets, strict=True)})
