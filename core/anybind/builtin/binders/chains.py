"""Methods that compose maps along a route."""

from __future__ import annotations

from anybind.builtin.binders.wording import AUTO
from anybind.specs import BinderSpec, OptionSpec

BINDERS = [
    BinderSpec(
        name="mox-closed-form", factory="anybind.methods.mox_closed_form:MoxClosedForm",
        summary="BrokenBind's transition matrices in closed form on whole data sets, chained over hops.",
        reference="Huang et al. (2026), arXiv:2602.06451, Eq. 8 and 21",
        options={
            "transition": OptionSpec(
                type="str", default="ridge", choices=("ridge", "rank", "pinv"),
                description="How pivot-to-target maps are regularised; pinv is the paper's.",
            ),
            "transition_strength": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Ridge in units of the mean variance, or the rank: {AUTO}.",
            ),
            "head_ridge": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Ridge of the heads, in units of the mean variance: {AUTO}.",
            ),
        },
    ),
    BinderSpec(
        name="ridge-chain", factory="anybind.methods.ridge_chain:RidgeChain",
        summary="Ridge regression from space to space along the best route: the baseline to beat.",
        options={
            "ridge": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Ridge of every hop, in units of the mean variance: {AUTO}.",
            ),
        },
    ),
]  # fmt: skip
