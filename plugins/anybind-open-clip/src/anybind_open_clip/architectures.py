"""The published architectures that a checkpoint without a configuration may be named after. Imports no torch.

Each is what open_clip's own file of that name says, under the keys of an ``open_clip_config.json``.
Source: https://github.com/mlfoundations/open_clip/tree/main/src/open_clip/model_configs
"""

from __future__ import annotations

from typing import Any


def _architecture(
    dim: int, *, width: int, layers: int, patch: int, text: tuple[int, int, int], head: int = 64, size: int = 224
) -> dict[str, Any]:
    text_width, text_heads, text_layers = text
    return {
        "embed_dim": dim,
        "vision_cfg": {
            "image_size": size, "layers": layers, "width": width, "head_width": head, "patch_size": patch
        },
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408,
            "width": text_width, "heads": text_heads, "layers": text_layers,
        },
    }  # fmt: skip


_PLAIN = {
    "ViT-B-32": _architecture(512, width=768, layers=12, patch=32, text=(512, 8, 12)),
    "ViT-B-16": _architecture(512, width=768, layers=12, patch=16, text=(512, 8, 12)),
    "ViT-L-14": _architecture(768, width=1024, layers=24, patch=14, text=(768, 12, 12)),
    "ViT-L-14-336": _architecture(768, width=1024, layers=24, patch=14, text=(768, 12, 12), size=336),
    "ViT-H-14": _architecture(1024, width=1280, layers=32, patch=14, text=(1024, 16, 24), head=80),
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    **_PLAIN,
    **{f"{name}-quickgelu": {**model, "quick_gelu": True} for name, model in _PLAIN.items()},
}
