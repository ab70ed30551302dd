"""The same arrays, in one run: anybind's closed forms, cca-zoo's RidgeCCA and MCCA, and plain InfoNCE heads.

Prints a Markdown table: accuracy on paired data, with bootstrap intervals over the test items of all worlds, and
the time of a fit without and with model selection. The last column is the difference of the default, fitted on
the same spaces, in MRR points, with its 95 % bootstrap interval over items.

    python bench/side_by_side.py [--rows 5000] [--worlds 2]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Any

import rivals
import torch
from cca_zoo.linear import MCCA, RidgeCCA
from rivals import Heads, canonical, contrastive
from synthetic_world import Rows, World

import anybind
from anybind.evaluation.bootstrap import bootstrap_intervals

TEST_PAIRS = 1000
PAIR, TRIPLE = ("a", "c"), ("a", "b", "c")
FIXED = {"features": "identity", "rank": 32, "shrinkage": 1.0}

Fit = Callable[[Rows], Any]


@dataclass(frozen=True)
class Contestant:
    """A row of the table: the spaces that it sees, and how it is fitted."""

    name: str
    spaces: tuple[str, ...]
    selection: str
    fit: Fit


@dataclass
class Found:
    """What a contestant did in all worlds: per-item reciprocal ranks and hits at 10, and seconds per fit."""

    reciprocal: list[torch.Tensor] = field(default_factory=list)
    hits: list[torch.Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def interval(self, of: str) -> tuple[float, float, float]:
        """Mean, low and high, in per cent, over the items of all worlds."""
        return _interval(torch.cat(getattr(self, of)))


def ours(method: str, **options: Any) -> Fit:
    """One of anybind's methods."""

    def fit(rows: Rows) -> Any:
        return anybind.fit({"paired": rows}, method=method, options=options, targets=[PAIR], normalise=False,
                           forecast=False)  # fmt: skip

    return fit


def heads(hidden: int, select: bool) -> Fit:
    """InfoNCE heads."""
    return lambda rows: contrastive(Heads(hidden), rows, select=select)


def contestants() -> list[Contestant]:
    """All rows, the default first among those that see the same spaces."""
    choices = (("no", False), ("yes", True))
    return [
        Contestant("auto (the default)", PAIR, "yes", ours("auto")),
        Contestant("pcca", PAIR, "yes", ours("pcca")),
        Contestant("pcca", PAIR, "no", ours("pcca", **FIXED)),
        Contestant("cca-chain", PAIR, "yes", ours("cca-chain")),
        Contestant("ridge-chain", PAIR, "yes", ours("ridge-chain")),
        *(Contestant("cca-zoo RidgeCCA", PAIR, word, partial(canonical, RidgeCCA, pair=PAIR, select=select))
          for word, select in choices),
        *(Contestant("InfoNCE, linear heads", PAIR, word, heads(0, select)) for word, select in choices),
        *(Contestant("InfoNCE, MLP heads", PAIR, word, heads(rivals.HIDDEN, select)) for word, select in choices),
        Contestant("auto (the default)", TRIPLE, "yes", ours("auto")),
        *(Contestant("cca-zoo MCCA", TRIPLE, word, partial(canonical, MCCA, pair=PAIR, select=select))
          for word, select in choices),
    ]  # fmt: skip


def main() -> None:
    """Run the worlds and print the table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    everyone = contestants()
    found = run(everyone, rows=arguments.rows, worlds=range(arguments.worlds))
    print(f"{arguments.rows} paired rows, {TEST_PAIRS} test pairs, both directions, {arguments.worlds} worlds.\n")
    for line in table(everyone, found):
        print(line)


def run(everyone: list[Contestant], *, rows: int, worlds: range, test_pairs: int = TEST_PAIRS) -> list[Found]:
    """Fit and test every contestant on the rows of every world."""
    results = [Found() for _ in everyone]
    for seed in worlds:
        world = World(seed)
        train, test = world.draw(rows, TRIPLE, domain=0, seed=100), world.test(test_pairs)
        for contestant, found in zip(everyone, results, strict=True):
            start = time.perf_counter()
            scorer = contestant.fit({space: train[space] for space in contestant.spaces})
            found.seconds.append(time.perf_counter() - start)
            reciprocal, hits = _per_item(scorer, test)
            found.reciprocal.append(reciprocal)
            found.hits.append(hits)
    return results


def _per_item(scorer: Any, test: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Reciprocal ranks and hits at 10 of every item, mean of both directions."""
    a, c = (torch.as_tensor(test[space]) for space in PAIR)
    table = scorer.score(PAIR[0], a, PAIR[1], c)
    ranks = [1.0 + (t > t.diagonal()[:, None]).sum(1).double() for t in (table, table.T)]
    return sum(1 / rank for rank in ranks) / 2, sum((rank <= 10).double() for rank in ranks) / 2


def table(everyone: list[Contestant], found: list[Found]) -> list[str]:
    """The Markdown lines."""
    defaults: Mapping[tuple[str, ...], Found] = {
        contestant.spaces: one for contestant, one in reversed(list(zip(everyone, found, strict=True)))
    }
    lines = [
        "| method | spaces | model selection | MRR | R@10 | seconds | difference of the default, MRR points |",
        "|---|---|---|---|---|---|---|",
    ]
    for contestant, one in zip(everyone, found, strict=True):
        mrr, recall = (_shown(one.interval(of)) for of in ("reciprocal", "hits"))
        default = defaults[contestant.spaces]
        difference = "" if one is default else _shown(difference_of(default, one), "+.1f")
        cells = (contestant.name, ", ".join(contestant.spaces), contestant.selection, mrr, recall)
        lines.append(f"| {' | '.join(cells)} | {fmean(one.seconds):.1f} | {difference} |")
    return lines


def difference_of(default: Found, other: Found) -> tuple[float, float, float]:
    """Mean, low and high of the paired differences in MRR points."""
    return _interval(torch.cat(default.reciprocal) - torch.cat(other.reciprocal))


def _interval(values: torch.Tensor) -> tuple[float, float, float]:
    ((low, high),) = bootstrap_intervals(100 * values[:, None])
    return 100 * float(values.mean()), low, high


def _shown(interval: tuple[float, float, float], form: str = ".1f") -> str:
    mean, low, high = (format(value, form) for value in interval)
    return f"{mean} [{low}, {high}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000, help="paired rows to fit on")
    parser.add_argument("--worlds", type=int, default=2, help="worlds 0, 1, ...")
    return parser.parse_args()


if __name__ == "__main__":
    main()
