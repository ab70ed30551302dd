"""Exact ranks, chunked: against argsort of the full score matrix, and against an exact faiss index of a large gallery.

Prints three Markdown tables. The full matrix of the first takes 4 * items^2 bytes (1.6 GB for ``--items 20000``); it
is sorted in strips of rows, so that the baseline is not slowed by memory. The second ranks the true item of every
query in a gallery of a million, beside faiss's ``IndexFlatIP`` looking for the best 10, by turns in one process with
as many threads; peak memory is what ranking adds to a process that holds the vectors (Linux). The third is
``evaluate`` as it is called, both directions, beside two faiss searches. The last two need the extra ``faiss``.

    python bench/retrieval.py --items 10000 --dim 256 --gallery 1000000 --queries 1000
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from anybind.evaluation import evaluate
from anybind.methods.similarity import InnerProduct
from anybind.retrieval import ROUNDING, paired_ranks, ranks_by_chunks

GALLERY_DIM = 64
BEST = 10
PAIRED_ITEMS = 30_000


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="Chunked ranks against argsort of the full matrix, and against faiss.")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", action="store_true", help="Print the MB that ranking the large gallery adds.")
    options = parser.parse_args()
    if options.peak:
        print(added_megabytes(*large_gallery(options.gallery, options.queries, options.seed)))
        return
    against_argsort(options.items, options.dim, options.repeats, options.seed)
    against_faiss(options.gallery, options.queries, options.repeats, options.seed)
    evaluate_against_faiss(PAIRED_ITEMS, options.repeats, options.seed)


def against_argsort(items: int, dim: int, repeats: int, seed: int) -> None:
    """The first table."""
    a, b = unit_rows(items, dim, 4.0, seed)
    differing = sum(int((x != y).sum()) for x, y in zip(chunked(a, b), full_argsort(a, b), strict=True))
    ours = seconds(lambda: chunked(a, b), repeats)
    theirs = seconds(lambda: full_argsort(a, b), 1)
    print("| items | dim | threads | chunked, s | full argsort, s | ratio | ranks that differ (near-ties) |")
    print("|---|---|---|---|---|---|---|")
    print(f"| {items} | {dim} | {torch.get_num_threads()} | {ours:.2f} | {theirs:.2f} "
          f"| {theirs / ours:.1f}x | {differing} of {2 * items} |\n")  # fmt: skip


def against_faiss(gallery_size: int, n_queries: int, repeats: int, seed: int) -> None:
    """The second table."""
    queries, gallery, truth = large_gallery(gallery_size, n_queries, seed)
    index = flat_index(gallery)
    ours, theirs = by_turns(
        [lambda: ranks(queries, gallery, truth), lambda: index.search(queries.numpy(), BEST)], repeats
    )
    found = torch.from_numpy(index.search(queries.numpy(), BEST)[1] == truth[:, None].numpy()).any(1)
    differing = int(((ranks(queries, gallery, truth) <= BEST) != found).sum())
    peak = subprocess.run(
        [sys.executable, __file__, "--peak", "--gallery", str(gallery_size), "--queries", str(n_queries)],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    print("| gallery | dim | queries | threads | exact ranks, s | faiss, best 10, s | ratio | added memory, MB "
          "| vectors, MB | scores in full, MB | R@10 differs |\n|" + "---|" * 11)  # fmt: skip
    print(f"| {gallery_size} | {GALLERY_DIM} | {n_queries} | {torch.get_num_threads()} | {ours:.2f} | {theirs:.2f} "
          f"| {theirs / ours:.1f}x | {peak} | {gallery.numel() * 4 / 1e6:.0f} "
          f"| {gallery_size * n_queries * 4 / 1e6:.0f} "
          f"| {differing} of {n_queries} |\n")  # fmt: skip


def evaluate_against_faiss(items: int, repeats: int, seed: int) -> None:
    """The third table."""
    a, b = unit_rows(items, GALLERY_DIM, 1.0, seed)
    there, back = flat_index(b), flat_index(a)

    def search() -> None:
        there.search(a.numpy(), BEST)
        back.search(b.numpy(), BEST)

    judge = lambda: evaluate(Dot(), {"a": a, "b": b}, [("a", "b")], n_boot=0)  # noqa: E731
    ours, theirs = by_turns([judge, search], repeats)
    print("| paired items | dim | threads | evaluate, s | two faiss searches, s | ratio |\n|" + "---|" * 6)
    print(f"| {items} | {GALLERY_DIM} | {torch.get_num_threads()} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f}x |")


class Dot:
    """A binder whose score is an inner product of the vectors themselves, as an index of joint vectors has it."""

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) inner products."""
        return a @ b.T

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """The vectors as they are."""
        return InnerProduct(lambda rows: rows, lambda rows: rows)


def unit_rows(items: int, dim: int, noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Paired rows of two spaces that resemble each other."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(items, dim, generator=generator)
    b = a + noise * torch.randn(items, dim, generator=generator)
    return torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)


def large_gallery(items: int, n_queries: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, gallery, and the position of each query's true item, anywhere in the gallery."""
    a, b = unit_rows(items, GALLERY_DIM, 1.0, seed)
    truth = torch.randperm(items, generator=torch.Generator().manual_seed(seed))[:n_queries]
    return a[truth].clone(), b, truth


def ranks(queries: torch.Tensor, gallery: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The exact rank of every query's true item."""
    return ranks_by_chunks(
        lambda rows, columns: queries[rows] @ gallery[columns].T, truth, n_gallery=len(gallery), tie_tolerance=ROUNDING
    )


def chunked(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What evaluation does."""
    return paired_ranks(lambda rows, columns: a[rows] @ b[columns].T, len(a), tie_tolerance=ROUNDING)


def full_argsort(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What is usually written: order the gallery of every query, look up where the true item stands."""
    scores = a @ b.T
    return _positions(scores), _positions(scores.T)


def _positions(scores: torch.Tensor, strip: int = 1000) -> torch.Tensor:
    found = []
    for start in range(0, len(scores), strip):
        order = scores[start : start + strip].argsort(dim=1, descending=True)
        truth = torch.arange(start, start + len(order))[:, None]
        found.append((order == truth).nonzero()[:, 1] + 1)
    return torch.cat(found).to(torch.float64)


def flat_index(vectors: torch.Tensor) -> Any:
    """faiss's exact index of inner products, with as many threads as torch has."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors.numpy())
    return index


def added_megabytes(queries: torch.Tensor, gallery: torch.Tensor, truth: torch.Tensor) -> int:
    """What ranking adds to the memory of this process, at its peak."""
    ranks(queries[:10], gallery[:1000], truth[:10] % 1000)  # libraries load what they need
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = _kilobytes("VmRSS")
    ranks(queries, gallery, truth)
    return round((_kilobytes("VmHWM") - before) / 1000)


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1])


def by_turns(tasks: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median wall time of each task, run by turns so that what else the machine does slows all of them."""
    times = [[seconds(task, 1) for task in tasks] for _ in range(repeats)]
    return [statistics.median(each) for each in zip(*times, strict=True)]


def seconds(task: Callable[[], object], repeats: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
