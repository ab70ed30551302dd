"""What the conformance kit runs each encoder on: a tiny checkpoint in the published format, and samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from anybind import testing
from anybind_transformers import tiny, tiny_videoclip


def clip_image(folder: Path) -> testing.EncoderExample:
    """CLIP's picture tower."""
    return _tower(tiny.clip(folder), tiny.pictures(), "a text")


def clip_text(folder: Path) -> testing.EncoderExample:
    """CLIP's text tower."""
    return _tower(tiny.clip(folder), tiny.texts(), b"bytes")


def siglip2_image(folder: Path) -> testing.EncoderExample:
    """SigLIP 2's picture tower."""
    return _tower(tiny.siglip2(folder), tiny.pictures(), "a text")


def siglip2_text(folder: Path) -> testing.EncoderExample:
    """SigLIP 2's text tower."""
    return _tower(tiny.siglip2(folder), tiny.texts(), b"bytes")


def clap_audio(folder: Path) -> testing.EncoderExample:
    """CLAP's sound tower."""
    return _tower(tiny.clap(folder), tiny.sounds(), "a text")


def clap_text(folder: Path) -> testing.EncoderExample:
    """CLAP's text tower."""
    return _tower(tiny.clap(folder), tiny.texts(), b"bytes")


def xclip_video(folder: Path) -> testing.EncoderExample:
    """X-CLIP's video tower."""
    return _tower(tiny.xclip(folder), tiny.videos(), "a text")


def xclip_text(folder: Path) -> testing.EncoderExample:
    """X-CLIP's text tower."""
    return _tower(tiny.xclip(folder), tiny.texts(), b"bytes")


def videoclip_video(folder: Path) -> testing.EncoderExample:
    """VideoCLIP's video tower."""
    return _videoclip(folder, tiny.videos(), "a text")


def videoclip_text(folder: Path) -> testing.EncoderExample:
    """VideoCLIP's text tower."""
    return _videoclip(folder, tiny.texts(), b"bytes")


def generic_text(folder: Path) -> testing.EncoderExample:
    """Any text checkpoint."""
    return _generic(tiny.bert, folder, tiny.texts(), b"bytes")


def generic_image(folder: Path) -> testing.EncoderExample:
    """Any picture checkpoint."""
    return _generic(tiny.vit, folder, tiny.pictures(), "a text")


def generic_audio(folder: Path) -> testing.EncoderExample:
    """Any sound checkpoint."""
    return _generic(tiny.wav2vec2, folder, tiny.sounds(), "a text")


def _tower(folder: Path, samples: list[Any], wrong: Any) -> testing.EncoderExample:
    return testing.EncoderExample(samples=samples, options={"folder": str(folder)}, wrong=wrong, dim=tiny.DIM)


def _videoclip(folder: Path, samples: list[Any], wrong: Any) -> testing.EncoderExample:
    options = {"folder": str(tiny_videoclip.videoclip(folder))}
    return testing.EncoderExample(samples=samples, options=options, wrong=wrong, dim=tiny_videoclip.DIM)


def _generic(
    checkpoint: Callable[[Path], Path], folder: Path, samples: list[Any], wrong: Any
) -> testing.EncoderExample:
    options = {"folder": str(checkpoint(folder)), "dim": tiny.DIM}
    return testing.EncoderExample(samples=samples, options=options, wrong=wrong)
