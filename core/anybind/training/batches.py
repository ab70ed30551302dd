"""Which rows make a step: an order that only the seed, the epoch and the rows decide."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import torch

# An epoch passes over small data sets more than once, so that its number of steps does not depend on
# whether the rows fit into one batch.
_FEWEST_STEPS = 4


def generator(*key: object) -> torch.Generator:
    """A generator seeded by a key, e.g. ("noise", seed, epoch, step); the same on every machine."""
    digest = hashlib.blake2b(repr(key).encode(errors="surrogatepass"), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def steps_per_epoch(sizes: Mapping[str, int], batch_size: int) -> int:
    """Steps of an epoch: whole passes over the largest data set, at least 4 steps."""
    per_pass = math.ceil(max(sizes.values()) / batch_size)
    return per_pass * math.ceil(_FEWEST_STEPS / per_pass)


def batches(sizes: Mapping[str, int], batch_size: int, seed: int, epoch: int) -> Iterator[dict[str, torch.Tensor]]:
    """The row numbers of every data set, step by step through an epoch.

    Every step has as many rows of each data set, but all rows of a data set that has fewer. A data set is
    gone through in a random order; when too few rows are left for a step, in a new one. So no step holds a
    row twice, and a pass over the largest data set leaves out fewer rows than it has steps.

    Args:
        sizes: Data set -> number of rows.
        batch_size: The most rows of a data set in a step.
        seed: Seeds the orders,
        epoch: together with this.
    """
    largest = max(sizes.values())
    rows = largest // math.ceil(largest / batch_size)
    streams = {name: _stream(name, size, min(rows, size), seed, epoch) for name, size in sorted(sizes.items())}
    for _ in range(steps_per_epoch(sizes, batch_size)):
        yield {name: next(stream) for name, stream in streams.items()}


def _stream(name: str, size: int, rows: int, seed: int, epoch: int) -> Iterator[torch.Tensor]:
    draw = generator("order", seed, epoch, name)
    while True:
        order = torch.randperm(size, generator=draw)
        for start in range(0, size - rows + 1, rows):
            yield order[start : start + rows]
