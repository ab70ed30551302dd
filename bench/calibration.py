"""Whether probabilities of being the same item come true on emoji, for spaces with pairs and for bridged ones.

Every case is a binder fitted on two hops, judged on 672 test items in both directions. Two tables and a diagram:

* Expected calibration error (15 bins of equal weight; ``anybind.evaluation.reliability``) of all test pairs, right and
  wrong ones weighted as equally frequent, beside that of pcca's own log likelihood ratio taken at its word; and of
  what was found first, at a prior of 1 / gallery, beside a softmax over the gallery's scores (temperature 1).
* The measured rate of false matches, as a multiple of the stated one: of pairs, and of searches among 671 items
  that the query's own is not among.
* Reliability: predicted and observed shares, over all cases.

    python bench/calibration.py [--splits 0-9] [--method cca-chain|pcca] [--pairs 672,200] [--paths 12] [--store DIR]

Splits 0-9 are for reporting; development uses 100 and up.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from forecast import Setting, _emoji_setting, _seeds

from anybind.array_input import array_sources
from anybind.bridging import routes_for
from anybind.evaluation.reliability import reliability
from anybind.fit_data import collect
from anybind.forecasting.forecast import forecast_basis
from anybind.forecasting.same_item import ENOUGH, SameItem, rate_per_pair
from anybind.plugins import installed_registry
from anybind.store import EmbeddingStore

PATHS = (
    ("image", "en", "ja"), ("image", "en", "fr"), ("image", "ja", "en"), ("image", "fr", "ja"), ("en", "fr", "ja"),
    ("fr", "en", "zh"), ("en", "image", "ja"), ("de", "ja", "ru"), ("image", "en", "zh"), ("image", "es", "ru"),
    ("en", "de", "es"), ("ru", "image", "en"),
)  # fmt: skip
# pcca's scores are log likelihood ratios if it is asked for them: what there is to calibrate
METHODS: Mapping[str, Mapping[str, Any]] = {"cca-chain": {}, "pcca": {"similarity": "llr"}}
RATES, SEARCH_RATES = (0.1, 0.01, 0.001), (0.5, 0.2)
BALANCED = 0.5


@dataclass(frozen=True)
class Case:
    """Scores of the test items, and how to read them."""

    pair: tuple[str, str]
    direct: bool
    tables: Sequence[torch.Tensor]  # (n, n), both directions, the right item on the diagonal
    same_item: SameItem


def main() -> None:
    """Measure and print the tables."""
    arguments = _arguments()
    torch.set_num_threads(1)
    store, cases = EmbeddingStore(arguments.store), []
    for i, pairs in enumerate(arguments.pairs):
        for j, path in enumerate(PATHS[: arguments.paths]):
            seed = arguments.splits[(i + j) % len(arguments.splits)]
            cases += list(measured(_emoji_setting(store, path, pairs, seed), arguments.method))
    print(f"### Emoji, {arguments.method}, {len(cases)} pairs of spaces\n")
    print_errors(cases, llr=METHODS[arguments.method].get("similarity") == "llr")
    print_rates(cases)
    print_diagram(cases)


def measured(setting: Setting, method: str) -> Iterator[Case]:
    """A binder fitted on a path's two hops; the hops and the bridged pair."""
    sources = array_sources(setting.rows, present=None, ids=setting.ids, groups=setting.groups, from_nan=False)
    unfitted: Any = installed_registry().build_binder(method, features="nystroem", width=1.0, **METHODS[method])
    data = collect(sources, features=unfitted.input_features)
    (path,) = setting.paths
    pairs = [(path[0], path[-1]), *pairwise(path)]
    routes = routes_for(data.moments, pairs)
    fitted = unfitted.fit(data, targets=pairs, routes=routes)
    basis = forecast_basis(fitted, data, pairs, routes)
    for a, b in basis.pairs:
        seen = {space: data.inputs[space](torch.from_numpy(setting.test[space])) for space in (a, b)}
        table = fitted.score(a, seen[a], b, seen[b])
        yield Case((a, b), basis.pairs[a, b].direct, (table, table.T), basis.same_item(a, b))


