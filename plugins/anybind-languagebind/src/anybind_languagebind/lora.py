"""Low-rank weights that a checkpoint carries beside those they change: merged once, when it is read.

Reference: Hu et al. (2022), LoRA, arXiv:2106.09685. Names are those that peft writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch

import anybind

_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.[^.]+)?\.weight")


def plain_name(name: str) -> str:
    """The name of a tensor without what peft puts around the modules it wraps."""
    return name.replace(".base_model.model.", ".").replace(".base_layer.", ".")


def merge_lora(tensors: Mapping[str, torch.Tensor], alpha: float, path: Path) -> dict[str, torch.Tensor]:
    """Add each product of low-rank weights to the matrix it belongs to: W + B A alpha / r.

    Args:
        tensors: By plain name; A of shape (r, in), B of shape (out, r).
        alpha: The scale the checkpoint was trained with.
        path: Where they come from, for messages.

    Returns:
        The tensors without low-rank ones.

    Raises:
        anybind.PluginError: a factor has no counterpart or no matrix, or they do not fit each other.
    """
    factors: dict[str, dict[str, torch.Tensor]] = {}
    merged: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if found := _FACTOR.fullmatch(name):
            factors.setdefault(found["module"], {})[found["side"]] = tensor
        else:
            merged[name] = tensor
    for module, sides in factors.items():
        merged[f"{module}.weight"] = _changed(module, merged.get(f"{module}.weight"), sides, alpha, path)
    return merged


def _changed(
    module: str, weight: torch.Tensor | None, sides: Mapping[str, torch.Tensor], alpha: float, path: Path
) -> torch.Tensor:
    a, b = sides.get("A"), sides.get("B")
    fits = (
        weight is not None and a is not None and b is not None and a.ndim == b.ndim == 2
        and len(a) == b.shape[1] > 0 and weight.shape == (len(b), a.shape[1])
    )  # fmt: skip
    if weight is None or a is None or b is None or not fits:
        shapes = {name: None if t is None else tuple(t.shape) for name, t in (("W", weight), ("A", a), ("B", b))}
        raise anybind.PluginError(
            "a checkpoint's low-rank weights cannot be merged", where=path,
            got=f"{module}: " + ", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            expected="W (out, in), A (r, in) and B (out, r)",
        )  # fmt: skip
    return (weight.float() + b.float() @ a.float() * (alpha / len(a))).to(weight.dtype)
