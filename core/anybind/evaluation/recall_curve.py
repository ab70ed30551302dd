"""Retrieval at smaller galleries than the one that was measured: exact means over all that can be drawn from it.

Of n test items, a gallery of g holds the query's right item and g - 1 of its n - 1 wrong ones. How many of those
score above the right one then follows the hypergeometric distribution, so that nothing need be drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from anybind.errors import EvaluationError, ShapeError
from anybind.evaluation.evaluate import Scorer
from anybind.retrieval import DEFAULT_MEMORY_LIMIT, ROUNDING
from anybind.retrieval_metrics import DEFAULT_KS, check_ks

Forecasting: TypeAlias = Callable[[int], Mapping[str, Any] | None]

_BYTES_PER_SCORE = 8
_SMALLEST = 10  # the smallest gallery of a curve, where there are more items


@dataclass(frozen=True)
class Beaten:
    """For each query, how its right item stands among the wrong ones.

    Attributes:
        above: (q,) int64, wrong items that score above the right one.
        tied: (q,) int64, wrong items that score the same.
        wrong: How many wrong items there are.
    """

    above: torch.Tensor
    tied: torch.Tensor
    wrong: int

    def at(self, gallery: int, ks: Sequence[int] = DEFAULT_KS) -> tuple[float, dict[int, float]]:
        """Mean reciprocal rank and recall, in the mean over all galleries of this size; ties count half.

        Args:
            gallery: From 1 to all items.
            ks: The cut-offs of recall.

        Raises:
            EvaluationError: there are not so many items, or a cut-off is not positive.

        Cost: a query with ties takes a sum over all counts of items above and tied, others a closed form.
        """
        check_ks(ks)
        if not 1 <= gallery <= self.wrong + 1:
            raise EvaluationError("A gallery cannot be drawn from these items.", got=f"{gallery} items",
                                  expected=f"1 to {self.wrong + 1}")  # fmt: skip
        if gallery == self.wrong + 1:
            ranks = 1 + self.above.double() + self.tied.double() / 2
            return float((1 / ranks).mean()), {k: float((ranks <= k).double().mean()) for k in ks}
        free = self.tied == 0
        parts = [_untied(self.above[free].double(), self.wrong, gallery, ks)]
        counts, repeats = torch.unique(torch.stack([self.above, self.tied], 1)[~free], dim=0, return_counts=True)
        for (above, tied), times in zip(counts.tolist(), repeats.tolist(), strict=True):
            parts.append(times * _tied(above, tied, self.wrong, gallery, ks))
        mrr, *recall = (torch.stack(parts).sum(0) / len(self.above)).tolist()
        return mrr, dict(zip(ks, recall, strict=True))


def recall_curve(
    binder: Scorer,
    spaces: Mapping[str, torch.Tensor],
    pair: tuple[str, str],
    *,
    galleries: Sequence[int] | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    forecast: Forecasting | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> list[dict[str, Any]]:
    """How retrieval between two spaces falls as the gallery grows: the mean of both directions.

    Scores ties as ``evaluate``, so that the last point, where the gallery holds every item, is its result.

    Args:
        binder: Anything with ``score(space_a, a, space_b, b)``.
        spaces: Space -> (n, dim) float32; row i of both spaces of the pair is the same item.
        pair: The two spaces.
        galleries: Sizes from 2 to n; ``gallery_sizes(n)`` if None.
        ks: The cut-offs of recall.
        forecast: Size -> what was forecast for it (``Forecast.to_dict``), or None.
        memory_limit: Bytes one tile of scores may take.

    Returns:
        One entry per size as plain JSON values: ``gallery``, ``mrr``, ``recall`` and ``forecast``; fractions of 1.

    Raises:
        ShapeError: the two have not as many rows, or fewer than two.
        EvaluationError: a score is NaN or infinite, or a gallery is larger than the test.
    """
    found = beaten(binder, spaces, pair, memory_limit=memory_limit)
    sizes = gallery_sizes(found.wrong + 1) if galleries is None else galleries
    return [_point(found, size, ks, forecast) for size in sizes]


def mean_curve(curves: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The mean over several seeds, at the sizes that all of them have; the forecast is that of the first."""
    shared = set.intersection(*({point["gallery"] for point in curve} for curve in curves)) if curves else set()
    by_size = [{point["gallery"]: point for point in curve} for curve in curves]
    return [_mean_point([curve[size] for curve in by_size]) for size in sorted(shared)]


def gallery_sizes(items: int) -> list[int]:
    """10, 20, 50, 100, ... below the number of items, and that number; from 2 where there are few items."""
    series = [digit * 10**power for power in range(len(str(items))) for digit in (1, 2, 5)]
    least = _SMALLEST if items > _SMALLEST else 2
    return [*(size for size in series if least <= size < items), items]


