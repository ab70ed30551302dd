"""Picture <-> Japanese on the emoji data over ten splits: the default against its baselines and its oracle.

Prints a Markdown table: mean MRR and recall of both directions, share of the oracle, and the mean paired
difference of the default to each baseline with its 95 % Student-t interval over the splits. Splits 0-9 are
for reporting; development uses 100 and up. A row without the kernel features tells what they are worth.

    python bench/emoji.py [--seeds 0-9] [--store runs/store]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from anybind.evaluation import PairResult, evaluate, paired_difference
from anybind.store import EmbeddingStore
from anybind.workflow import Graph, evaluate_graph, extract_graph, fit_graph, load_graph
from anybind.workflow.evaluating import true_pairs

GRAPH = Path(__file__).parent.parent / "examples" / "emoji" / "graph.yaml"


def main() -> None:
    """Run the splits and print the table."""
    arguments = _arguments()
    graph, store = load_graph(GRAPH), EmbeddingStore(arguments.store)
    extract_graph(graph, store, seeds=arguments.seeds)
    runs: dict[str, list[PairResult]] = {}
    for seed in arguments.seeds:
        (entry,) = evaluate_graph(graph, store, fit_graph(graph, store, seed=seed), seed=seed)
        found = {entry.method: entry.result, **entry.baselines}
        if entry.oracle is not None:
            found[f"{entry.method} on true pairs (oracle)"] = entry.oracle
        found["pcca, kernel: linear"] = _without_features(graph, store, seed)
        for name, result in found.items():
            runs.setdefault(name, []).append(result)
    for line in table(runs, graph.declaration.bind.method):
        print(line)


def _without_features(graph: Graph, store: EmbeddingStore, seed: int) -> PairResult:
    binder = fit_graph(graph, store, seed=seed, method="pcca", options={"kernel": "linear"})
    _, rows = true_pairs(graph, store, 0, seed=seed)
    return evaluate(binder, rows, [graph.declaration.evaluate[0].pair])[0]


def table(runs: dict[str, list[PairResult]], default: str) -> list[str]:
    """The Markdown lines."""
    first = runs[default][0]
    oracle = next((results for name, results in runs.items() if "oracle" in name), None)
    lines = [
        f"{len(runs[default])} splits, {first.n_queries} test pairs each, both directions; "
        f"chance MRR {100 * first.chance.mrr:.1f}.",
        "",
        "| method | MRR | R@1 | R@5 | R@10 | share of the oracle's MRR | difference of the default, MRR points |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, results in runs.items():
        mrr = [100 * result.mrr for result in results]
        recall = " | ".join(f"{100 * fmean(result.recall[k] for result in results):.1f}" for k in (1, 5, 10))
        share = f"{fmean(mrr) / (100 * fmean(result.mrr for result in oracle)):.2f}" if oracle else ""
        lines.append(f"| {name} | {fmean(mrr):.1f} | {recall} | {share} | {_difference(runs[default], results)} |")
    return lines


def _difference(default: list[PairResult], other: list[PairResult]) -> str:
    if default is other or len(default) < 2:
        return ""
    found = paired_difference([100 * r.mrr for r in default], [100 * r.mrr for r in other])
    low, high = found.interval
    return f"{found.mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-9"), help="e.g. 0-9 or 0,3,5")
    parser.add_argument("--store", type=Path, default=Path("runs/store"))
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    if "-" in text:
        first, last = map(int, text.split("-"))
        return list(range(first, last + 1))
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
