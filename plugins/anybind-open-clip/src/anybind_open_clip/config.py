"""What a checkpoint's configuration says of a tower; what is not built here is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import anybind

_SECTIONS = ("vision_cfg", "text_cfg")
_SIZES = {"embed_dim", "width", "layers", "mlp_ratio", "quick_gelu", "custom_text"}
# How a tower was trained, or what else it returns; nothing of this changes its vector.
_SILENT = {
    *("init_logit_scale", "init_logit_bias", "nonscalar_logit_scale", "output_dict", "cast_dtype"),
    *("patch_dropout", "output_tokens", "attn_pooler_queries", "attn_pooler_heads", "pad_id", "eos_id"),
    *("timm_pool", "timm_proj", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "hf_tokenizer_name"),
}
_USUAL = {
    "pos_embed_type": "learnable", "block_type": "default", "proj_type": "linear",
    "tokenizer_kwargs": {"clean": "lower"},
}  # fmt: skip
_WHAT = {
    "timm_model_name": "a network of timm's",
    "hf_model_name": "a network of transformers'",
    "multimodal_cfg": "CoCa",
    "attentional_pool": "attentional pooling, as CoCa has it",
}


@dataclass(frozen=True)
class TowerConfig:
    """Sizes that both towers have: a transformer of ``layers`` blocks, and ``dim`` numbers at the end."""

    dim: int
    width: int
    layers: int
    heads: int
    hidden: int
    quick_gelu: bool


@dataclass(frozen=True)
class ImageConfig(TowerConfig):
    """A vision transformer: squares of ``patch_size`` pixels of a picture of ``image_size`` pixels."""

    patch_size: int
    image_size: int


@dataclass(frozen=True)
class TextConfig(TowerConfig):
    """A causal text transformer of at most ``context_length`` tokens."""

    context_length: int
    vocab_size: int


def image_config(encoder: str, model: Mapping[str, Any], where: object) -> ImageConfig:
    """The image tower that ``model_cfg`` of an ``open_clip_config.json`` describes.

    Raises:
        anybind.PluginError: it is another kind of tower, or a size is missing or no whole number.
    """
    tower = _Tower(encoder, model, "vision_cfg", where)
    tower.refuse_unknown({"patch_size", "image_size", "head_width"}, {"pool_type": "tok"})
    size, patch, width = tower.whole("image_size", 224), tower.whole("patch_size", 16), tower.whole("width", 768)
    head_width = tower.whole("head_width", 64)
    if size % patch or width % head_width:
        tower.refuse("sizes that do not divide", f"image {size} by patch {patch}, width {width} by head {head_width}")
    return ImageConfig(**tower.common(width, heads=width // head_width), patch_size=patch, image_size=size)


def text_config(encoder: str, model: Mapping[str, Any], where: object) -> TextConfig:
    """The text tower that ``model_cfg`` of an ``open_clip_config.json`` describes.

    Raises:
        anybind.PluginError: it is another kind of tower, or a size is missing or no whole number.
    """
    tower = _Tower(encoder, model, "text_cfg", where)
    tower.refuse_unknown({"context_length", "vocab_size", "heads"}, {"pool_type": "argmax"})
    width, heads = tower.whole("width", 512), tower.whole("heads", 8)
    if width % heads:
        tower.refuse("sizes that do not divide", f"width {width} by {heads} heads")
    return TextConfig(
        **tower.common(width, heads),
        context_length=tower.whole("context_length", 77), vocab_size=tower.whole("vocab_size", 49408),
    )  # fmt: skip


class _Tower:
    """A tower's section of a configuration, and what stands beside it for both towers."""

    def __init__(self, encoder: str, model: Mapping[str, Any], section: str, where: object) -> None:
        self._encoder, self._where = encoder, where
        values = model.get(section)
        if not isinstance(values, dict):
            self.refuse("it has none", f"{section} {values!r}")
        shared = {key: value for key, value in model.items() if key not in _SECTIONS}
        self._values = {**shared, **values}

    def refuse_unknown(self, sizes: set[str], usual: Mapping[str, Any]) -> None:
        """Refuse any key that is not known, unless it switches something off or says what is usual."""
        for key, value in self._values.items():
            if value and key not in _SIZES | _SILENT | sizes and value != {**_USUAL, **usual}.get(key):
                self.refuse(_WHAT.get(key, f"{key} is not known here"), f"{key} {value!r}")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number above 0."""
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.refuse("a size is no whole number above 0", f"{key} {value!r}")
        return value

    def common(self, width: int, heads: int) -> dict[str, Any]:
        """The fields of ``TowerConfig``."""
        ratio = self._values.get("mlp_ratio", 4.0)
        if isinstance(self._values.get("layers"), list):
            self.refuse("a ResNet", f"layers {self._values['layers']}")
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < 100:
            self.refuse("a size is no number above 0", f"mlp_ratio {ratio!r}")
        return {
            "dim": self.whole("embed_dim"), "width": width, "layers": self.whole("layers", 12), "heads": heads,
            "hidden": int(width * ratio), "quick_gelu": bool(self._values.get("quick_gelu")),
        }  # fmt: skip

    def refuse(self, what: str, got: str) -> NoReturn:
        """Say which tower cannot be built, and why."""
        raise anybind.PluginError(
            f"Encoder {self._encoder} cannot build the checkpoint's tower: {what}.", where=self._where, got=got,
            expected="a plain vision transformer for pictures, and open_clip's own causal transformer for text",
        )  # fmt: skip
