"""The options that all trained methods share."""

from __future__ import annotations

from typing import Any

from anybind.builtin.binders.feature_options import feature_options
from anybind.specs import OptionSpec

_SHARED = {
    **feature_options(),
    "head": OptionSpec(
        type="str", default="linear", choices=("linear", "mlp"),
        description="What is trained for every space; mlp has one hidden layer with GELU.",
    ),
    "joint_dim": OptionSpec(
        type="int", default=256, minimum=1, maximum=65536, description="Length of the joint vectors."
    ),
    "hidden_dim": OptionSpec(
        type="int", default=512, minimum=1, maximum=65536, description="Width of an mlp's hidden layer."
    ),
    "epochs": OptionSpec(
        type="int", default=60, minimum=1, description="Epochs of the schedule; early stopping may end it sooner."
    ),
    "batch_size": OptionSpec(type="int", default=256, minimum=2, description="Rows of every data set per step."),
    "learning_rate": OptionSpec(
        type="float", default=2e-3, minimum=1e-8, maximum=1.0,
        description="AdamW's after warm-up; it falls along a cosine.",
    ),
    "weight_decay": OptionSpec(type="float", default=0.1, minimum=0, description="AdamW's weight decay."),
    "noise": OptionSpec(
        type="float", default=1.0, minimum=0,
        description="Noise on the inputs: as strong as this many times d isotropic pseudo-rows for a space of d dims.",
    ),
    "mixing": OptionSpec(
        type="float", default=0.0, minimum=0,
        description="FuseMix: parameter of the Beta distribution by which rows are mixed in pairs; 0 for none.",
    ),
    "temperature": OptionSpec(
        type="float", default=0.1, minimum=0.01, description="What cosines are divided by in the loss."
    ),
    "temperatures": OptionSpec(
        type="list[str]", description="Temperatures of single spaces, such as image=0.05."
    ),
    "learn_temperature": OptionSpec(
        type="bool", default=False, description="Whether temperatures are trained too, down to .01."
    ),
    "neighbourhood": OptionSpec(
        type="float", default=0.0, minimum=0,
        description="Weight of STRUCTURE's neighbourhood preservation; 0 for none.",
    ),
    "patience": OptionSpec(
        type="int", default=8, minimum=0,
        description="Epochs without a better held-out retrieval before training stops; 0 never stops early.",
    ),
    "refit": OptionSpec(
        type="bool", default=True, description="Train again on all rows for the best number of epochs."
    ),
}  # fmt: skip


def training_options(*, without: tuple[str, ...] = (), **defaults: Any) -> dict[str, OptionSpec]:
    """The shared options, some left out, some with a method's own default."""
    unknown = {*without, *defaults} - _SHARED.keys()
    if unknown:
        raise KeyError(f"no such shared options: {sorted(unknown)}")
    return {
        name: spec.model_copy(update={"default": defaults[name]}) if name in defaults else spec
        for name, spec in _SHARED.items()
        if name not in without
    }
