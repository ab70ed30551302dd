"""Checked samples in, batches through a model, rows out in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from anybind.errors import DataError


def encode_in_batches(
    samples: Sequence[Any],
    encode: Callable[[list[Any]], torch.Tensor],
    *,
    batch_size: int,
    dim: int,
    length: Callable[[Any], int] | None = None,
) -> torch.Tensor:
    """Run ``encode`` over batches and return its rows in the order of ``samples``.

    Args:
        samples: Checked samples.
        encode: Batch of samples -> (len(batch), dim) tensor on any device.
        batch_size: Most samples in a batch.
        dim: Length of the vectors.
        length: How long a sample is; batches then hold samples of like length, which saves padding.

    Returns:
        (len(samples), dim) float32 tensor on the CPU.
    """
    order = list(range(len(samples)))
    if length is not None:
        lengths = [length(sample) for sample in samples]
        order.sort(key=lengths.__getitem__)
    vectors = torch.empty(len(samples), dim, dtype=torch.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            vectors[rows] = encode([samples[row] for row in rows]).to("cpu", torch.float32)
    return vectors


def check_texts(encoder: str, samples: Sequence[Any]) -> None:
    """Every sample must be text that can be written as UTF-8.

    Raises:
        DataError: one is not; ``where`` names its place.
    """
    for row, sample in enumerate(samples):
        if not isinstance(sample, str):
            raise wrong_sample(encoder, row, got=type(sample).__name__, expected="text (str)")
        try:
            sample.encode("utf-8")
        except UnicodeEncodeError as error:
            raise wrong_sample(encoder, row, got=error, expected="text without lone surrogates") from error


def wrong_sample(encoder: str, row: int, *, got: object, expected: str) -> DataError:
    """The error for a sample that an encoder cannot read."""
    return DataError(
        f"Encoder {encoder} cannot read a sample.", where=f"sample {row}", got=got, expected=expected
    )
