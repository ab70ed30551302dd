"""Picture <-> Japanese on the emoji data: every method, beside its oracle and chance, over several splits.

Four sizes (100, 200, 400 and all pairs of each data set) and a chain over three data sets. Prints a Markdown table
for each: mean MRR and recall of both directions; share of the method's own oracle (the same method fitted on as
many true pairs) and of the best oracle of any method; the share of the own oracle when CSLS sees the test batch;
and the mean paired difference of the default to each method with its 95 % Student-t interval over the splits.
Ten splits for the leading methods at full size, three for all of them, five elsewhere: a fit takes seconds, and there
are many.
Splits 0-9 are for reporting; development uses 100 and up.

    python bench/emoji.py [--store runs/store] [--regimes all,400,200,100,chain] [--seeds 0-4] [--methods a,b]

What was measured is kept in --results, a line per fit, and not measured again while code and options are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import anybind
from anybind.evaluation import paired_difference
from anybind.postprocessing import csls
from anybind.store import EmbeddingStore
from anybind.workflow import Graph, extract_graph, load_graph
from anybind.workflow.evaluating import true_pairs
from anybind.workflow.vectors import row_source

ROOT = Path(__file__).parent.parent
PAIR = ("image", "text_ja")
DEFAULT = "auto"
Key = tuple[str, str, int, str]
NYSTROEM: dict[str, Any] = {"features": "auto"}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "auto": ("auto", {}),
    "pcca": ("pcca", {}),
    "cca-chain": ("cca-chain", {}),
    "pivot": ("pivot", {}),
    "relative": ("relative", {}),
    "procrustes": ("procrustes", {}),
    "ridge-chain": ("ridge-chain", {}),
    "mox-closed-form": ("mox-closed-form", {}),
    "mox": ("mox", {}),
    "fixed-anchor": ("fixed-anchor", {}),
    "all-pairs": ("all-pairs", {}),
    "centrobind": ("centrobind", {}),
    "calmrl": ("calmrl", {}),
    "ridge-chain, kernel features": ("ridge-chain", NYSTROEM),
    "mox, kernel features": ("mox", NYSTROEM),
    "auto, no features": ("auto", {"features": "identity"}),
}
LEADING = ("auto", "cca-chain", "pcca", "ridge-chain", "mox-closed-form", "mox")
CLOSED = (*LEADING, "pivot", "relative")


@dataclass(frozen=True)
class Split:
    """The rows of one seed: training data sets, true pairs for the oracle, and test pairs."""

    training: Mapping[str, Mapping[str, torch.Tensor]]
    ids: Mapping[str, list[str]]
    groups: Mapping[str, list[str]]
    test: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Table:
    """One table: how many pairs, which methods, on which splits."""

    title: str
    regime: str
    methods: Sequence[str]
    seeds: Sequence[int]


TABLES = (
    Table("All pairs", "all", LEADING, range(10)),
    Table("All pairs, every method", "all", tuple(METHODS), range(3)),
    Table("400 pairs per data set", "400", CLOSED, range(5)),
    Table("200 pairs per data set", "200", CLOSED, range(5)),
    Table("100 pairs per data set", "100", CLOSED, range(5)),
    Table("A chain over three data sets", "chain", CLOSED, range(5)),
)


def main() -> None:
    """Measure what is not measured yet, and print the tables."""
    arguments = _arguments()
    results, store = Results(arguments.results), EmbeddingStore(arguments.store)
    for wanted in TABLES:
        if arguments.regimes and wanted.regime not in arguments.regimes:
            continue
        seeds, methods = arguments.seeds or list(wanted.seeds), arguments.methods or list(wanted.methods)
        measure(results, store, wanted.regime, methods, seeds)
        print(f"### {wanted.title}\n")
        print("\n".join(table(results, wanted.regime, methods, seeds)), end="\n\n")


def measure(results: Results, store: EmbeddingStore, regime: str, methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Fit and judge every method on every split, and on as many true pairs."""
    graph = load_graph(ROOT / "examples" / ("chain" if regime == "chain" else "emoji") / "graph.yaml")
    extract_graph(graph, store, seeds=seeds)
    limit = None if regime in ("all", "chain") else int(regime)
    for seed in seeds:
        bridged, oracle = split(graph, store, seed, limit), split(graph, store, seed, limit, oracle=True)
        for label in methods:
            results.measure((regime, label, seed, "bridged"), METHODS[label], bridged, seed)
            results.measure((regime, label, seed, "oracle"), METHODS[label], oracle, seed)


def split(graph: Graph, store: EmbeddingStore, seed: int, limit: int | None, *, oracle: bool = False) -> Split:
    """One seed's rows; with a limit the first so many by a hash of their group: near-duplicates stay together."""
    if oracle:
        use = graph.declaration.evaluate[0].oracle
        assert use is not None
        opened = {"oracle": graph.open(use, seed, "oracle")}
        spaces = [graph.spaces[name] for name in PAIR]
    else:
        opened, spaces = dict(graph.training(seed)), None
    rows, ids, groups = {}, {}, {}
    for name, dataset in opened.items():
        source = row_source(graph, store, name, dataset, spaces)
        batches = list(source.batches())
        names = [item for batch in batches for item in batch.ids]
        family = [group for batch in batches for group in batch.groups or batch.ids]
        order = sorted(range(len(names)), key=lambda i: (_hash(seed, family[i]), names[i]))[:limit]
        vectors = {space: torch.cat([batch.vectors[space] for batch in batches]) for space in source.dims}
        rows[name] = {space: part[order] for space, part in vectors.items()}
        ids[name], groups[name] = [names[i] for i in order], [family[i] for i in order]
    return Split(rows, ids, groups, true_pairs(graph, store, 0, seed=seed)[1])


