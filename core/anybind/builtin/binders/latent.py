"""``pcca``: the latent model."""

from __future__ import annotations

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
            "kernel": OptionSpec(
                type="str", default="auto", choices=("auto", "gaussian", "linear"),
                description="gaussian fits on Nyström features of the vectors, linear on the vectors; "
                "auto takes what retrieves held-out rows better.",
            ),
            "landmarks": OptionSpec(
                type="int", default=1024, minimum=2, description="Rows of a space that make its features, at most."
            ),
            "width": OptionSpec(
                type="float", default=2.0, minimum=1e-6,
                description="The Gaussian's gamma times the median squared distance.",
            ),
        },
    ),
]  # fmt: skip
