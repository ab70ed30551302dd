"""``calmrl``: trained heads on tuples that imputation makes whole."""

from __future__ import annotations

from anybind.builtin.binders.training_options import training_options
from anybind.specs import BinderSpec, OptionSpec

BINDERS = [
    BinderSpec(
        name="calmrl", factory="anybind.methods.calmrl:CalMRL", trained=True,
        summary="Trained heads: a loss of whole tuples, on rows whose missing spaces are imputed by a latent model.",
        reference="Liu et al. (2025), arXiv:2511.12034",
        options={
            "loss": OptionSpec(
                type="str", default="pmrl", choices=("pmrl", "gram", "triangle", "symile"),
                description="The loss of a tuple; triangle takes three spaces.",
            ),
            "missing": OptionSpec(
                type="str", default="impute", choices=("impute", "mean", "observed"),
                description="What stands for a missing space: its imputation, the space's mean, or nothing.",
            ),
            "rank": OptionSpec(
                type="int", default="auto", minimum=1,
                description="Latent dims of the imputer; auto chooses by held-out imputation after the warm-up.",
            ),
            "warm_up": OptionSpec(
                type="float", default=0.3, minimum=0, maximum=1,
                description="Share of the epochs before anything is imputed.",
            ),
            "refresh": OptionSpec(
                type="int", default=1, minimum=1, description="Epochs from one fit of the imputer to the next."
            ),
            "detach": OptionSpec(type="bool", default=True, description="No gradient through imputed columns."),
            "renormalise": OptionSpec(
                type="bool", default=False, description="Scale imputed columns to unit length."
            ),
            "matching": OptionSpec(
                type="float", default=1.0, minimum=0, description="Weight of the contrast of observed pairs."
            ),
            "masked_views": OptionSpec(
                type="float", default=0.0, minimum=0, maximum=1,
                description="Probability, from half-way on, that a row of three or more spaces hides one.",
            ),
            **training_options(),
        },
    ),
]  # fmt: skip
