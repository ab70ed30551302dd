"""Imputed vectors and fused queries on emoji: do intervals hold what they should, and is more shown more found?

Picture, English and Japanese (five splits), and seven other triples of spaces A - B - C (a split each, in turn):
A and B are paired in one data set, B and C in another, and 300 test items show all three.

Imputation (``pcca``): how many of the true coordinates 90 % intervals hold (mean +- 1.645 sqrt(variance)), of all and
of the coordinates at the 5 % and 95 % quantile; their mean width as a share of the width at which one interval for
all items would hold 90 %; the share of the variance explained; and whether the variance of an item tells
which items are further off: the rank correlation of its sum with the item's squared error.
Fusion (``pcca``, ``cca-chain``): MRR, mean of both directions, of finding each space's items by one of the
others and by both fused; the difference to the better one, chosen after the fact, with its 95 % Student-t interval.

    python bench/uncertainty.py [--splits 0-4] [--store runs/store]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from statistics import fmean

import torch

import anybind
from anybind.evaluation import paired_difference
from anybind.methods.selection import symmetric_mrr
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, load_graph
from anybind.workflow.vectors import row_source

MAIN = ("image", "en", "ja")
OTHERS = (
    ("image", "fr", "ja"), ("fr", "en", "zh"), ("en", "image", "ja"), ("de", "ja", "ru"), ("en", "fr", "ja"),
    ("image", "es", "ru"), ("en", "de", "es"),
)  # fmt: skip
OPTIONS = {"features": "nystroem", "width": 1.0}  # of the default, which tries more, the usual choice
ENCODERS = {"image": "efficientnet-lite0", "en": "minilm-l6"}
METHODS = ("pcca", "cca-chain")
Rows = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Triple:
    """The rows of three spaces A - B - C in one split."""

    spaces: tuple[str, ...]
    training: Mapping[str, Rows]
    ids: Mapping[str, list[str]]
    groups: Mapping[str, list[str]]
    test: Rows


def main() -> None:
    """Measure and print the tables."""
    arguments = _arguments()
    torch.set_num_threads(1)
    store, splits = EmbeddingStore(arguments.store), arguments.splits
    wanted = [(MAIN, split) for split in splits]
    wanted += [(spaces, splits[i % len(splits)]) for i, spaces in enumerate(OTHERS)]
    filled: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    found: dict[tuple[str, ...], list[tuple[float, float, float]]] = defaultdict(list)
    for spaces, split in wanted:
        print("reading, fitting, judging:", *spaces, f"split {split}", file=sys.stderr)
        triple = read(store, spaces, split)
        for method in METHODS:
            binder = anybind.fit(triple.training, method=method, options=OPTIONS, targets=[(spaces[0], spaces[2])],
                                 ids=triple.ids, groups=triple.groups, seed=split)  # fmt: skip
            for goal, one, other in _goals(spaces):
                found[(method, *spaces, goal)].append(fusion(binder, triple.test, goal, one, other))
            if method == "pcca":
                for kind, goal, shown in _imputed(spaces):
                    filled[kind].append(imputation(binder, triple.test, goal, shown))
    print_imputation(filled)
    print_fusion(found)


def imputation(binder: anybind.Binder, test: Rows, goal: str, shown: Sequence[str]) -> tuple[float, ...]:
    """Coverage of all coordinates and at its 5 % and 95 % quantile, relative width, R², rank correlation."""
    guess = binder.impute(goal, {space: test[space] for space in shown})
    truth = torch.nn.functional.normalize(test[goal].double(), dim=1)
    error, spread = (truth - guess.mean).abs(), guess.variance.double().sqrt()
    inside = (error <= 1.645 * spread).double()
    low, high = inside.mean(0).quantile(torch.tensor([0.05, 0.95], dtype=torch.float64)).tolist()
    constant = (truth - truth.mean(0)).abs().quantile(0.9, dim=0)
    told = 1 - float(error.square().sum() / (truth - truth.mean(0)).square().sum())
    rank = _rank_correlation(guess.variance.sum(1).double(), error.square().sum(1))
    return float(inside.mean()), low, high, float(1.645 * spread.mean() / constant.mean()), told, rank


def fusion(binder: anybind.Binder, test: Rows, goal: str, one: str, other: str) -> tuple[float, float, float]:
    """MRR in points of finding the goal's items by one space, by another, and by both."""
    goals = torch.nn.functional.normalize(binder.embed(goal, test[goal]), dim=1)

    def by(*shown: str) -> float:
        query = torch.nn.functional.normalize(binder.fuse({space: test[space] for space in shown}), dim=1)
        return 100 * symmetric_mrr(query @ goals.T)

    return by(one), by(other), by(one, other)


