"""Trained heads by plain contrastive learning: ``all-pairs``, ``fixed-anchor``, ``centrobind``."""

from __future__ import annotations

from anybind.builtin.binders.training_options import training_options
from anybind.specs import BinderSpec, OptionSpec

_LOSS = OptionSpec(
    type="str", default="softmax", choices=("softmax", "sigmoid"),
    description="softmax is InfoNCE, sigmoid is SigLIP's loss.",
)  # fmt: skip

BINDERS = [
    BinderSpec(
        name="fixed-anchor", factory="anybind.methods.fixed_anchor:FixedAnchor", trained=True,
        summary="Trained heads: every space is contrasted with one anchor (ImageBind's scheme).",
        reference="Girdhar et al. (2023), arXiv:2305.05665",
        options={
            "anchor": OptionSpec(
                type="str", default="auto",
                description="A space; auto is the one that rows hold together with the most other spaces.",
            ),
            "freeze_anchor": OptionSpec(
                type="bool", default=False,
                description="Keep the anchor's vectors as they are, but for their leading joint_dim directions.",
            ),
            "loss": _LOSS,
            **training_options(),
        },
    ),
    BinderSpec(
        name="all-pairs", factory="anybind.methods.all_pairs:AllPairs", trained=True,
        summary="Trained heads: every two spaces that a row shows are contrasted with each other.",
        reference="Oord et al. (2018), arXiv:1807.03748, and Radford et al. (2021), arXiv:2103.00020, over all pairs",
        options={"loss": _LOSS, **training_options()},
    ),
    BinderSpec(
        name="centrobind", factory="anybind.methods.centrobind:CentroBind", trained=True,
        summary="Trained heads: every space is contrasted with the centroid of its row.",
        reference="CentroBind (2024), arXiv:2410.02086",
        options={
            "augmentation": OptionSpec(
                type="float", default=0.0, minimum=0,
                description="Noise of the view that centroids are made of, in standard deviations; 0 for none.",
            ),
            "leave_one_out": OptionSpec(
                type="bool", default="auto",
                description="Whether a space's centroid is made of the others; auto: without augmentation.",
            ),
            "weights": OptionSpec(
                type="str", default="uniform", choices=("uniform", "query"),
                description="query: a candidate's spaces count by how well they match the query.",
            ),
            "query_temperature": OptionSpec(
                type="float", default=0.1, minimum=0.001, description="Small values look at the best match only."
            ),
            "space_weights": OptionSpec(
                type="list[str]", description="Weights of single spaces in the centroid, such as image=2."
            ),
            "normalised": OptionSpec(type="bool", default=False, description="Scale centroids to unit length."),
            "detached": OptionSpec(type="bool", default=False, description="No gradient through the centroids."),
            **training_options(),
        },
    ),
]  # fmt: skip
