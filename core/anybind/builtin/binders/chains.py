"""Methods that compose maps along a route."""

from __future__ import annotations

from anybind.builtin.binders.feature_options import feature_options
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
            **feature_options("identity"),
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
            **feature_options("identity"),
        },
    ),
    BinderSpec(
        name="cca-chain", factory="anybind.methods.cca_chain:CCAChain",
        summary="Shrunk canonical correlation analyses, composed hop by hop in whitened coordinates.",
        reference="Hotelling (1936); D'Orazio, Di Zio & Scanu (2006) on statistical matching",
        options={
            "shrinkage": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Added to every space's covariance, in units of its mean variance: {AUTO}.",
            ),
            "power": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Directions are weighted by their correlation to this power over the hops: {AUTO}.",
            ),
            "pivot_reliability": OptionSpec(
                type="str", default="none", choices=("none", "equal"),
                description="equal divides out how reliably the pivot shows each direction.",
            ),
            **feature_options(),
        },
    ),
    BinderSpec(
        name="pivot", factory="anybind.methods.pivot:Pivot",
        summary="Ridge regression of both ends onto the pivot, compared there.",
        options={
            "ridge": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Ridge of every hop, in units of the mean variance: {AUTO}.",
            ),
            "whitening": OptionSpec(
                type="float", default="auto", minimum=0,
                description="Added to the pivot's covariance before it is whitened, in units of its mean variance: "
                f"{AUTO}.",
            ),
            **feature_options(),
        },
    ),
    BinderSpec(
        name="procrustes", factory="anybind.methods.procrustes:Procrustes",
        summary="A rotation per hop between whitened spaces, composed along the best route.",
        reference="Schönemann (1966); Artetxe, Labaka & Agirre (2018)",
        options={
            "shrinkage": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Added to every space's covariance, in units of its mean variance: {AUTO}.",
            ),
            "rank": OptionSpec(
                type="int", default="auto", minimum=1, description=f"Directions of a hop kept, at most: {AUTO}."
            ),
            **feature_options(),
        },
    ),
    BinderSpec(
        name="relative", factory="anybind.methods.relative:Relative",
        summary="Similarities to stored pairs, sparse and powered, carried to the pivot; keeps training rows.",
        reference="Moschella et al. (2023), arXiv:2209.15430; ASIF, arXiv:2210.01738; C-MCR, arXiv:2305.14381",
        options={
            "anchors": OptionSpec(
                type="int", default=2000, minimum=2, description="Training rows of a hop that are stored, at most."
            ),
            "neighbours": OptionSpec(
                type="int", default="auto", minimum=1,
                description=f"Stored rows that count for a row, at most: {AUTO}.",
            ),
            "power": OptionSpec(
                type="float", default="auto", minimum=0.01, description=f"Power of the similarities: {AUTO}."
            ),
            "whitening": OptionSpec(
                type="float", default="auto", minimum=0,
                description="Added to every covariance before it is whitened, in units of its mean variance: "
                f"{AUTO}.",
            ),
            **feature_options("identity"),
        },
    ),
]  # fmt: skip