def beaten(
    binder: Scorer,
    spaces: Mapping[str, torch.Tensor],
    pair: tuple[str, str],
    *,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Beaten:
    """Count, for the 2 n queries of both directions, the wrong items above the right one and level with it.

    Arguments and errors as ``recall_curve``.
    """
    (name_a, a), (name_b, b) = ((name, spaces[name]) for name in pair)
    n = len(a)
    if len(b) != n or n < 2:
        raise ShapeError("Paired spaces must have as many rows, and two at least.", got=f"{n} and {len(b)} rows",
                         where=f"spaces {name_a!r} and {name_b!r}")  # fmt: skip
    whole = getattr(binder, "scores_batches", False)
    chunks = list(_chunks(n, n if whole else max(1, memory_limit // (_BYTES_PER_SCORE * n))))
    own = torch.cat([binder.score(name_a, a[rows], name_b, b[rows]).diagonal() for rows in chunks]).double()
    tolerance = 0.0 if whole else ROUNDING  # as ``evaluate`` compares them
    above, level = torch.zeros(2, n, dtype=torch.int64), torch.zeros(2, n, dtype=torch.int64)
    for rows in chunks:
        scores = binder.score(name_a, a[rows], name_b, b).double()
        if not bool(torch.isfinite(scores).all()):
            raise EvaluationError("A score is NaN or infinite.", where=f"spaces {name_a!r} and {name_b!r}")
        there = _compared(scores, own[rows][:, None], rows, tolerance)
        back = _compared(scores, own[None, :], rows, tolerance)
        for counts, (forward, backward) in zip((above, level), zip(there, back, strict=True), strict=True):
            counts[0, rows] = forward.sum(1)
            counts[1] += backward.sum(0)
    return Beaten(above.flatten(), level.flatten(), n - 1)


def _compared(scores: torch.Tensor, own: torch.Tensor, rows: slice, tolerance: float) -> tuple[torch.Tensor, ...]:
    """Which scores lie above the right items' and which level with them; an item is not compared with itself."""
    slack = tolerance * own.abs()
    above, reaching = scores > (own + slack).float(), scores >= (own - slack).float()
    for mask in (above, reaching):
        mask[torch.arange(len(scores)), torch.arange(rows.start, rows.stop)] = False
    return above, reaching & ~above


def _chunks(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def _untied(above: torch.Tensor, wrong: int, gallery: int, ks: Sequence[int]) -> torch.Tensor:
    """Sums over queries of E[1 / (1 + X)] and P(X < k), X hypergeometric: of g - 1 drawn, those above.

    E[1 / (1 + X)] = (N / (g (a + 1))) (1 - C(N - 1 - a, g) / C(N, g)) for N items, a of them above. The ratio is a
    product of a + 1 factors 1 - g / (N - j): logarithms of factorials would lose it in rounding.
    """
    items = wrong + 1 - torch.arange(int(above.max()) + 1 if len(above) else 0, dtype=torch.float64)
    log_none = torch.log((1 - gallery / items).clamp(min=0)).cumsum(0)[above.long()]
    reciprocal = (wrong + 1) / ((above + 1) * gallery) * -torch.expm1(log_none)
    counts = torch.arange(max(ks), dtype=torch.float64)
    below = torch.exp(_log_ways(counts, above[:, None], wrong, gallery - 1)).cumsum(1).clamp(max=1)
    return torch.stack([reciprocal.sum(), *(below[:, k - 1].sum() for k in ks)])


def _tied(above: int, tied: int, wrong: int, gallery: int, ks: Sequence[int]) -> torch.Tensor:
    """The same for one query with ties: over how many of the drawn are tied, and how many are above."""
    drawn = gallery - 1
    level = torch.arange(min(tied, drawn) + 1, dtype=torch.float64)[:, None]
    higher = torch.arange(min(above, drawn) + 1, dtype=torch.float64)
    log_chance = _log_ways(higher, torch.tensor(above), wrong, drawn, level, tied)
    chance, ranks = torch.exp(log_chance), 1 + higher + level / 2
    return torch.stack([(chance / ranks).sum(), *(chance[ranks <= k].sum() for k in ks)])


def _log_ways(
    higher: torch.Tensor, above: torch.Tensor, wrong: int, drawn: int, level: torch.Tensor | float = 0.0, tied: int = 0
) -> torch.Tensor:
    """log P(of ``drawn`` items ``higher`` are of those above and ``level`` of those tied)."""
    taken = torch.as_tensor(level, dtype=torch.float64)
    ways = _log_choose(above, higher) + _log_choose(torch.tensor(tied), taken)
    rest = _log_choose(wrong - tied - above, drawn - higher - taken)
    return ways + rest - _log_choose(torch.tensor(wrong), torch.tensor(drawn))


def _log_choose(n: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """log of the binomial coefficient; -inf where there is no way to choose."""
    n, k = n.double(), k.double()
    inside = (k >= 0) & (k <= n)
    chosen = torch.lgamma(n + 1) - torch.lgamma(k.clamp(min=0) + 1) - torch.lgamma((n - k).clamp(min=0) + 1)
    return torch.where(inside, chosen, -torch.inf)


def _point(found: Beaten, gallery: int, ks: Sequence[int], forecast: Forecasting | None) -> dict[str, Any]:
    mrr, recall = found.at(gallery, ks)
    told = forecast(gallery) if forecast is not None and gallery > 1 else None
    kept = {name: told[name] for name in ("mrr", "mrr_interval", "recall")} if told is not None else None
    shares = {str(k): share for k, share in recall.items()}
    return {"gallery": gallery, "mrr": mrr, "recall": shares, "forecast": kept}


def _mean_point(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = points[0]
    recall = {k: sum(point["recall"][k] for point in points) / len(points) for k in first["recall"]}
    return {**first, "mrr": sum(point["mrr"] for point in points) / len(points), "recall": recall}
