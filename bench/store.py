"""Write and read 100,000 vectors of 512 dims through the store, beside numpy save and load, in one run.

The store does more: each shard is synced to the disk, summed with sha256, claimed against other processes.
The ratios say what that costs; both read rows in random order. Run: ``python bench/store.py [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from anybind.store import EmbeddingStore, SpaceKey

ROWS, DIM, SHARD_SIZE, REPEATS = 100_000, 512, 512, 3


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measured(folder: Path, repeat: int) -> dict[str, float]:
    """Seconds for one write, first read and later read of each kind."""
    vectors = np.random.default_rng(repeat).standard_normal((ROWS, DIM), dtype=np.float32)
    ids = [f"item-{number:06d}" for number in range(ROWS)]
    rows = {identifier: number for number, identifier in enumerate(ids)}
    shuffled = np.random.default_rng(0).permutation(ROWS)
    asked = [ids[number] for number in shuffled]
    key = SpaceKey("bench", "vector", "given", str(repeat), DIM)

    def embed(wanted: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(vectors[rows[wanted[0]] : rows[wanted[-1]] + 1])

    def save_synced() -> None:
        with (folder / "plain.npy").open("wb") as file:
            np.save(file, vectors)
            file.flush()
            os.fsync(file.fileno())

    result = {"numpy_write": seconds(save_synced)}
    fill = EmbeddingStore(folder / "store").folder(key).fill
    result["store_write"] = seconds(lambda: fill(ids, embed, shard_size=SHARD_SIZE))
    result["numpy_read"] = seconds(lambda: np.load(folder / "plain.npy", allow_pickle=False)[shuffled])
    fresh = EmbeddingStore(folder / "store").folder(key)
    result["store_first_read"] = seconds(lambda: fresh.read(asked))
    result["store_later_read"] = seconds(lambda: fresh.read(asked))
    assert np.array_equal(fresh.read(asked).numpy(), vectors[shuffled])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [measured(Path(folder), repeat) for repeat in range(REPEATS)]
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    ratios = {
        "write": best["store_write"] / best["numpy_write"],
        "first_read": best["store_first_read"] / best["numpy_read"],
        "later_read": best["store_later_read"] / best["numpy_read"],
    }
    megabytes = ROWS * DIM * 4 / 1e6
    if arguments.json:
        result = {"schema_version": 1, "megabytes": megabytes, "seconds": best, "ratio_to_numpy": ratios}
        print(json.dumps(result))
        return
    for name, value in best.items():
        print(f"{name:<18}{value:8.3f} s {megabytes / value:8.0f} MB/s")
    for name, value in ratios.items():
        print(f"ratio, {name:<11}{value:8.2f} × numpy")


if __name__ == "__main__":
    main()