def print_errors(cases: Sequence[Case], *, llr: bool) -> None:
    """Expected calibration errors, mean and worst over the cases."""
    known = {"calibrated": calibrated, "calibrated, read alone": calibrated_alone}
    known |= {"pcca's log ratio": _own_ratio} if llr else {}
    found = {"found first: calibrated": first_calibrated, "found first: softmax, temperature 1": first_softmax,
             "found first: softmax of calibrated log odds": first_closed}  # fmt: skip
    print("| expected calibration error | paired, mean | worst | bridged, mean | worst |\n|" + "---|" * 5)
    for name, error in (known | found).items():
        cells = []
        for direct in (True, False):
            values = [error(case) for case in cases if case.direct is direct]
            cells += [f"{fmean(values):.3f}", f"{max(values):.3f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def calibrated(case: Case) -> float:
    """Of all pairs."""
    return _balanced([case.same_item.probability(table, BALANCED) for table in case.tables])


def calibrated_alone(case: Case) -> float:
    """Of all pairs, each read without the rest of the gallery."""
    parts = [table.split(ENOUGH - 1, 1) for table in case.tables]
    return _balanced([torch.cat([case.same_item.probability(p, BALANCED) for p in several], 1) for several in parts])


def first_calibrated(case: Case) -> float:
    """Of the first hits, each with the probability of its pair."""
    return _of_first(case.tables, [case.same_item.probability(t, 1 / t.shape[1]) for t in case.tables])


def first_softmax(case: Case) -> float:
    """Of the first hits, by scores as they are."""
    return _of_first(case.tables, [torch.softmax(t.to(torch.float64), 1) for t in case.tables])


def first_closed(case: Case) -> float:
    """Of the first hits, where it is known that one item of the gallery is right."""
    odds = [case.same_item.log_odds(t).to(torch.float64) for t in case.tables]
    return _of_first(case.tables, [torch.softmax(each, 1) for each in odds])


def _own_ratio(case: Case) -> float:
    return _balanced([torch.sigmoid(table.to(torch.float64)) for table in case.tables])


def _balanced(probabilities: Sequence[torch.Tensor]) -> float:
    return fmean(float(reliability(p, _right(p), prior=BALANCED)["ece"]) for p in probabilities)


def _of_first(tables: Sequence[torch.Tensor], probabilities: Sequence[torch.Tensor]) -> float:
    best = [table.argmax(1) for table in tables]
    found = torch.cat([p[torch.arange(len(p)), at] for p, at in zip(probabilities, best, strict=True)])
    right = torch.cat([at == torch.arange(len(at)) for at in best])
    return float(reliability(found, right, prior=float(right.double().mean()))["ece"])


def print_rates(cases: Sequence[Case]) -> None:
    """Measured rates of false matches over stated ones, and how many right pairs or searches match."""
    print("| stated rate of false matches | of | measured / stated, median | lowest | highest | right ones that match "
          "|\n|" + "---|" * 6)  # fmt: skip
    for direct in (True, False):
        kind, chosen = "paired" if direct else "bridged", [case for case in cases if case.direct is direct]
        for what, rates, rates_of in (("pairs", RATES, _of_pairs), ("searches", SEARCH_RATES, _of_searches)):
            for rate in rates:
                found = [rates_of(case, rate) for case in chosen]
                ratios, hits = [wrong / rate for wrong, _ in found], fmean(right for _, right in found)
                print(f"| {rate:g} | {what}, {kind} | {median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} "
                      f"| {hits:.2f} |")  # fmt: skip
    print()


def _of_pairs(case: Case, rate: float) -> tuple[float, float]:
    """Shares of wrong and of right pairs that match."""
    matched = [(case.same_item.matches(table, rate), _right(table)) for table in case.tables]
    wrong = fmean(float(m[~right].double().mean()) for m, right in matched)
    return wrong, fmean(float(m[right].double().mean()) for m, right in matched)


def _of_searches(case: Case, rate: float) -> tuple[float, float]:
    """Shares of queries that match something: without their own item in the gallery, and their own."""
    wrong, right = [], []
    for table in case.tables:
        others = table[~_right(table)].reshape(len(table), -1)
        per_pair = rate_per_pair(rate, others.shape[1])
        wrong.append(float(case.same_item.matches(others, per_pair).any(1).double().mean()))
        right.append(float(case.same_item.matches(table, per_pair).diagonal().double().mean()))
    return fmean(wrong), fmean(right)


def print_diagram(cases: Sequence[Case]) -> None:
    """Predicted and observed shares in ten bins, all cases together."""
    print("| | " + " | ".join(str(k) for k in range(1, 11)) + " | error |\n|" + "---|" * 12)
    for direct in (True, False):
        tables = [table for case in cases if case.direct is direct for table in case.tables]
        found = [c.same_item.probability(t, BALANCED) for c in cases if c.direct is direct for t in c.tables]
        right = torch.cat([_right(table).flatten() for table in tables])
        drawn = reliability(torch.cat([p.flatten() for p in found]), right, prior=BALANCED, bins=10)
        kind = "paired" if direct else "bridged"
        for what in ("predicted", "observed"):
            print(f"| {kind}, {what} | " + " | ".join(f"{each[what]:.2f}" for each in drawn["bins"])
                  + f" | {drawn['ece']:.3f} |")  # fmt: skip
    print()


def _right(table: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(table), dtype=torch.bool)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=_seeds, default=_seeds("0-9"))
    parser.add_argument("--method", choices=sorted(METHODS), default="cca-chain")
    parser.add_argument("--pairs", type=_seeds, default=[672, 200], help="per data set")
    parser.add_argument("--paths", type=int, default=len(PATHS), help="how many of them")
    parser.add_argument("--store", type=Path, default=Path("runs/store"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
