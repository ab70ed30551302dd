"""``mox``: trained heads with BrokenBind's multi-extrapolation."""

from __future__ import annotations

from anybind.builtin.binders.training_options import training_options
from anybind.specs import BinderSpec, OptionSpec


def _weight(description: str) -> OptionSpec:
    return OptionSpec(type="float", default="preset", minimum=0, description=f"{description}: a number, or preset.")


BINDERS = [
    BinderSpec(
        name="mox", factory="anybind.methods.mox:Mox", trained=True,
        summary="BrokenBind as published: trained heads, and pseudo-embeddings of the modalities a data set lacks.",
        reference="Huang et al. (2026), arXiv:2602.06451",
        options={
            "preset": OptionSpec(
                type="str", default="cyclip", choices=("cyclip", "paper"),
                description="Weights that are not given: cyclip has .25 for consistency and no foreign negatives, "
                "paper has 1 throughout.",
            ),
            "mox": _weight("Weight of the contrast with pseudo-embeddings (Eq. 4)"),
            "frobenius": _weight("Weight of the Frobenius term (Eq. 9), which depends on the order of the batch"),
            "clip": _weight("Weight of the contrast with real rows (Eq. 10)"),
            "foreign": _weight("What other data sets' rows count as negatives within Eq. 10"),
            "in_modal": _weight("Weight of in-modal consistency (Eq. 12)"),
            "cross_modal": _weight("Weight of cross-modal consistency (Eq. 11)"),
            "first_stage": OptionSpec(
                type="float", default=0.5, minimum=0, maximum=1,
                description="Share of the epochs before the terms of Eq. 4 and 9 are switched on.",
            ),
            "transition": OptionSpec(
                type="str", default="ridge", choices=("ridge", "rank", "pinv"),
                description="How pivots are inverted; pinv is the paper's.",
            ),
            "transition_strength": OptionSpec(
                type="float", default=0.1, minimum=0,
                description="The ridge in units of the mean squared singular value, or the rank.",
            ),
            "measured_on": OptionSpec(
                type="str", default="batch", choices=("batch", "data-set"),
                description="Where transitions are measured: in each batch, or in all rows once an epoch.",
            ),
            **training_options(features="identity"),
        },
    ),
]  # fmt: skip
