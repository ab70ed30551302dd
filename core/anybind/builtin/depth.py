"""The modality ``depth``: how far from the camera each pixel is, in metres."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anybind.errors import DataError, PluginError
from anybind.factories import how_to_install
from anybind.specs import ModalitySpec

MAX_PIXELS = 89_478_485
MILLIMETRES = 1000.0
"""Pictures of 16 bits hold millimetres, as most depth cameras write them."""

_PREVIEW_PIXELS = 128
_TYPES = "path, bytes, (height, width) array in metres or DepthMap"


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth of every pixel.

    Attributes:
        metres: (height, width) float32, at least 0; 0 is unknown.
    """

    metres: NDArray[np.float32]


class Depth:
    """Reads depth maps: pictures of 16 or 32 bits (millimetres), ``.npy`` files and arrays (metres)."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> DepthMap:
        """The depth map of ``source``.

        NaN and Inf become 0, unknown. A picture in whole numbers holds millimetres, one in fractions metres.

        Raises:
            DataError: missing, no depth map, of 8 bits (its scale is not known), or too large.
            PluginError: Pillow is not installed.
        """
        if isinstance(source, DepthMap):
            return source
        if isinstance(source, str | Path | bytes):
            values = _read(source)
        elif isinstance(source, np.ndarray):
            values = source
        else:
            raise DataError("a depth map cannot be read", got=type(source).__name__, expected=_TYPES)
        if values.ndim != 2 or values.dtype.kind not in "fiu":
            got = f"{values.shape} {values.dtype}"
            raise DataError("a depth map has the wrong shape", got=got, expected="(height, width) numbers")
        metres = values.astype(np.float32)
        return DepthMap(np.ascontiguousarray(np.where(np.isfinite(metres), metres, np.float32(0))))

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a DepthMap with pixels, none of them negative."""
        if not isinstance(sample, DepthMap):
            raise DataError("depth is not a DepthMap", got=type(sample).__name__, expected="DepthMap")
        metres = sample.metres
        if not isinstance(metres, np.ndarray) or metres.dtype != np.float32 or metres.ndim != 2 or not metres.size:
            got = f"{getattr(metres, 'shape', type(metres).__name__)} {getattr(metres, 'dtype', '')}"
            raise DataError("depth has the wrong shape", got=got, expected="(height, width) float32")
        if not np.isfinite(metres).all() or metres.min() < 0:
            raise DataError("depth is not a distance", got="NaN, Inf or below 0", expected="metres; 0 is unknown")

    def preview(self, sample: DepthMap) -> str:
        """Near bright and far dark, as a PNG of at most 128 × 128 pixels inside the HTML."""
        from PIL import Image

        known = sample.metres[sample.metres > 0]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        grey = np.where(sample.metres > 0, 255 - 200 * (sample.metres - low) / max(high - low, 1e-6), 0)
        picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
        picture.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        size = f'width="{picture.width}" height="{picture.height}"'
        return f'<img src="data:image/png;base64,{data}" {size} alt="depth {low:.1f} to {high:.1f} m">'


def _read(source: str | Path | bytes) -> NDArray[Any]:
    where = None if isinstance(source, bytes) else Path(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    is_array = source[:6] == b"\x93NUMPY" if isinstance(source, bytes) else str(source).lower().endswith(".npy")
    try:
        return np.asarray(np.load(stream, allow_pickle=False)) if is_array else _picture(stream, where)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many things on a broken file
        got = f"{type(error).__name__}: {error}"
        expected = "a picture of 16 bits, or .npy"
        raise DataError("a depth map cannot be read", where=where, got=got, expected=expected) from error


def _picture(stream: Any, where: Path | None) -> NDArray[Any]:
    try:
        from PIL import Image
    except ImportError as error:
        hint = how_to_install("PIL")
        raise PluginError("depth maps need Pillow", where="modality depth", got=error, hint=hint) from error
    with Image.open(stream) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            got = f"{picture.width} × {picture.height} pixels"
            raise DataError("a depth map is too large", where=where, got=got, expected=f"at most {MAX_PIXELS}")
        if picture.mode not in ("I", "F") and not picture.mode.startswith("I;"):
            raise DataError(
                "a depth map has 8 bits, which say nothing of metres", where=where, got=f"mode {picture.mode}",
                expected="16 bits of millimetres, or .npy in metres",
                hint="give the array of metres itself, or read it as an image",
            )  # fmt: skip
        values = np.asarray(picture)
    return values if values.dtype.kind == "f" else values / MILLIMETRES
