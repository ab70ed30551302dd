"""``pcca``: the latent model."""

from __future__ import annotations

from anybind.builtin.binders.feature_options import feature_options
from anybind.builtin.binders.wording import AUTO
from anybind.specs import BinderSpec, OptionSpec

BINDERS = [
    BinderSpec(
        name="pcca", factory="anybind.methods.pcca:PCCA",
        summary="One low-rank probabilistic CCA over all spaces and data sets, with missing blocks.",
        reference="Bach & Jordan (2005), with full noise, more than two views and missing blocks",
        options={
            "rank": OptionSpec(type="int", default="auto", minimum=1, description=f"Latent dims: {AUTO}."),
            "shrinkage": OptionSpec(
                type="float", default="auto", minimum=0,
                description=f"Isotropic pseudo-rows per noise covariance, in units of dims / 2: {AUTO}.",
            ),
            "dims": OptionSpec(
                type="int", default=384, minimum=1, description="Leading directions kept of every space."
            ),
            "steps": OptionSpec(type="int", default=20, minimum=1, description="EM steps."),
            "similarity": OptionSpec(
                type="str", default="cosine", choices=("cosine", "llr"),
                description="cosine of weighted canonical directions, or log-odds of being the same item.",
            ),
            "noise": OptionSpec(
                type="str", default="full", choices=("full", "diagonal", "isotropic"),
                description="What a noise covariance may be; diagonal means along a space's principal axes.",
            ),
            "latent": OptionSpec(
                type="str", default="shared", choices=("shared", "own"),
                description="One covariance of the latent for all data sets, or every data set's own.",
            ),
            "means": OptionSpec(
                type="str", default="affine", choices=("affine", "pooled"),
                description="A space's mean, corrected for which items it was seen with, or pooled over all its rows.",
            ),
            "centring": OptionSpec(
                type="str", default="training", choices=("training", "batch"),
                description="Centre by training means, or queries and gallery by their own (uses test statistics).",
            ),
            **feature_options(),
        },
    ),
]  # fmt: skip
