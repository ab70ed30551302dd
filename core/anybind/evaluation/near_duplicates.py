"""Near-duplicates among vectors of one space: the nearest rows, and how near different items come by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

FALSE_ALARMS = 0.05  # the share of finds that chance may explain
# Equal samples get vectors a few units in the last place apart when they are encoded in other batches (6e-7 measured).
ROUNDING = 1e-5
_QUERIES_AT_ONCE, _ROWS_AT_ONCE = 2048, 8192
_FEWEST = 20  # distances, below which their quantiles say too little
_UPPER = 0.9


class NearestRows:
    """For every query the row with the highest cosine, among rows that stream by.

    Takes the memory of the queries three times, and 64 MiB for a tile of cosines, however many rows there are.

    Args:
        queries: (n, dim) float32, finite.
        families: One name per query: rows of a query's own family are passed over. None passes over nothing.

    Attributes:
        ids: For every query the id of its nearest row so far; "" before there is one.
    """

    def __init__(self, queries: torch.Tensor, families: Sequence[str] | None = None) -> None:
        self.ids = [""] * len(queries)
        self._queries = queries
        self._directions = torch.nn.functional.normalize(queries, dim=1)
        self._cosines = torch.full((len(queries),), -math.inf)
        self._rows = torch.zeros_like(queries)
        self._codes = {name: code for code, name in enumerate(families or ())}  # names that repeat share the last
        self._families = None if families is None else torch.tensor([self._codes[name] for name in families])

    def offer(self, rows: torch.Tensor, ids: Sequence[str], families: Sequence[str] | None = None) -> None:
        """Look at more rows: (k, dim) float32 with their ids, and their families if those are not their ids."""
        names = families or ids
        for part in _parts(len(rows), _ROWS_AT_ONCE):
            self._look(rows[part], ids[part], names[part])

    def _look(self, rows: torch.Tensor, ids: Sequence[str], families: Sequence[str]) -> None:
        directions = torch.nn.functional.normalize(rows, dim=1)
        own = None if self._families is None else torch.tensor([self._codes.get(name, -1) for name in families])
        for part in _parts(len(self._queries)):
            tile = self._directions[part] @ directions.T
            if self._families is not None and own is not None:
                tile.masked_fill_(self._families[part, None] == own[None], -math.inf)
            best = tile.amax(dim=1)  # several times as fast as with positions, which few rows need
            better = torch.nonzero(best > self._cosines[part]).flatten()
            nearest = tile[better].argmax(dim=1)
            improved = part.start + better
            self._cosines[improved] = best[better]
            self._rows[improved] = rows[nearest]
            for query, row in zip(improved.tolist(), nearest.tolist(), strict=True):
                self.ids[query] = ids[row]

    def distances(self) -> torch.Tensor:
        """(n,) float64 distances of the unit vectors, in [0, 2]; infinite where there was no row to look at.

        A float32 cosine near 1 is too coarse to tell how near: this is computed from the two vectors again.
        """
        distances = torch.full((len(self._queries),), math.inf, dtype=torch.float64)
        for part in _parts(len(self._queries)):
            distances[part] = torch.linalg.vector_norm(_unit(self._queries[part]) - _unit(self._rows[part]), dim=1)
        return distances.masked_fill(self._cosines.isinf(), math.inf)

    def equal(self) -> torch.Tensor:
        """(n,) bool: queries that equal their nearest row up to rounding."""
        difference = torch.linalg.vector_norm(self._queries - self._rows, dim=1)
        close: torch.Tensor = difference <= ROUNDING * torch.linalg.vector_norm(self._queries, dim=1)
        return close & ~self._cosines.isinf()


@dataclass(frozen=True)
class Chance:
    """How near different items of a space come to each other.

    Where different items lie like a Poisson process of dimension k, the distance of an item to the nearest of
    n others is Weibull with shape k and a scale that goes as n^(-1/k) (Bickel & Breiman 1983, Annals of Probability
    11(1), 185-214; the shape is the intrinsic dimension of Pettis et al. 1979, IEEE TPAMI 1(1), 25-37). Shape and
    scale come from the median and the 90 % quantile, so that nearly half of the items may have copies among them.
    Where density varies these lie further apart than in any one place, and small distances become likelier: the
    check grows careful.

    Attributes:
        rows: Among how many rows the nearest was sought.
        median: Of the distances, above 0.
        shape_inverse: 1 / k, at least 0.
    """

    rows: int
    median: float
    shape_inverse: float

    @classmethod
    def of(cls, nearest: torch.Tensor, rows: int) -> Chance | None:
        """Learn it from (q,) distances to the nearest different one among ``rows`` items, finite or not.

        None when it cannot be told: fewer than 20 finite distances, or half of the items have a copy among the others.
        """
        nearest = nearest[nearest.isfinite()]
        if len(nearest) < _FEWEST:
            return None
        median, upper = torch.quantile(nearest, torch.tensor([0.5, _UPPER], dtype=nearest.dtype)).tolist()
        if median <= ROUNDING:
            return None
        return cls(rows, median, math.log(upper / median) / math.log(math.log(1 - _UPPER) / math.log(0.5)))

    def distance(self, probability: torch.Tensor, rows: int) -> torch.Tensor:
        """Below which the nearest of ``rows`` different items comes with that probability; at most half the median.

        At most half, since what is merely related is no duplicate.
        """
        hazard = -torch.log1p(-probability) / math.log(2) * self.rows / rows
        return torch.clamp(self.median * hazard**self.shape_inverse, max=self.median / 2)


def duplicate_distance(nearest: torch.Tensor, rows: int, chances: Sequence[Chance]) -> float:
    """The distance below which items count as near-duplicates: of those that do, chance explains one in twenty.

    The rule of Benjamini & Hochberg (1995, JRSS B 57(1), 289-300): with i finds among m items each may have a
    probability of i / m of a twentieth. Where there are no near-duplicates, one check in twenty finds some.

    Args:
        nearest: (m,) distances from every item to the nearest of ``rows`` others, m at least 1.
        rows: How many others.
        chances: What is known of chance, at least one; the most careful one counts.
    """
    shares = torch.arange(1, len(nearest) + 1, dtype=torch.float64) / len(nearest)
    limits = torch.stack([chance.distance(FALSE_ALARMS * shares, rows) for chance in chances]).amin(dim=0)
    below = torch.nonzero(nearest.sort().values < limits).flatten()
    return float(limits[below[-1] if len(below) else 0])


def _parts(rows: int, at_once: int = _QUERIES_AT_ONCE) -> Iterator[slice]:
    for start in range(0, rows, at_once):
        yield slice(start, start + at_once)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors.double(), dim=1)
