"""What ``register_modality`` and ``register_encoder`` make of a function."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anybind.registering import REGISTERED
from anybind.specs import EncoderSpec, ModalitySpec

_WIDTH, _HEIGHT = 160, 48  # of a preview, in pixels
_MOST_LINES, _MOST_POINTS = 8, 160
_MOST_LETTERS = 80


class FunctionModality:
    """A modality whose samples are whatever the function returns."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name
        self._load = REGISTERED.function(spec)

    def load(self, source: Any) -> Any:
        """What the function makes of the source."""
        return self._load(source)

    def check(self, sample: Any) -> None:
        """Nothing: the function refuses what is wrong."""

    def preview(self, sample: Any) -> str:
        """Arrays of one or two dimensions as lines, all else as text."""
        array = np.asarray(sample) if isinstance(sample, np.ndarray | torch.Tensor) else None
        if array is not None and array.ndim in (1, 2) and array.size and array.dtype.kind in "fiu":
            return _drawn(np.atleast_2d(array).astype(np.float64))
        text = repr(sample)
        return html.escape(text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…")


class FunctionEncoder:
    """An encoder whose vectors are whatever the function returns."""

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self._encode = REGISTERED.function(spec)

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """(n, dim) float32; what the function returns for no samples is not asked for."""
        if not len(samples):
            return torch.zeros(0, self.spec.dim)
        vectors = self._encode(list(samples))
        if isinstance(vectors, list | tuple):
            vectors = torch.stack([torch.as_tensor(vector) for vector in vectors])
        return torch.as_tensor(vectors).detach().to("cpu", torch.float32)


def _drawn(rows: NDArray[np.float64]) -> str:
    """The first rows as lines over each other, in one scale."""
    rows = np.nan_to_num(rows[:_MOST_LINES, :: max(1, -(-rows.shape[1] // _MOST_POINTS))])
    low, high = rows.min(), rows.max()
    heights = _HEIGHT * (1 - (rows - low) / (high - low or 1.0))
    across = np.linspace(0, _WIDTH, rows.shape[1])
    lines = "".join(
        f'<polyline fill="none" stroke="hsl({45 * line},60%,40%)" points="'
        + " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(across, row, strict=True))
        + '"/>'
        for line, row in enumerate(heights)
    )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{len(rows)} lines">{lines}</svg>'
