"""How a method's scores of rows that do not belong together are spread, so that methods' scores can be averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch

from anybind.errors import SelectionError
from anybind.fit_data import FitData
from anybind.methods.joined import connected_parts
from anybind.methods.linalg import matrix_root
from anybind.moments import Moments

if TYPE_CHECKING:
    from anybind.protocols import BinderMethod

Pair = tuple[str, str]
SomeRows = tuple[list[str], torch.Tensor]  # ids and rows

# Rows of each space whose scores tell how a method's scores of unrelated rows are spread.
_UNRELATED = 500


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a method's scores of unrelated rows of a pair of spaces."""

    mean: float
    deviation: float


def every_spread(
    members: Mapping[str, BinderMethod], moments: Moments, targets: Sequence[Pair], some: Mapping[str, SomeRows]
) -> dict[Pair, dict[str, Spread]]:
    """For the targets, or else all that is joined, how each method's scores of unrelated rows are spread."""
    joined = [pair for part in connected_parts(moments) for pair in combinations(sorted(part), 2)]
    pairs = [(min(pair), max(pair)) for pair in targets] or joined
    return {(a, b): _spreads(members, a, some[a], b, some[b]) for a, b in dict.fromkeys(pairs)}


def _spreads(
    members: Mapping[str, BinderMethod], a: str, some_a: SomeRows, b: str, some_b: SomeRows
) -> dict[str, Spread]:
    (ids_a, rows_a), (ids_b, rows_b) = some_a, some_b
    unrelated = torch.tensor([[x != y for y in ids_b] for x in ids_a], dtype=torch.bool)
    if int(unrelated.sum()) < 2:
        raise SelectionError(
            "scores cannot be calibrated without rows", where=f"{a!r} and {b!r}",
            hint="use combine: first where data sets may not show rows",
        )  # fmt: skip
    spreads = {}
    for name, method in members.items():
        scores = method.score(a, rows_a, b, rows_b)[unrelated].to(torch.float64)
        spreads[name] = Spread(float(scores.mean()), max(float(scores.std()), 1e-12))
    return spreads


def some_rows(data: FitData, space: str) -> SomeRows:
    """Ids and rows of a space, from all data sets that hold it in turn."""
    ids: list[str] = []
    rows = []
    holding = [sample for sample in data.samples.values() if space in sample.vectors]
    for sample in holding:
        held = sample.present[space].nonzero()[:, 0][: _UNRELATED // len(holding)]
        ids += [sample.ids[i] for i in held.tolist()]
        rows.append(sample.vectors[space][held])
    return ids, torch.cat(rows) if rows else torch.zeros(0, data.dims[space])


def drawn_rows(moments: Moments) -> dict[str, SomeRows]:
    """Space -> rows as normal distributions would have them, one for each group that holds the space, in turn."""
    groups, generator = moments.groups(), torch.Generator().manual_seed(0)
    found: dict[str, SomeRows] = {}
    for space, dim in sorted(moments.dims.items()):
        holding = [group for group in groups if space in group.spaces]
        rows = []
        for group in holding:
            standard = torch.randn(-(-_UNRELATED // len(holding)), dim, generator=generator, dtype=torch.float64)
            rows.append(standard @ matrix_root(group.block(space, space)) + group.mean[group.columns[space]])
        drawn = torch.cat(rows).to(torch.float32)
        found[space] = [f"{space} {row}" for row in range(len(drawn))], drawn
    return found
