"""The modality ``vector``: a vector that was made elsewhere, as a one-dimensional array."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anybind.errors import DataError, ShapeError
from anybind.specs import ModalitySpec

_PREVIEW_NUMBERS = 4


class Vector:
    """Reads vectors: arrays, tensors, lists of numbers, or ``.npy`` files and bytes. Never unpickles."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> NDArray[np.float32]:
        """The vector of ``source`` as (dim,) float32.

        Raises:
            DataError: missing, no ``.npy`` file, or something other than numbers.
        """
        where = source if isinstance(source, str | Path) else None
        try:
            array = np.asarray(_read(source) if isinstance(source, str | Path | bytes) else source)
        except (OSError, ValueError, TypeError, RuntimeError, EOFError) as error:
            raise DataError("a vector cannot be read", where=where, got=error, expected="numbers") from error
        if array.dtype.kind not in "fiu":
            raise DataError(
                "a vector holds no real numbers", where=where, got=array.dtype, expected="numbers"
            )
        with np.errstate(over="ignore"):  # too large for float32: found by check as Inf
            return np.ascontiguousarray(array, dtype=np.float32)

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a finite, non-empty (dim,) float32 array."""
        if not isinstance(sample, np.ndarray) or sample.dtype != np.float32:
            got = getattr(sample, "dtype", type(sample).__name__)
            raise DataError("a vector is not a float32 array", got=got, expected="numpy.ndarray of float32")
        if sample.ndim != 1 or not sample.size:
            raise ShapeError("a vector has the wrong shape", got=sample.shape, expected="(dim,)")
        if not np.isfinite(sample).all():
            first = int(np.flatnonzero(~np.isfinite(sample))[0])
            got = f"{sample[first]} at position {first}"
            raise DataError(
                "a vector is not finite", got=got, expected="finite numbers that float32 can hold"
            )

    def preview(self, sample: NDArray[np.float32]) -> str:
        """Its first numbers and its length."""
        shown = ", ".join(f"{number:.3g}" for number in sample[:_PREVIEW_NUMBERS])
        more = ", …" if len(sample) > _PREVIEW_NUMBERS else ""
        return f"<code>{html.escape(f'[{shown}{more}] ({len(sample)})')}</code>"


def _read(source: str | Path | bytes) -> Any:
    return np.load(io.BytesIO(source) if isinstance(source, bytes) else source, allow_pickle=False)
