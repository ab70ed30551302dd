"""Chunked ranks in both directions against argsort of the full score matrix.

Prints a Markdown table of one row. The full matrix takes 4 * items^2 bytes (1.6 GB for ``--items 20000``);
it is sorted in strips of rows, so that the baseline is not slowed by memory.

    python bench/retrieval.py --items 10000 --dim 256
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from anybind.retrieval import ROUNDING, paired_ranks


def unit_rows(items: int, dim: int, noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Paired rows of two spaces that resemble each other."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(items, dim, generator=generator)
    b = a + noise * torch.randn(items, dim, generator=generator)
    return torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)


def chunked(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What evaluation does."""
    return paired_ranks(lambda rows, columns: a[rows] @ b[columns].T, len(a), tie_tolerance=ROUNDING)


def full_argsort(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What is usually written: order the gallery of every query, look up where the true item stands."""
    scores = a @ b.T
    return _positions(scores), _positions(scores.T)


def _positions(scores: torch.Tensor, strip: int = 1000) -> torch.Tensor:
    ranks = []
    for start in range(0, len(scores), strip):
        order = scores[start : start + strip].argsort(dim=1, descending=True)
        truth = torch.arange(start, start + len(order))[:, None]
        ranks.append((order == truth).nonzero()[:, 1] + 1)
    return torch.cat(ranks).to(torch.float64)


def seconds(task: Callable[[], object], repeats: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Chunked ranks against argsort of the full score matrix.")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    a, b = unit_rows(options.items, options.dim, 4.0, options.seed)
    differing = sum(
        int((x != y).sum()) for x, y in zip(chunked(a, b), full_argsort(a, b), strict=True)
    )
    ours = seconds(lambda: chunked(a, b), options.repeats)
    theirs = seconds(lambda: full_argsort(a, b), 1)
    print("| items | dim | threads | chunked, s | full argsort, s | ratio | ranks that differ (near-ties) |")
    print("|---|---|---|---|---|---|---|")
    print(f"| {options.items} | {options.dim} | {torch.get_num_threads()} | {ours:.2f} | {theirs:.2f} "
          f"| {theirs / ours:.1f}x | {differing} of {2 * options.items} |")


if __name__ == "__main__":
    main()