def print_imputation(filled: Mapping[str, Sequence[tuple[float, ...]]]) -> None:
    """A line per kind."""
    print("### Imputed vectors: 90 % intervals\n")
    print("| shown | cases | coverage | least, most of a case | of coordinates, 5 % - 95 % | width / constant | R² "
          "| rank correlation of variance and error |\n|" + "---|" * 8)  # fmt: skip
    for kind, cases in filled.items():
        covered, low, high, width, told, rank = map(fmean, zip(*cases, strict=True))
        least, most = min(case[0] for case in cases), max(case[0] for case in cases)
        print(f"| {kind} | {len(cases)} | {covered:.3f} | {least:.2f}, {most:.2f} | {low:.2f} - {high:.2f} "
              f"| {width:.2f} | {told:.2f} | {rank:+.2f} |")  # fmt: skip
    print()


def print_fusion(found: Mapping[tuple[str, ...], Sequence[tuple[float, float, float]]]) -> None:
    """A line per method, triple and goal, and one for all of a method."""
    for method in METHODS:
        print(f"### Fused queries, {method}, MRR in points\n")
        print("| paired | looked for | by the first | by the second | by both | both - the better |\n|" + "---|" * 6)
        gains = []
        for (name, *spaces, goal), cases in found.items():
            if name == method:
                one, other, both = map(fmean, zip(*cases, strict=True))
                gains += [both - max(one, other)]
                print(f"| {' - '.join(spaces)} | {goal} | {one:.1f} | {other:.1f} | {both:.1f} | {_gain(cases)} |")
        zero = [0.0] * len(gains)
        mean = paired_difference(gains, zero)
        better = sum(gain > 0 for gain in gains)
        print(f"\nMean over {len(gains)} lines: {mean.mean:+.2f} [{mean.interval[0]:+.2f}, {mean.interval[1]:+.2f}]; "
              f"better on {better}; least {min(gains):+.1f}.\n")  # fmt: skip


def read(store: EmbeddingStore, spaces: tuple[str, ...], split: int) -> Triple:
    """The rows of a triple, out of the store; extracted first where they are not there yet."""
    graph = load_graph(_written(spaces))
    extract_graph(graph, store, seeds=[split])
    rows, ids, groups = {}, {}, {}
    for name, dataset in graph.training(split).items():
        source = row_source(graph, store, name, dataset, None)
        batches = list(source.batches())
        rows[name] = {space: torch.cat([batch.vectors[space] for batch in batches]) for space in source.dims}
        ids[name] = [item for batch in batches for item in batch.ids]
        groups[name] = [group for batch in batches for group in batch.groups or batch.ids]
    named = {name: {_short(space): part for space, part in each.items()} for name, each in rows.items()}
    test = named.pop("test")
    return Triple(spaces, named, {n: ids[n] for n in named}, {n: groups[n] for n in named}, test)


def _goals(spaces: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for goal in spaces:
        one, other = (space for space in spaces if space != goal)
        yield goal, one, other


def _imputed(spaces: Sequence[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Kind, space to fill in, spaces shown."""
    for goal, shown in permutations(spaces, 2):
        yield "one, direct" if spaces[1] in (goal, shown) else "one, over the bridge", goal, (shown,)
    for goal, one, other in _goals(spaces):
        yield "two", goal, (one, other)


def _gain(cases: Sequence[tuple[float, float, float]]) -> str:
    if len(cases) < 2:
        return f"{cases[0][2] - max(cases[0][:2]):+.1f}"
    found = paired_difference([both for *_, both in cases], [max(one, other) for one, other, _ in cases])
    return f"{found.mean:+.1f} [{found.interval[0]:+.1f}, {found.interval[1]:+.1f}]"


def _rank_correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    ranks = [x.argsort().argsort().double() for x in (a, b)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _space(name: str) -> str:
    return name if name == "image" else f"text_{name}"


def _short(space: str) -> str:
    return space.removeprefix("text_")


def _written(spaces: Sequence[str]) -> Path:
    """A graph file with the two data sets and the test items."""
    names = [_space(space) for space in spaces]
    modalities = "".join(f"  {name}: {{kind: text}}\n" for name in names if name != "image")
    used = {_space(space): ENCODERS.get(space, "use-multilingual") for space in spaces}
    encoders = "".join(f"  {name}: {{use: {encoder}}}\n" for name, encoder in used.items())
    parts = {"d1": names[:2], "d2": names[1:], "test": names}
    datasets = "".join(f"  {s}: {{use: emoji, split: {s}, modalities: [{', '.join(n)}]}}\n" for s, n in parts.items())
    path = Path(tempfile.mkdtemp(prefix="uncertainty-")) / "graph.yaml"
    path.write_text(
        f"version: 1\nname: uncertainty\nseeds: [0]\nmodalities:\n{modalities}encoders:\n{encoders}"
        f"datasets:\n{datasets}bind:\n  targets: [[{names[0]}, {names[2]}]]\n  method: pcca\n",
        encoding="utf-8",
    )
    return path


def _seeds(text: str) -> list[int]:
    if "-" in text:
        first, last = map(int, text.split("-"))
        return list(range(first, last + 1))
    return [int(part) for part in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=_seeds, default=_seeds("0-4"))
    parser.add_argument("--store", type=Path, default=Path("runs/store"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