class Results:
    """What was measured, by regime, method, seed and kind; kept in a file, a line each."""

    def __init__(self, path: Path) -> None:
        self._path, self._code = path, _code()
        self.found: dict[Key, dict[str, Any]] = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            record = json.loads(line)
            if record["code"] == self._code:
                self.found[tuple(record["key"])] = record

    def measure(self, key: Key, method: tuple[str, dict[str, Any]], rows: Split, seed: int) -> None:
        """Fit and judge, unless that was done before."""
        if key in self.found:
            return
        try:
            record = {"key": key, "code": self._code, **_measured(method, rows, seed)}
        except anybind.NoPathError as error:  # one anchor does not reach both ends of a chain
            record = {"key": key, "code": self._code, "impossible": error.what}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.found[key] = json.loads(json.dumps(record))


def _measured(method: tuple[str, dict[str, Any]], rows: Split, seed: int) -> dict[str, Any]:
    begun = time.process_time()
    binder = anybind.fit(rows.training, method=method[0], options=method[1], targets=[PAIR], ids=rows.ids,
                         groups=rows.groups, seed=seed, forecast=False)  # fmt: skip
    seconds = time.process_time() - begun
    (plain,) = anybind.evaluate(binder, rows.test, [PAIR], n_boot=0)
    (fair,) = anybind.evaluate(binder, rows.test, [PAIR], n_boot=0, postprocess=csls)
    return {
        "mrr": plain.mrr, "recall": dict(plain.recall), "csls": fair.mrr, "chance": plain.chance.mrr,
        "n": plain.n_queries, "seconds": round(seconds, 2),
    }  # fmt: skip


def table(results: Results, regime: str, methods: Sequence[str], seeds: Sequence[int]) -> Iterator[str]:
    """The Markdown lines of one regime."""

    def values(label: str, kind: str, what: str) -> list[float]:
        return [100 * results.found[regime, label, seed, kind][what] for seed in seeds]

    able = [label for label in methods if "impossible" not in results.found[regime, label, seeds[0], "bridged"]]
    first = results.found[regime, able[0], seeds[0], "bridged"]
    best = max(able, key=lambda label: fmean(values(label, "oracle", "mrr")))
    best_oracle = fmean(values(best, "oracle", "mrr"))
    yield f"{len(seeds)} splits, {first['n']} test pairs each, both directions; chance MRR {100 * first['chance']:.1f}."
    yield f"Best oracle: {best} on true pairs, MRR {best_oracle:.1f}."
    yield ""
    yield (
        "| method | MRR | R@1 | R@5 | R@10 | own oracle's MRR | share of it | share of the best oracle "
        "| share with CSLS | difference of the default, MRR points | processor seconds |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for label in methods:
        if label not in able:
            yield f"| {label} | joins no such pair |" + " |" * 9
            continue
        mrr, oracle = values(label, "bridged", "mrr"), values(label, "oracle", "mrr")
        found = [results.found[regime, label, seed, "bridged"] for seed in seeds]
        recall = " | ".join(f"{100 * fmean(each['recall'][str(k)] for each in found):.1f}" for k in (1, 5, 10))
        fair = fmean(values(label, "bridged", "csls")) / fmean(values(label, "oracle", "csls"))
        difference = _difference(values(DEFAULT, "bridged", "mrr"), mrr) if label != DEFAULT else ""
        yield (
            f"| {label} | {fmean(mrr):.1f} | {recall} | {fmean(oracle):.1f} | {fmean(mrr) / fmean(oracle):.2f} | "
            f"{fmean(mrr) / best_oracle:.2f} | {fair:.2f} | {difference} | "
            f"{fmean(each['seconds'] for each in found):.0f} |"
        )


def _difference(default: list[float], other: list[float]) -> str:
    if len(default) < 2:
        return ""
    found = paired_difference(default, other)
    low, high = found.interval
    return f"{found.mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def _hash(seed: int, name: str) -> str:
    return hashlib.blake2b(f"{seed}:{name}".encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _code() -> str:
    """A hash of the package's methods and everything they stand on, so that old numbers are not taken for new."""
    package = Path(anybind.__file__).parent
    places = ("methods/*.py", "training/*.py", "objectives/*.py", "features.py", "moments.py", "fit_data.py",
              "input_*.py", "rows.py", "builtin/binders/*.py", "binder.py")  # fmt: skip
    digest = hashlib.sha256()
    for path in sorted(path for place in places for path in package.glob(place)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, help="other splits, e.g. 100-103 or 0,3,5")
    parser.add_argument("--store", type=Path, default=Path("runs/store"))
    parser.add_argument("--results", type=Path, default=Path("runs/bench/emoji.jsonl"))
    parser.add_argument("--regimes", type=lambda text: text.split(","), help="e.g. all,chain")
    parser.add_argument("--methods", type=lambda text: text.split(","), help="other methods")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    if "-" in text:
        first, last = map(int, text.split("-"))
        return list(range(first, last + 1))
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
