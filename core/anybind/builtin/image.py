"""The modality ``image``: a still picture, as a Pillow image in RGB."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybind.errors import DataError, PluginError
from anybind.factories import how_to_install
from anybind.specs import ModalitySpec

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_PIXELS = 89_478_485
"""Larger pictures are refused before they are decoded: a small file can hold one that fills the memory."""

_PREVIEW_PIXELS = 128
_TYPES = "path, bytes or PIL.Image.Image"


class Image:
    """Reads pictures: turned as EXIF says, transparency laid on white, the first frame of an animation."""

    def __init__(self, spec: ModalitySpec) -> None:
        self.name = spec.name

    def load(self, source: Any) -> PillowImage:
        """The picture of ``source`` (a path, the bytes of a file, or a Pillow image) in RGB.

        Raises:
            DataError: missing, no picture, truncated, too large, or of a kind that has no RGB form.
            PluginError: Pillow is not installed.
        """
        pillow = _pillow()
        if isinstance(source, pillow.Image):
            with _reading(None):
                return _as_rgb(source)
        if not isinstance(source, str | Path | bytes):
            raise DataError("a picture cannot be read", got=type(source).__name__, expected=_TYPES)
        where = None if isinstance(source, bytes) else Path(source)
        with (
            _reading(where),
            pillow.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened,
        ):
            return _as_rgb(opened)

    def check(self, sample: Any) -> None:
        """Raise DataError unless ``sample`` is a Pillow image in RGB."""
        mode = getattr(sample, "mode", None)
        if not isinstance(sample, _pillow().Image) or mode != "RGB":
            got = f"{type(sample).__name__}, mode {mode}"
            raise DataError("a picture is not in RGB", got=got, expected="PIL.Image.Image in mode RGB")

    def preview(self, sample: PillowImage) -> str:
        """The picture as a PNG of at most 128 × 128 pixels inside the HTML."""
        small = sample.copy()
        small.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
        buffer = io.BytesIO()
        small.save(buffer, format="PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        return (
            f'<img src="data:image/png;base64,{data}" width="{small.width}" height="{small.height}" alt="">'
        )


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        hint = how_to_install("PIL")
        raise PluginError("pictures need Pillow", where="modality image", got=error, hint=hint) from error
    return PIL.Image


@contextmanager
def _reading(where: Path | None) -> Iterator[None]:
    """Whatever Pillow raises on a broken file (it raises many things) becomes a DataError."""
    try:
        yield
    except DataError as error:
        error.where = error.where or where
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(
            "a picture cannot be read", where=where, got=got, expected="a whole picture file"
        ) from error


def _as_rgb(image: PillowImage) -> PillowImage:
    from PIL import ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        got = f"{width} × {height} pixels"
        raise DataError("a picture is too large", got=got, expected=f"at most {MAX_PIXELS} pixels")
    if image.mode == "RGB":
        image.load()
        return ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise DataError(
            "a picture has more than 8 bits a channel", got=f"mode {image.mode}", expected="8 bits a channel",
            hint="convert it first, which says how its range maps to 0…255, or use a modality of its own",
        )  # fmt: skip
    image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white: PillowImage = _pillow().new("RGBA", layer.size, "white")
    white.alpha_composite(layer)
    return white.convert("RGB")
