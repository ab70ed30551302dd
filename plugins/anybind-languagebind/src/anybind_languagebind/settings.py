"""The sizes of a tower, as a checkpoint's config.json gives them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import anybind
from anybind.encoder_kit.checkpoints import read_json

ACTIVATIONS = ("gelu", "quick_gelu")
_LARGEST = 10_000_000
S = TypeVar("S", bound="LayerSettings")


@dataclass(frozen=True)
class LayerSettings:
    """What all towers have. Values that a config.json leaves out are the defaults of the published classes."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    projection_dim: int = 512


@dataclass(frozen=True)
class VisionSettings(LayerSettings):
    """A tower of pictures, or of what is made to look like one.

    Attributes:
        image_size: Side of the square input in pixels.
        num_frames: Frames of a video; 1 for all else.
        add_time_attn: Whether frames see each other.
        lora_alpha: Scale of low-rank weights that are not merged, over their rank.
        num_mel_bins: Height of a spectrogram; 0 for pictures.
        target_length: Width of a spectrogram in frames of 10 ms; 0 for pictures.
        max_depth: Metres that are white; 0 for the farthest point of each map.
    """

    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 32
    num_frames: int = 1
    add_time_attn: bool = False
    lora_alpha: float = 16.0
    num_mel_bins: int = 0
    target_length: int = 0
    audio_sample_rate: int = 16000
    audio_mean: float = 0.5
    audio_std: float = 0.5
    max_depth: float = 10.0

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input."""
        spectrogram = self.num_mel_bins and self.target_length
        return (self.num_mel_bins, self.target_length) if spectrogram else (self.image_size, self.image_size)


@dataclass(frozen=True)
class TextSettings(LayerSettings):
    """The language tower."""

    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    vocab_size: int = 49408
    max_position_embeddings: int = 77


def vision_settings(folder: Path, model_type: str) -> VisionSettings:
    """The sizes of the vision tower of a checkpoint.

    Args:
        folder: Where config.json is.
        model_type: What it must call itself: the towers look alike, and another's vectors would mean nothing.

    Raises:
        anybind.PluginError: it is missing, damaged, or of another model.
    """
    settings = _section(folder, "vision_config", model_type, VisionSettings)
    height, width = settings.input_size
    smallest = {
        "patch_size": 1 <= settings.patch_size <= min(height, width), "num_channels": settings.num_channels == 3,
        "num_frames": settings.num_frames >= 1, "max_depth": settings.max_depth >= 0,
        "audio_std": settings.audio_std > 0, "audio_sample_rate": settings.audio_sample_rate >= 1000,
    }  # fmt: skip
    _refuse(folder, [name for name, right in smallest.items() if not right])
    return settings


def text_settings(folder: Path) -> TextSettings:
    """The sizes of the language tower; errors as those of ``vision_settings``."""
    settings = _section(folder, "text_config", None, TextSettings)
    _refuse(folder, [] if settings.max_position_embeddings >= 2 else ["max_position_embeddings"])
    return settings


def _section(folder: Path, name: str, model_type: str | None, kind: type[S]) -> S:
    path = folder / "config.json"
    config = read_json(path)
    found = str(config.get("model_type", model_type))
    if found != model_type and (model_type is not None or not found.startswith("LanguageBind")):
        raise anybind.PluginError(
            "a checkpoint is not the one this encoder needs", where=path, got=f"model_type {found}",
            expected=f"model_type {model_type or 'LanguageBind...'}",
        )  # fmt: skip
    section, override = config.get(name) or {}, config.get(f"{name}_dict") or {}
    if not isinstance(section, dict) or not isinstance(override, dict):
        raise anybind.PluginError("a checkpoint's config is wrong", where=path, got=f"{name}: {section}")
    # The projections are those of the whole model; the sections hold a default that nothing uses.
    merged = {**section, **override, "projection_dim": config.get("projection_dim", kind.projection_dim)}
    if isinstance(merged.get("image_size"), list):  # saved after use, it is [height, width]
        merged["image_size"] = merged["image_size"][0] if merged["image_size"] else None
    given = {field.name: field for field in fields(kind) if field.name in merged}
    _refuse(folder, [name for name, field in given.items() if not _fits(merged[name], field.default)])
    settings = kind(**{name: _converted(merged[name], field.default) for name, field in given.items()})
    _refuse(folder, _faults(settings))
    return settings


def _converted(value: Any, default: Any) -> Any:
    return type(default)(value)


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the default's kind; whole numbers may be written as 0.0."""
    if isinstance(default, bool | str):
        return isinstance(value, type(default))
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    return numeric and (isinstance(default, float) or value == int(value))


def _faults(settings: LayerSettings) -> list[str]:
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "projection_dim")
    wrong = [name for name in sizes if getattr(settings, name) < 1]
    if settings.hidden_act not in ACTIVATIONS:
        wrong.append("hidden_act")
    if not wrong and settings.hidden_size % settings.num_attention_heads:
        wrong.append("num_attention_heads")
    return wrong


def _refuse(folder: Path, names: list[str]) -> None:
    if names:
        raise anybind.PluginError(
            "a checkpoint's config has sizes that make no network", where=folder / "config.json",
            got=", ".join(names), expected="the sizes of a LanguageBind model",
        )  # fmt: skip
